"""Composed scenes: one or two emoji on a plain coloured ground, whose truth (what, where, which colour) is known."""

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from PIL import Image

from workflows.demo.split import fraction

SIZE = 224
#: The named grounds (sRGB). Each scene shifts its ground a little, so that a name covers a range and not one value.
COLOURS: dict[str, tuple[int, int, int]] = {
    "red": (208, 32, 36),
    "orange": (244, 132, 24),
    "yellow": (248, 220, 56),
    "green": (44, 152, 64),
    "blue": (36, 84, 204),
    "purple": (124, 48, 160),
    "pink": (248, 152, 192),
    "brown": (116, 72, 40),
    "black": (16, 16, 16),
    "white": (244, 244, 244),
    "grey": (136, 136, 136),
}
SHIFT = 11
#: Skin tones, joined sequences and keycaps are variants.
VARIANT = re.compile(r"-(1f3f[b-f]|200d|20e3)")
#: Names of flags and the like hold a colon; buttons are signs on a ground of their own, no things.
UNFIT = re.compile(r":|“|\bbutton\b")


@dataclass(frozen=True)
class Subject:
    """A thing that scenes show: its English name, its picture below the art folder, the art row that it is."""

    name: str
    path: str
    uid: str
    group: str


def subjects(art: pa.Table | Path, split: str) -> list[Subject]:
    """The plain emoji of one split ("model", "pool", "evaluation"), in the order of their paths.

    `art` is the table, or the path, of art.parquet. Names are three words at most; one subject per group.
    """
    table = art if isinstance(art, pa.Table) else pq.read_table(art)
    mine = table.filter((pc.field("split") == split) & (pc.field("source") == "emoji"))
    chosen: dict[str, Subject] = {}
    for row in mine.select(["name", "path", "uid", "group"]).to_pylist():
        if not VARIANT.search(row["path"]) and not UNFIT.search(row["name"]) and len(row["name"].split()) <= 3:
            chosen.setdefault(row["group"], Subject(**row))
    return list(chosen.values())


def compose(key: int, things: Sequence[Subject], folder: Path, size: int = SIZE) -> tuple[Image.Image, dict[str, Any]]:
    """Scene number `key`: an RGB picture of `size` x `size`, and the truth about it.

    The truth has `names`, `uids` and `positions` (lists of one or two: "centre", or "left" and "right"), `colour` (a key
    of COLOURS) and `rgb`. Equal arguments give equal pixels. `folder` is the art folder. Two scenes in five hold two things.
    """
    colour = list(COLOURS)[int(fraction("scene colour", str(key)) * len(COLOURS))]
    rgb = tuple(shifted(value, key, channel) for channel, value in enumerate(COLOURS[colour]))
    picture = Image.new("RGB", (size, size), rgb)
    chosen = choose(key, things)
    positions = ["left", "right"] if len(chosen) == 2 else ["centre"]
    for thing, position in zip(chosen, positions, strict=True):
        paste(picture, thing, position, key, folder)
    truth = Truth([t.name for t in chosen], [t.uid for t in chosen], positions, colour, list(rgb))
    return picture, asdict(truth)


@dataclass(frozen=True)
class Truth:
    """What a scene shows."""

    names: list[str]
    uids: list[str]
    positions: list[str]
    colour: str
    rgb: list[int]


def caption(truth: dict[str, Any], colour: bool = True) -> str:
    """`cat on a red background`; `cat on the left and dog on the right, on a red background`; or without the colour."""
    if len(truth["names"]) == 1:
        what, joint = truth["names"][0], " "
    else:
        what = " and ".join(f"{n} on the {p}" for n, p in zip(truth["names"], truth["positions"], strict=True))
        joint = ", "
    article = "an" if truth["colour"][0] in "aeiou" else "a"
    return f"{what}{joint}on {article} {truth['colour']} background" if colour else what


def choose(key: int, things: Sequence[Subject]) -> list[Subject]:
    """One thing, or two different ones."""
    first = int(fraction("scene first", str(key)) * len(things))
    if len(things) < 2 or fraction("scene count", str(key)) >= 0.4:
        return [things[first]]
    second = int(fraction("scene second", str(key)) * (len(things) - 1))
    return [things[first], things[second + (second >= first)]]


def paste(picture: Image.Image, thing: Subject, position: str, key: int, folder: Path) -> None:
    """Put one thing on the picture: its size and place are drawn by the key, within its half or around the centre."""
    room = picture.width if position == "centre" else picture.width // 2
    share = (0.45, 0.35) if position == "centre" else (0.70, 0.25)
    side = round(room * (share[0] + share[1] * fraction("scene size", str(key), position)))
    left = round((room - side) * fraction("scene x", str(key), position)) + (room if position == "right" else 0)
    top = round((picture.height - side) * (0.2 + 0.6 * fraction("scene y", str(key), position)))
    with Image.open(folder / thing.path, formats=["PNG"]) as opened:
        art = opened.convert("RGBA").resize((side, side), Image.Resampling.BICUBIC)
    picture.paste(art, (left, top), art)


def shifted(value: int, key: int, channel: int) -> int:
    """A channel of the ground, moved by at most SHIFT."""
    return min(255, max(0, value + round((2 * fraction("scene shift", str(key), str(channel)) - 1) * SHIFT)))
