"""How large an image says it is, read from its first bytes, before any decoder sees it."""

import struct

#: More declared pixels than this, and the image is refused: 20 million are 80 MB once decoded.
MAX_PIXELS = 20_000_000
PNG_MAGIC = b"\x89PNG\r\n\x1a\n"


def png_size(head: bytes) -> tuple[int, int]:
    """(width, height) that a PNG declares, from its first 24 bytes. Raises ValueError for what is no PNG."""
    if len(head) < 24 or head[:8] != PNG_MAGIC or head[12:16] != b"IHDR":
        raise ValueError("not a PNG: its first chunk is no IHDR")
    width, height = struct.unpack(">II", head[16:24])
    return width, height


def refusal(width: int, height: int) -> str | None:
    """Why an image of this declared size must not be decoded, or None."""
    if width < 1 or height < 1:
        return f"declares {width} x {height} pixels"
    if width * height > MAX_PIXELS:
        return f"declares {width * height / 1e6:.1f} megapixels, more than {MAX_PIXELS / 1e6:.0f}"
    return None
