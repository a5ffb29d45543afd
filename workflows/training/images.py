"""Encoded pictures to pixels: decoding behind a format list and a bound on pixels, the evaluation's crop and the training's.

Both crops resample as Pillow does: bicubic with antialiasing. The training's is computed by torch, whose uint8 kernel uses the
CPU's vector instructions; it differs from Pillow's by rounding, one level of 255.
"""

from __future__ import annotations

import hashlib
import io
import math
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch.nn import functional as F  # noqa: N812 - as everyone calls it

from pipeline.pictures import on_white
from workflows.training.shards import Unreadable

Pixels = npt.NDArray[np.uint8]  #: height x width x 3
FORMATS = ("JPEG", "PNG", "WEBP")
MAX_PIXELS = 64_000_000


def decode(data: bytes, at_least: int = 0) -> Image.Image:
    """Decode to RGB, transparency on white.

    With `at_least`, a large picture comes smaller, its short side still that long: cheaper to decode.

    Raises:
        Unreadable: if it is no JPEG, PNG or WebP, is cut off, or declares too many pixels.
    """
    try:
        image = Image.open(io.BytesIO(data), formats=FORMATS)
        if image.width * image.height > MAX_PIXELS:
            raise Unreadable(f"the image declares more than {MAX_PIXELS} pixels")
        if at_least:
            image.draft("RGB", (at_least, at_least))
        factor = min(image.size) // at_least if at_least else 1
        rgb = on_white(image)
        return rgb.reduce(factor) if factor > 1 else rgb
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise Unreadable(f"the image cannot be decoded ({type(error).__name__})") from error


def centre(image: Image.Image, size: int) -> Pixels:
    """open_clip's evaluation transform: the short side to `size`, bicubic, and the middle square."""
    scale = size / min(image.size)
    width, height = (size if side == min(image.size) else int(side * scale) for side in image.size)
    left, top = round((width - size) / 2), round((height - size) / 2)
    resized = image.resize((width, height), Image.Resampling.BICUBIC)
    return np.asarray(resized.crop((left, top, left + size, top + size)))


def random_crop(image: Pixels, size: int, least: float, key: tuple[Any, ...]) -> Pixels:
    """A crop of at least `least` of the area and an aspect in [3/4, 4/3], as open_clip trains, drawn from a hash of `key`."""
    left, top, width, height = _box(image.shape[1], image.shape[0], least, key)
    inside = torch.from_numpy(image[top : top + height, left : left + width]).permute(2, 0, 1)[None]
    resized = F.interpolate(inside, (size, size), mode="bicubic", antialias=True)
    pixels: Pixels = resized[0].permute(1, 2, 0).numpy()
    return pixels


def _box(width: int, height: int, least: float, key: tuple[Any, ...]) -> tuple[int, int, int, int]:
    """Left, top, width and height in whole pixels."""
    area, ratio, x, y = _numbers(key)
    wanted = width * height * (least + area * (1 - least))
    aspect = math.exp((2 * ratio - 1) * math.log(4 / 3))
    wide = max(1, min(width, round(math.sqrt(wanted * aspect))))
    high = max(1, min(height, round(math.sqrt(wanted / aspect))))
    return int(x * (width - wide + 1)), int(y * (height - high + 1)), wide, high


def _numbers(key: tuple[Any, ...]) -> tuple[float, float, float, float]:
    """Four numbers in [0, 1) that belong to the key."""
    digest = hashlib.blake2b("\0".join(map(str, key)).encode("utf-8", "surrogatepass"), digest_size=32).digest()
    first, second, third, fourth = (int.from_bytes(digest[at : at + 8], "big") / 2**64 for at in (0, 8, 16, 24))
    return first, second, third, fourth
