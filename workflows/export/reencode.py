"""Resizing and encoding anew, for an export that asks for it. By default images are written bit for bit."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Literal

from pipeline.errors import ConfigError
from pipeline.recipe import recipe
from workflows.export.sample import Suffix

if TYPE_CHECKING:
    from PIL import Image

FORMATS = {"jpg": "JPEG", "png": "PNG", "webp": "WEBP"}


@recipe
class Resize:
    """How images are made anew; any stored format that Pillow reads becomes the suffix of the export.

    Attributes:
        size: of the side that `mode` names, in pixels; a smaller image keeps its size. None only encodes.
        mode: `shortest` or `longest` side, the other in proportion; or `square`: shortest, and the middle cut out.
        quality: of jpg and webp; png has no losses.
    """

    size: int | None = None
    mode: Literal["shortest", "longest", "square"] = "shortest"
    quality: int = 90

    def __post_init__(self) -> None:
        """Check the numbers."""
        if not 1 <= self.quality <= 100 or (self.size is not None and self.size < 1):
            raise ConfigError("resize: size must be 1 or more, and quality between 1 and 100.")

    def __call__(self, stored: bytes | memoryview, suffix: Suffix) -> bytes | str:
        """The image made anew, or why it cannot be. The same Pillow gives the same bytes."""
        from PIL import Image

        try:
            with Image.open(io.BytesIO(stored)) as opened:
                image = self._resized(opened.convert("RGB"))
        except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
            return "the stored image cannot be decoded"
        buffer = io.BytesIO()
        options = {} if suffix == "png" else {"quality": self.quality}
        image.save(buffer, FORMATS[suffix], **options)
        return buffer.getvalue()

    def _resized(self, image: Image.Image) -> Image.Image:
        from PIL import Image

        if self.size is None:
            return image
        side = max(image.size) if self.mode == "longest" else min(image.size)
        if side > self.size:
            width, height = (max(1, round(length * self.size / side)) for length in image.size)
            image = image.resize((width, height), Image.Resampling.BICUBIC)
        return _middle(image) if self.mode == "square" else image


def _middle(image: Image.Image) -> Image.Image:
    side = min(image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    return image.crop((left, top, left + side, top + side))
