"""Transparency lies on white, whatever way a picture has of being transparent."""

import pytest
from PIL import Image

from pipeline.pictures import on_white


def halves(mode: str) -> Image.Image:
    """Left see-through, with a colour hidden under it; right opaque."""
    picture = Image.new("RGBA", (2, 1), (0, 200, 0, 0))
    picture.putpixel((1, 0), (10, 20, 30, 255))
    if mode == "P":
        made = Image.new("P", (2, 1))
        made.putpalette([0, 200, 0, 10, 20, 30])
        made.putpixel((1, 0), 1)
        made.info["transparency"] = 0
        return made
    return picture.convert(mode)


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P", "RGBa"])
def test_what_is_see_through_is_white_and_what_is_not_keeps_its_colour(mode: str) -> None:
    made = on_white(halves(mode))
    assert made.mode == "RGB" and made.getpixel((0, 0)) == (255, 255, 255)
    right = (18, 18, 18) if mode == "LA" else (10, 20, 30)
    assert made.getpixel((1, 0)) == right


def test_half_of_a_colour_is_half_white() -> None:
    assert on_white(Image.new("RGBA", (1, 1), (0, 0, 0, 127))).getpixel((0, 0)) == (128, 128, 128)


@pytest.mark.parametrize("mode", ["RGB", "L", "1", "CMYK"])
def test_an_opaque_picture_is_only_converted(mode: str) -> None:
    picture = Image.new(mode, (3, 2))
    assert on_white(picture).tobytes() == picture.convert("RGB").tobytes()
