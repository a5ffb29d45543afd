"""Boxes of a picture: cut out one by one, or named by their coordinates."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from typing import Literal

from PIL import Image

from captioning.images import FORMATS, UnreadableImage
from pipeline.pictures import on_white

Box = tuple[float, float, float, float]
Units = Literal["shares", "pixels"]

MARGIN = 0.1  # of the box's width and height, on each side: an object is known by what is around it
SMALLEST = 16  # pixels; a smaller cut-out shows nothing that a captioner could name
QUALITY = 92


class Cutter:
    """A decoded picture, from which regions are cut."""

    def __init__(self, data: bytes) -> None:
        """Decode it.

        Raises:
            UnreadableImage: for bytes that are no picture.
        """
        try:
            with Image.open(io.BytesIO(data), formats=FORMATS) as image:
                self._image = on_white(image)
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
            raise UnreadableImage(f"image cannot be decoded\n{error}") from error

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return self._image.size

    def cut(self, box: Box) -> bytes:
        """The region of a box (shares of width and height: left, top, right, bottom) with its margin, as JPEG."""
        width, height = self._image.size
        buffer = io.BytesIO()
        self._image.crop(_pixels(box, width, height)).save(buffer, "JPEG", quality=QUALITY)
        return buffer.getvalue()


def boxes_of(value: object, units: Units, size: tuple[int, int]) -> list[Box | None]:
    """Boxes as shares of width and height; None for one that is no box.

    Args:
        value: a list of lists or structs of four numbers: left, top, right, bottom. Null is no box at all.
        units: `shares` of width and height, or `pixels`.
        size: of the picture in pixels.
    """
    found = value if isinstance(value, list) else []
    return [_box(item, units, size) for item in found]


def _box(item: object, units: Units, size: tuple[int, int]) -> Box | None:
    numbers = list(item.values()) if isinstance(item, dict) else item
    if not isinstance(numbers, Sequence) or len(numbers) != 4 or not all(isinstance(n, int | float) for n in numbers):
        return None
    scale = (*size, *size) if units == "pixels" else (1, 1, 1, 1)
    left, top, right, bottom = (min(1.0, max(0.0, number / unit)) for number, unit in zip(numbers, scale, strict=True))
    return (left, top, right, bottom) if left < right and top < bottom else None


def thousandths(boxes: Sequence[Box]) -> str:
    """Boxes as a prompt says them: `[0, 125, 500, 1000]; ...`, in thousandths of width and height."""
    return "; ".join(str([round(1000 * side) for side in box]) for box in boxes)


def _pixels(box: Box, width: int, height: int) -> tuple[int, int, int, int]:
    left, right = _stretch(box[0] * width, box[2] * width, width)
    top, bottom = _stretch(box[1] * height, box[3] * height, height)
    return left, top, right, bottom


def _stretch(low: float, high: float, end: int) -> tuple[int, int]:
    """A side with its margin, at least `SMALLEST` pixels long where the picture has so many."""
    margin = max(MARGIN * (high - low), (SMALLEST - (high - low)) / 2)
    begin, stop = max(0, int(low - margin)), min(end, math.ceil(high + margin))
    return min(begin, max(0, stop - SMALLEST)), max(stop, min(end, begin + SMALLEST))
