"""What travels to a server."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from captioning.images import UnreadableImage, as_jpeg, data_url
from tests.captioning.helpers import picture


def test_a_stored_jpeg_travels_as_it_is() -> None:
    data = picture(3)
    assert as_jpeg(data, 64) == data
    assert data_url(data, 64).startswith("data:image/jpeg;base64,")


@given(st.integers(1, 90), st.integers(1, 90))
def test_larger_images_are_scaled_within_the_bound(width: int, height: int) -> None:
    made = Image.open(io.BytesIO(as_jpeg(picture(1, (width, height)), 40)))
    assert max(made.size) == min(40, max(width, height))


@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_other_formats_become_jpeg(kind: str) -> None:
    assert Image.open(io.BytesIO(as_jpeg(picture(2, kind=kind), 64))).format == "JPEG"


def test_transparency_is_laid_on_white() -> None:
    buffer = io.BytesIO()
    Image.new("RGBA", (8, 8), (255, 0, 0, 0)).save(buffer, "PNG")
    assert Image.open(io.BytesIO(as_jpeg(buffer.getvalue(), 64))).getpixel((4, 4)) == (255, 255, 255)


@pytest.mark.parametrize("data", [b"", b"GIF89a", picture()[:200], b"<svg xmlns='http://www.w3.org/2000/svg'/>"])
def test_what_cannot_be_decoded_is_a_reason(data: bytes) -> None:
    with pytest.raises(UnreadableImage, match="cannot be decoded"):
        as_jpeg(data, 32)
