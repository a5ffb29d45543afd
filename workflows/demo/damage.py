"""Pictures as the web has them: cut short, shrunk, saved again, under a false name, or declaring more than they hold."""

import io
import struct
import zlib
from collections.abc import Iterator

from PIL import Image

from pipeline.pictures import on_white
from workflows.demo.headers import PNG_MAGIC

FALSE_NAMES = ("JPEG", "GIF", "WEBP")


def opaque(image: bytes) -> Image.Image:
    """A PNG without transparency."""
    with Image.open(io.BytesIO(image), formats=["PNG"]) as opened:
        return on_white(opened)


def saved(picture: Image.Image, kind: str, quality: int = 70) -> bytes:
    """A picture as bytes of one format."""
    buffer = io.BytesIO()
    if kind in {"JPEG", "WEBP"}:
        picture.save(buffer, kind, quality=quality)
    else:
        picture.save(buffer, kind)
    return buffer.getvalue()


def cut_short(image: bytes, share: float) -> bytes:
    """The first `share` of a file, its header always whole."""
    return image[: max(40, int(len(image) * share))]


def tiny(image: bytes, side: int = 8) -> bytes:
    """The picture at `side` x `side` pixels, as PNG."""
    return saved(opaque(image).resize((side, side), Image.Resampling.BOX), "PNG")


def nearly(image: bytes, way: str) -> bytes:
    """A copy that is not equal to the byte: `jpeg` (saved again), `smaller` (three quarters) or `cropped` (3 % a side)."""
    picture = opaque(image)
    width, height = picture.size
    if way == "smaller":
        picture = picture.resize((max(1, width * 3 // 4), max(1, height * 3 // 4)), Image.Resampling.LANCZOS)
        return saved(picture, "PNG")
    if way == "cropped":
        picture = picture.crop(
            (width * 3 // 100, height * 3 // 100, width - width * 3 // 100, height - height * 3 // 100)
        )
        return saved(picture, "PNG")
    return saved(picture, "JPEG")


def bomb(side: int) -> bytes:
    """A valid PNG of `side` x `side` black pixels of one bit: small as a file, side² bytes and more once decoded."""
    line = bytes(1 + (side + 7) // 8)
    packer = zlib.compressobj(1)
    body = b"".join(packer.compress(line) for _ in range(side)) + packer.flush()
    chunks = ((b"IHDR", struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)), (b"IDAT", body), (b"IEND", b""))
    return PNG_MAGIC + b"".join(chunk(name, data) for name, data in chunks)


def chunk(name: bytes, data: bytes) -> bytes:
    """One chunk of a PNG."""
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def page(name: str) -> Iterator[str]:
    """An HTML page, such as a server sends with status 200 where a picture is gone."""
    yield "<!doctype html><html><head><title>Not here</title></head>"
    yield f"<body><p>The picture {name} has moved.</p></body></html>"
