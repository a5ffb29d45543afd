"""What the mini-CLIP is trained and judged on: pictures with their texts, as frozen features that are computed once and kept."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq
from PIL import Image

from curation.clip.mini.backbones import CHUNK, ImageBackbone, TextBackbone, prepare
from curation.images import decode
from pipeline.rows import uniform
from workflows.demo.languages import LANGUAGES
from workflows.demo.scenes import caption, compose, subjects

SEED = 0
Arrays = dict[str, npt.NDArray[Any]]
JUDGED = ("en", *LANGUAGES)
NAMES, KEYWORDS = 4, 1  #: how many further languages a picture lends its names and keywords from, for training
TEMPLATES = (
    "a picture of {}", "clip art of {}", "an emoji of {}", "{} on a plain background", "an image showing {}",
    "{}, simple illustration", "a drawing of {}", "the icon of {}",
)  # fmt: skip


@dataclass(frozen=True)
class Pair:
    """A text that belongs to a picture (an index into the rows)."""

    item: int
    text: str
    lang: str
    kind: str


def rows_of(art: Path, split: str) -> list[dict[str, Any]]:
    """The rows of one split of `art.parquet`, ordered by uid."""
    rows: list[dict[str, Any]] = pq.read_table(art, filters=[("split", "==", split)]).to_pylist()
    return sorted(rows, key=lambda row: str(row["uid"]))


def one_a_group(rows: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """The first row of each group, so that no near-duplicate is judged as a mismatch."""
    return list({row["group"]: row for row in reversed(list(rows))}.values())[::-1]


def training_pairs(rows: Sequence[dict[str, Any]]) -> Iterator[Pair]:
    """The texts to learn from: all English ones, and a few of the other languages for each picture."""
    for item, row in enumerate(rows):
        others = sorted({text["lang"] for text in row["texts"]} - {"en"}, key=lambda lang: _draw(row, lang))
        names, keywords = {"en", *others[:NAMES]}, {"en", *others[:KEYWORDS]}
        for text in row["texts"]:
            if text["lang"] in (keywords if text["kind"] == "keywords" else names):
                yield Pair(item, text["text"], text["lang"], text["kind"])
        template = TEMPLATES[int(_draw(row, "template") * len(TEMPLATES))]
        yield Pair(item, template.format(row["name"]), "en", "sentence")


def judged_pairs(rows: Sequence[dict[str, Any]]) -> Iterator[Pair]:
    """One text a picture and language: the emoji's names, the clip art's composed alt-text."""
    for item, row in enumerate(rows):
        kind = "name" if row["source"] == "emoji" else "alt"
        for text in row["texts"]:
            if text["kind"] == kind and text["lang"] in JUDGED:
                yield Pair(item, text["text"], text["lang"], kind)


def _draw(row: dict[str, Any], purpose: str) -> float:
    return uniform(SEED, row["uid"], purpose)


def on_colour(data: bytes, uid: str) -> Image.Image:
    """The picture somewhere on a coloured ground: what a projection must not mind."""
    with Image.open(io.BytesIO(data)) as opened:
        art = opened.convert("RGBA")
    red, green, blue, size, left, top = (uniform(SEED, uid, f"ground {draw}") for draw in range(6))
    ground = Image.new("RGB", (224, 224), (int(red * 255), int(green * 255), int(blue * 255)))
    scale = (0.4 + 0.6 * size) * 224 / max(art.size)
    art = art.resize((max(1, int(art.width * scale)), max(1, int(art.height * scale))), Image.Resampling.BICUBIC)
    ground.paste(art, (int(left * (224 - art.width)), int(top * (224 - art.height))), art)
    return ground


@dataclass(frozen=True)
class Set:
    """Pictures as they are prepared for the image tower, and the texts that go with them.

    `views` are (item, picture); items of one group are near-duplicates and never each other's mismatch.
    """

    views: Iterable[tuple[int, Image.Image]]
    pairs: Sequence[Pair]
    groups: Sequence[str]
    sources: Sequence[str]


def art_set(art: Path, rows: Sequence[dict[str, Any]], pairs: Iterable[Pair], *, grounds: bool) -> Set:
    """Pictures of `art.parquet` as they are, and if `grounds` also each on a coloured ground."""
    return Set(
        views=_art_views(art.with_name("art"), rows, grounds),
        pairs=list(pairs),
        groups=[row["group"] for row in rows],
        sources=[row["source"] for row in rows],
    )


def _art_views(folder: Path, rows: Sequence[dict[str, Any]], grounds: bool) -> Iterator[tuple[int, Image.Image]]:
    for item, row in enumerate(rows):
        data = (folder / row["path"]).read_bytes()
        yield item, decode(data)
        if grounds:
            yield item, on_colour(data, row["uid"])


def scene_set(art: Path, split: str, keys: range) -> Set:
    """Composed scenes of the split's own things; each is a group of its own, since the same thing elsewhere differs.

    A scene of one thing also bears that thing's texts, so that scenes are no English-speaking corner.
    """
    things = subjects(art, split)
    spoken = names_of(rows_of(art, split))
    made = [compose(key, things, art.with_name("art")) for key in keys]
    pairs = []
    for item, (_, truth) in enumerate(made):
        pairs.append(Pair(item, caption(truth), "en", "scene"))
        pairs.append(Pair(item, caption(truth, colour=False), "en", "things"))
        if len(truth["uids"]) == 1:
            pairs += [replace(pair, item=item) for pair in spoken[truth["uids"][0]]]
    return Set(
        views=((item, picture) for item, (picture, _) in enumerate(made)),
        pairs=pairs,
        groups=[f"scene {key}" for key in keys],
        sources=["scene"] * len(made),
    )


def names_of(rows: Sequence[dict[str, Any]]) -> dict[str, list[Pair]]:
    """By uid the names that `training_pairs` gives a picture in other languages than English."""
    found: dict[str, list[Pair]] = {row["uid"]: [] for row in rows}
    for pair in training_pairs(rows):
        if pair.kind == "name" and pair.lang != "en":
            found[rows[pair.item]["uid"]].append(pair)
    return found


def compute(given: Set) -> Arrays:
    """The features of a set in the form that `workflows.training.lit` reads, with languages, kinds and sources beside."""
    items, found = [], []
    backbone, views = ImageBackbone(), iter(given.views)
    while some := list(islice(views, CHUNK)):
        items += [item for item, _ in some]
        found.append(backbone.features([prepare(picture) for _, picture in some]))
    texts = sorted({pair.text for pair in given.pairs})
    number = {text: place for place, text in enumerate(texts)}
    groups = {group: place for place, group in enumerate(sorted(set(given.groups)))}
    return {
        "image": np.concatenate(found),
        "image_item": np.array(items),
        "item_group": np.array([groups[group] for group in given.groups]),
        "item_source": np.array(given.sources),
        "text": TextBackbone().features(texts),
        "link_item": np.array([pair.item for pair in given.pairs]),
        "link_text": np.array([number[pair.text] for pair in given.pairs]),
        "link_lang": np.array([pair.lang for pair in given.pairs]),
        "link_kind": np.array([pair.kind for pair in given.pairs]),
    }


def kept(path: Path, make: Callable[[], Set]) -> Arrays:
    """The features at `path`, computed first where they are not there yet."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".partial.npz")
        arrays: dict[str, Any] = compute(make())
        np.savez(partial, **arrays)
        partial.replace(path)
    with np.load(path, allow_pickle=False) as arrays:
        return dict(arrays)


def joined(first: Arrays, second: Arrays) -> Arrays:
    """Two sets as one, in which a text that both have stands once."""
    shift = {
        "image_item": len(first["item_group"]),
        "link_item": len(first["item_group"]),
        "item_group": int(first["item_group"].max()) + 1,
        "link_text": len(first["text"]),
    }
    both = {name: np.concatenate([first[name], second[name] + shift[name]]) for name in shift}
    both |= {name: np.concatenate([first[name], second[name]]) for name in second.keys() - shift.keys()}
    both["text"], number = np.unique(both["text"], axis=0, return_inverse=True)
    both["link_text"] = number[both["link_text"]]
    return both
