"""Pictures from strangers: look at the header, refuse, and only then decode.

Everything in the pool comes from the open web, so a decoder is the largest attack surface of the project. One decoder
(Pillow), a short list of formats, and a bound on the declared pixels before any of them is decoded. What comes out is always
upright, opaque, 8-bit sRGB.

A failure is a property of one row: its text becomes the row's `error_message`. The first line is a reason that many rows can
share, so that reasons can be counted; details follow on the second.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError

from pipeline.errors import DataError
from pipeline.pictures import on_white

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "AVIF")  # no vector, document or scientific formats
MAX_PIXELS = 20_000_000
MAX_PROFILE_BYTES = 1 << 20


class UnreadableImage(DataError):  # noqa: N818 - reads as the sentence it is
    """The bytes are no picture that we decode; the text is the reason."""


def header(data: bytes, max_pixels: int = MAX_PIXELS) -> tuple[int, int, str]:
    """What a file declares, without decoding it: (width, height, format), before any EXIF rotation.

    Raises:
        UnreadableImage: if it is of no allowed format, or declares more than `max_pixels`.
    """
    with _reasons(max_pixels):
        image = _open(data, max_pixels)
        return image.width, image.height, image.format or ""


def decode(data: bytes, max_pixels: int = MAX_PIXELS) -> Image.Image:
    """Decode an encoded picture to 8-bit RGB: first frame, upright, colours in sRGB, transparency on white.

    Raises:
        UnreadableImage: if it is of no allowed format, declares more than `max_pixels`, or is damaged or cut short.
    """
    with _reasons(max_pixels):
        image = _open(data, max_pixels)
        image.load()
        profile = image.info.get("icc_profile")
        return _to_srgb(_upright(image), profile)


def _open(data: bytes, max_pixels: int) -> Image.Image:
    image = Image.open(io.BytesIO(data), formats=FORMATS)
    if image.width * image.height > max_pixels:
        raise _too_large(max_pixels, f"It declares {image.width} x {image.height}.")
    return image


def _too_large(max_pixels: int, detail: str) -> UnreadableImage:
    return UnreadableImage(f"image declares more than {max_pixels / 1e6:g} megapixels\n{detail}")


@contextmanager
def _reasons(max_pixels: int) -> Iterator[None]:
    """Turn whatever a decoder raises into a reason."""
    try:
        yield
    except UnreadableImage:
        raise
    except Image.DecompressionBombError as error:
        raise _too_large(max_pixels, str(error)) from error
    except UnidentifiedImageError as error:
        raise UnreadableImage(f"not an image of an allowed format ({', '.join(FORMATS)})") from error
    except Exception as error:  # on damaged bytes Pillow's plugins raise almost anything
        raise UnreadableImage(f"image is damaged or cut short\n{type(error).__name__}: {error}") from error


def _upright(image: Image.Image) -> Image.Image:
    """Apply the EXIF orientation; a broken EXIF block is no reason to lose the picture."""
    try:
        return ImageOps.exif_transpose(image)
    except (SyntaxError, ValueError, OSError, KeyError, TypeError, IndexError):
        return image


def _to_srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    if image.mode.startswith("I"):
        return _from_16_bits(image)
    if image.mode == "CMYK":
        return _through_profile(image, profile) or image.convert("RGB")
    rgb = on_white(image)
    return _through_profile(rgb, profile) or rgb


def _from_16_bits(image: Image.Image) -> Image.Image:
    """Scale 16-bit grey to 8 bits: Pillow's own conversion clips everything above 255 to white."""
    values = np.asarray(image).astype(np.uint32).clip(0, 65535)
    return Image.fromarray((values // 257).astype(np.uint8)).convert("RGB")


def _through_profile(image: Image.Image, profile: bytes | None) -> Image.Image | None:
    """Convert to sRGB through an embedded profile; None where there is none that fits."""
    if not profile or len(profile) > MAX_PROFILE_BYTES:
        return None
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if source.profile.xcolor_space.strip() != image.mode or "sRGB" in (source.profile.profile_description or ""):
            return None
        return ImageCms.profileToProfile(image, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return None
