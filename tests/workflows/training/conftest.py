"""Shards of coloured shapes that say what they are: small, real, and learnable in seconds."""

from __future__ import annotations

import io
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageDraw

from workflows.export.sample import Field, Sample
from workflows.export.writer import writing
from workflows.training.config import TrainConfig
from workflows.training.shards import Shards

COLOURS = ("red", "green", "blue", "yellow", "black", "white", "orange", "purple")
SHAPES = ("circle", "square", "triangle")

#: Two layers a tower: a step takes milliseconds.
MICRO: dict[str, Any] = {
    "embed_dim": 32,
    "vision_cfg": {"image_size": 32, "layers": 2, "width": 64, "head_width": 32, "patch_size": 16},
    "text_cfg": {"context_length": 12, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 1},
}


def draw(colour: str, ground: str, shape: str, generator: random.Random) -> bytes:
    """A shape on a ground, somewhere, as JPEG."""
    image = Image.new("RGB", (48, 40), ground)
    pen = ImageDraw.Draw(image)
    x, y, r = generator.randint(16, 30), generator.randint(14, 24), generator.randint(9, 13)
    if shape == "circle":
        pen.ellipse((x - r, y - r, x + r, y + r), fill=colour)
    elif shape == "square":
        pen.rectangle((x - r, y - r, x + r, y + r), fill=colour)
    else:
        pen.polygon(((x, y - r), (x - r, y + r), (x + r, y + r)), fill=colour)
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


def shape_sample(number: int, seed: int = 0) -> Sample:
    """One sample; its short caption is missing in every fifth."""
    generator = random.Random(f"{seed} {number}")
    colour, ground = generator.sample(COLOURS, 2)
    shape = generator.choice(SHAPES)
    long = f"a {colour} {shape} on a {ground} ground"
    fields: dict[str, Field] = {
        "uid": f"{number:032x}",
        "caption_short": "" if number % 5 == 0 else f"{colour} {shape}",
        "score": 0.5,
    }
    return Sample(f"{seed}-{number:06d}", draw(colour, ground, shape, generator), long, fields | {"caption_alt": long})


@pytest.fixture
def make_shards(tmp_path: Path) -> Callable[..., Shards]:
    """`make_shards(number, per_shard=16, seed=0)`: shards in a folder of their own."""
    count = iter(range(100))

    def make(number: int, per_shard: int = 16, seed: int = 0) -> Shards:
        folder = tmp_path / f"shards{next(count)}"
        with writing(folder, samples=per_shard) as writer:
            for place in range(number):
                writer.add(shape_sample(place, seed))
            writer.close()
        return Shards.of(folder)

    return make


@pytest.fixture
def micro() -> Callable[..., TrainConfig]:
    """`micro(**fields)`: a config of the smallest model, on one thread of a CPU."""
    fields: dict[str, Any] = {
        "model": "micro", "architecture": MICRO, "batch": 16, "steps": 4, "threads": 1, "device": "cpu", "log_every": 1,
    }  # fmt: skip
    return lambda **changes: TrainConfig(**(fields | changes))
