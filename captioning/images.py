"""Images as they travel to a server: base64 data URLs of JPEG, never an address that a server would fetch."""

from __future__ import annotations

import base64
import io

from PIL import Image

from pipeline.pictures import on_white

FORMATS = ("JPEG", "PNG", "WEBP")
QUALITY = 92


class UnreadableImage(ValueError):  # noqa: N818 - reads as the sentence it is
    """The bytes are not an image that may be sent."""


def data_url(data: bytes, max_side: int) -> str:
    """The data URL of an image. A JPEG whose sides are within `max_side` pixels travels as it is stored.

    Raises:
        UnreadableImage: for bytes that do not decode as JPEG, PNG or WebP, or that declare too many pixels.
    """
    return "data:image/jpeg;base64," + base64.b64encode(as_jpeg(data, max_side)).decode("ascii")


def as_jpeg(data: bytes, max_side: int) -> bytes:
    """JPEG bytes with no side above `max_side` pixels; alpha is laid on white."""
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            if image.format == "JPEG" and image.mode in {"RGB", "L"} and max(image.size) <= max_side:
                return data
            return _encode(image, max_side)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise UnreadableImage(f"image cannot be decoded\n{error}") from error


def _encode(image: Image.Image, max_side: int) -> bytes:
    scale = min(1.0, max_side / max(image.size))
    wanted = (max(int(image.width * scale), 1), max(int(image.height * scale), 1))
    image.draft("RGB", wanted)  # JPEG decodes to a half, a quarter or an eighth
    small = on_white(image)
    small.thumbnail((max_side, max_side), Image.Resampling.BICUBIC)
    buffer = io.BytesIO()
    small.save(buffer, "JPEG", quality=QUALITY)
    return buffer.getvalue()
