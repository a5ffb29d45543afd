"""The pieces of art that training pictures are made of, and what may be done to one without making its name untrue."""

import re
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from PIL import Image, ImageOps

from pipeline.pictures import on_white
from workflows.demo.captioner.captions import Kind, plain_name
from workflows.demo.captioner.colours import in_order, leading, shares
from workflows.demo.captioner.shape import CELL, MAX_PIXELS, MIN_PIXELS, PATCH, Grid
from workflows.demo.split import fraction

KEPT = 160  # longest side at which art is held in memory
LONGEST = 3.0  # aspect ratio beyond which a picture is left out
VALIDATION = 0.08  # share of the groups of a split that choose a training's recipe and are not trained on
MEASURED = 64  # longest side at which a tinted piece is measured
# What a mirror makes untrue: directions, and whatever bears letters, digits or a coat of arms.
SIDED = re.compile(r"\b(left|right|arrow|flag|keycap|letters?|text|sign|symbol|clock|oclock|map|[a-z]'s|logo|number)\b")
Generator = np.random.Generator


@dataclass(frozen=True)
class Art:
    """One picture of the pool of training art, transparent where it has no paint."""

    picture: Image.Image
    name: str
    kind: Kind
    colours: tuple[str, ...]
    shares: tuple[float, ...]
    grid: Grid
    weight: float
    solo: bool  # has transparency around a compact object, so that it can stand in a scene
    validation: bool

    @property
    def sided(self) -> bool:
        """Whether its mirror image or another tint would no longer be what it is called."""
        return SIDED.search(self.name) is not None


def load_art(table: Path, split: str) -> list[Art]:
    """The nameable art of `split` from art.parquet, in its order; pictures too long or without paint are left out."""
    rows = [row for row in pq.read_table(table).to_pylist() if row["split"] == split]
    found = [art for row in rows if (art := _art(row, table.parent / "art")) is not None]
    counts = Counter(art.name for art in found)
    # A name with many variants (skin tones, series) is shown more often than one picture, but not in proportion.
    return [replace(art, weight=counts[art.name] ** -0.5) for art in found]


def _art(row: dict[str, Any], folder: Path) -> Art | None:
    name = plain_name(row["name"], row["path"])
    wide, high = row["width"], row["height"]
    if not name or max(wide, high) > LONGEST * min(wide, high):
        return None
    with Image.open(folder / row["path"]) as opened:
        opened.thumbnail((4 * KEPT, 4 * KEPT), Image.Resampling.BOX, reducing_gap=2)
        picture = opened.convert("RGBA")
    picture.thumbnail((KEPT, KEPT), Image.Resampling.BOX)
    pixels = np.asarray(picture)
    painted = pixels[..., 3] > 127
    if painted.mean() < 0.01:
        return None
    edge = np.concatenate([painted[0], painted[-1], painted[:, 0], painted[:, -1]]).mean()
    solo = edge < 0.4 and 0.1 < painted.mean() < 0.95
    kind: Kind = "emoji" if row["source"] == "emoji" else "clip art"
    apart = fraction("captioner validation", row["group"]) < VALIDATION
    colours, held = measured(picture)
    return Art(picture, name, kind, colours, held, grid_of(wide, high), 1.0, bool(solo), apart)


def measured(picture: Image.Image) -> tuple[tuple[str, ...], tuple[float, ...]]:
    """Main colours of the painted pixels, and the share of each of COLOURS."""
    held = shares(np.asarray(on_white(picture)), np.asarray(picture)[..., 3] > 127)
    return leading(held), in_order(held)


def turned(art: Art, rng: Generator) -> Art:
    """The piece as it is, mirrored, or in other colours that are measured anew: a colour is to be read off, not remembered.

    A piece whose name its mirror image or a tint would belie stays as it is.
    """
    if art.sided:
        return art
    picture = ImageOps.mirror(art.picture) if rng.random() < 0.5 else art.picture
    if rng.random() >= 0.3:
        return replace(art, picture=picture)
    picture = _tinted(picture, rng)
    small = picture.copy()
    small.thumbnail((MEASURED, MEASURED), Image.Resampling.BOX)
    colours, held = measured(small)
    return replace(art, picture=picture, colours=colours, shares=held) if colours else art


def _tinted(picture: Image.Image, rng: Generator) -> Image.Image:
    """All hues moved by one angle, saturation and value scaled."""
    hue, saturation, value = picture.convert("RGB").convert("HSV").split()
    turn = int(rng.integers(256))
    vivid, bright = rng.uniform(0.5, 1.3), rng.uniform(0.6, 1.2)
    parts = (
        hue.point([(level + turn) % 256 for level in range(256)]),
        saturation.point([min(255, round(level * vivid)) for level in range(256)]),
        value.point([min(255, round(level * bright)) for level in range(256)]),
    )
    tinted = Image.merge("HSV", parts).convert("RGB")
    tinted.putalpha(picture.getchannel("A"))
    return tinted


def grid_of(width: int, height: int) -> Grid:
    """(rows, columns) of patches that the served model's image processor gives a picture of this size."""
    from transformers.models.qwen2_vl.image_processing_qwen2_vl import smart_resize

    scale = min(1.0, 256 / max(width, height))
    size = smart_resize(
        max(1, round(height * scale)), max(1, round(width * scale)), CELL, min_pixels=MIN_PIXELS, max_pixels=MAX_PIXELS
    )
    return size[0] // PATCH, size[1] // PATCH
