"""What the captioner is judged on: pictures that it was not trained on, by source and by whether their concept is known.

A concept is known if its head noun is the head noun of a training picture's name. Held-out pictures are art of the split
`evaluation` on white; scenes are composed by the demo's own composer, of training emoji on grounds that they were never trained
on (`known things`), or of emoji of the split `evaluation` (`new things`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from PIL import Image

from pipeline.pictures import on_white
from workflows.demo.captioner.captions import head_noun, plain_name
from workflows.demo.captioner.colours import COLOURS, SECOND, measure
from workflows.demo.captioner.data import set_apart
from workflows.demo.captioner.judge import Truth
from workflows.demo.captioner.pieces import measured
from workflows.demo.damage import saved
from workflows.demo.scenes import compose, subjects
from workflows.demo.split import fraction

EVERY = "held-out pictures"


@dataclass(frozen=True)
class Exhibit:
    """A picture as a downloader stores it (JPEG bytes), the truth about it, and the sets that it is counted in."""

    jpeg: bytes
    truth: Truth
    sets: tuple[str, ...] = ()


def exhibits(art: Path, pictures: int, composed: int) -> list[Exhibit]:
    """`pictures` held-out pictures, and `composed` scenes of known and as many of new things."""
    return [
        *held_out_pictures(art, pictures),
        *scenes(art, "model", composed, "scenes, known things"),
        *scenes(art, "evaluation", composed, "scenes, new things"),
    ]


def held_out_pictures(art: Path, count: int) -> list[Exhibit]:
    """`count` nameable pictures of the split `evaluation`, drawn by hash, on white."""
    table = pq.read_table(art).to_pylist()
    known = {noun_of(row) for row in table if row["split"] == "model"}
    rows = [row for row in table if row["split"] == "evaluation" and plain_name(row["name"], row["path"])]
    rows.sort(key=lambda row: fraction("captioner evaluation", row["uid"]))
    return [_picture(row, art.with_name("art"), known) for row in rows[:count]]


def noun_of(row: dict[str, Any]) -> str:
    """The head noun of a row's name, "" where it has no usable one."""
    return head_noun(plain_name(row["name"], row["path"]))


def _picture(row: dict[str, Any], folder: Path, known: set[str]) -> Exhibit:
    with Image.open(folder / row["path"]) as opened:
        opened.thumbnail((256, 256), Image.Resampling.BOX)
        picture = on_white(opened)
    seen = measure(picture)
    truth = Truth(seen.colours[:1], (plain_name(row["name"], row["path"]),), seen.background, held(seen.shares))
    source = "emoji" if row["source"] == "emoji" else "clip art"
    concept = "seen" if noun_of(row) in known else "unseen"
    return Exhibit(saved(picture, "JPEG", 95), truth, (EVERY, f"{source}, {concept} concepts"))


def scenes(art: Path, split: str, count: int, name: str) -> list[Exhibit]:
    """`count` scenes of the split's emoji; of the split `model` only those whose every thing is set apart from its ground."""
    folder, things = art.with_name("art"), [thing for thing in subjects(art, split) if plain_name(thing.name)]
    paths = {thing.uid: folder / thing.path for thing in things}
    found: list[Exhibit] = []
    key = 1_000_000
    while len(found) < count:
        key += 1
        picture, truth = compose(key, things, folder)
        names = tuple(plain_name(name) for name in truth["names"])
        if split == "model" and not all(set_apart(name, truth["colour"]) for name in names):
            continue
        parts = [_shares(paths[uid]) for uid in truth["uids"]]
        main = tuple(COLOURS[int(np.argmax(part))] for part in parts)
        if truth["colour"] not in main:  # a thing that melts into its ground has no visible colour
            colours = tuple(colour for part in parts for colour in held(part))
            found.append(Exhibit(saved(picture, "JPEG", 95), Truth(main, names, truth["colour"], colours), (name,)))
    return found


def held(parts: Sequence[float]) -> tuple[str, ...]:
    """The colours that make up SECOND or more, of the share of each of COLOURS."""
    return tuple(colour for colour, share in zip(COLOURS, parts, strict=True) if share >= SECOND)


def _shares(path: Path) -> tuple[float, ...]:
    with Image.open(path) as opened:
        return measured(opened.convert("RGBA"))[1]
