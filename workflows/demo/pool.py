"""The demo pool: rows of the `pool` split as a URL list has them, the faults in them, the truth, and the server's routes."""

import json
import re
import shutil
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline.errors import ConfigError
from workflows.demo.faults import EXACT_SHARE, GARBAGE, NEAR_SHARE, SAME_URL, plant
from workflows.demo.languages import LANGUAGES
from workflows.demo.rows import PORT, Row, tables
from workflows.demo.scenes import Subject, caption, compose, subjects
from workflows.demo.split import fraction
from workflows.demo.world import World

SKIN_TONE = re.compile("-1f3f[b-f]")
SCENE_SHARE, SMALLEST = 0.10, 60


@dataclass(frozen=True)
class PoolRecipe:
    """How large the pool is and where it will be served. `full`: every row of the split, whatever `size`."""

    size: int = 1500
    full: bool = False
    port: int = PORT


def build_pool(out: Path, recipe: PoolRecipe) -> tuple[pa.Table, pa.Table]:
    """Write urls.parquet, truth.parquet, routes.json and the pictures that are not art; gives list and truth.

    Raises ConfigError for a size too small to hold every fault.
    """
    if recipe.size < SMALLEST:
        raise ConfigError(
            f"a demo pool of {recipe.size} rows cannot hold every fault: ask for --size {SMALLEST} or more"
        )
    for made in ("scenes", "faults"):
        shutil.rmtree(out / made, ignore_errors=True)
    art = pq.read_table(out / "art.parquet", filters=[("split", "=", "pool")])
    rows = base_rows(art, out, recipe)
    world = World(out, rows)
    added = plant(world)
    everything = sorted([*rows, *added], key=lambda row: fraction("order", row.where, row.url or "", row.texts[0][0]))
    urls, truth = tables(everything, recipe.port)
    for row in rows:
        if row.url is None:
            world.routes.setdefault(row.where, {"does": "file", "file": row.image, "type": "image/png"})
    (out / "routes.json").write_text(json.dumps({"port": recipe.port, "routes": world.routes}, sort_keys=True))
    pq.write_table(urls, out / "urls.parquet")
    pq.write_table(truth, out / "truth.parquet")
    return urls, truth


def base_rows(art: pa.Table, out: Path, recipe: PoolRecipe) -> list[Row]:
    """The clean rows: clip art and emoji in equal parts as far as they go, and scenes."""
    clip, emoji = chosen(art, "openclipart"), [row for row in chosen(art, "emoji") if plain(row["path"])]
    things = subjects(art, "pool")
    wanted = round((recipe.size - SAME_URL - len(GARBAGE)) / (1 + EXACT_SHARE + NEAR_SHARE))
    scenes = round(recipe.size * SCENE_SHARE) if things else 0
    if not recipe.full:
        clip, emoji = share_out(wanted - scenes, clip, emoji)
    return [*map(clip_row, clip), *map(emoji_row, emoji), *scene_rows(range(scenes), things, out)]


def chosen(art: pa.Table, source: str) -> list[dict[str, Any]]:
    """The art of one source in the order of a hash: a prefix of it is a fair sample."""
    rows: list[dict[str, Any]] = art.filter(pc.field("source") == source).to_pylist()
    return sorted(rows, key=lambda row: fraction("pool", row["uid"]))


def plain(path: str) -> bool:
    """Whether an emoji has no skin tone: the five tones of one are near duplicates that nobody planted."""
    return not SKIN_TONE.search(path)


def share_out(
    wanted: int, first: Sequence[dict[str, Any]], second: Sequence[dict[str, Any]]
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """About `wanted` items, 60 % of them of the first kind; what one lacks the other gives."""
    many = min(len(first), max(round(wanted * 0.6), wanted - len(second)))
    return list(first[:many]), list(second[: max(0, wanted - many)])


def clip_row(row: dict[str, Any]) -> Row:
    """Clip art: the composed alt-text, and for a third of them the page's title beside it."""
    said = {text["kind"]: text["text"] for text in row["texts"]}
    texts, title = [(said["alt"], "alt", "en")], None
    if "title" in said and said["title"] != said["alt"] and fraction("title", row["uid"]) < 1 / 3:
        title = said["title"]
        texts.append((title, "title", "en"))
    return Row(f"/art/{row['path']}", texts, title=title, **known(row))


def emoji_row(row: dict[str, Any]) -> Row:
    """Emoji: one to three texts, each in another language; English is first on three in five."""
    spoken = {(text["lang"], text["kind"]): text["text"] for text in row["texts"]}
    langs = [lang for lang in by_hash(LANGUAGES, row["uid"]) if (lang, "name") in spoken]
    english = ["en"] if fraction("english", row["uid"]) < 0.6 or not langs else []
    count = 1 + int(fraction("texts", row["uid"]) * 3)
    texts = [(phrase(spoken, lang, row["uid"]), "alt", lang) for lang in (english + langs)[:count]]
    return Row(f"/art/{row['path']}", texts, **known(row))


def by_hash(words: Iterable[str], uid: str) -> list[str]:
    """Words in an order of this row's own."""
    return sorted(words, key=lambda word: fraction("language", uid, word))


def phrase(spoken: dict[tuple[str, str], str], lang: str, uid: str) -> str:
    """The name, or the name and a few keywords."""
    name, keywords = spoken[lang, "name"], spoken.get((lang, "keywords"), "")
    few = [word for word in keywords.split(", ") if word and word != name][:3]
    return f"{name}, {', '.join(few)}" if few and fraction("phrase", uid, lang) < 0.4 else name


def known(row: dict[str, Any]) -> dict[str, Any]:
    """The part of the truth that the art table has."""
    return {
        "source": row["source"],
        "true_name": row["name"],
        "image": f"art/{row['path']}",
        "art_uid": row["uid"],
        "group": row["group"],
    }


def scene_rows(keys: Iterable[int], things: Sequence[Subject], out: Path) -> Iterator[Row]:
    """Composed scenes, written as PNG; a third of their alt-texts leave the colour out."""
    (out / "scenes").mkdir(exist_ok=True)
    for key in keys:
        picture, truth = compose(key, things, out / "art")
        image = f"scenes/{key:06d}.png"
        picture.save(out / image)
        coloured = fraction("colour said", str(key)) < 2 / 3
        yield Row(
            f"/{image}",
            [(caption(truth, coloured), "alt", "en")],
            "scene",
            " and ".join(truth["names"]),
            image,
            detail="colour said" if coloured else "colour left out",
            group=f"scene {key}",
            objects=truth["names"],
            positions=truth["positions"],
            colour=truth["colour"],
        )
