"""Colours by pixels."""

from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from captioning.checking.colours import colours, named
from captioning.checking.words import BASIC

FOCAL = {
    "black": (10, 10, 10), "white": (250, 250, 250), "grey": (128, 128, 128), "red": (220, 20, 20), "orange": (255, 140, 0),
    "yellow": (250, 220, 20), "green": (20, 150, 40), "blue": (30, 60, 220), "purple": (130, 30, 160), "pink": (255, 160, 200),
    "brown": (110, 70, 30),
}  # fmt: skip


def drawn(ground: str, figure: str | None, form: str = "PNG") -> bytes:
    image = Image.new("RGB", (120, 80), FOCAL[ground])
    if figure:
        ImageDraw.Draw(image).rectangle((40, 25, 80, 55), FOCAL[figure])
    buffer = io.BytesIO()
    image.save(buffer, form, **({"quality": 92} if form == "JPEG" else {}))
    return buffer.getvalue()


@pytest.mark.parametrize("ground", BASIC)
@pytest.mark.parametrize("form", ["PNG", "JPEG"])
def test_a_plain_ground_and_a_figure_have_their_names(ground, form):
    figure = "red" if ground not in {"red", "brown", "orange", "pink"} else "blue"
    shown = colours(drawn(ground, figure, form))
    assert shown
    assert shown.share(ground, ground=True) > 0.9
    assert (shown.share(figure, ground=False) or 0) > 0.7
    assert (shown.share(figure, ground=True) or 0) < 0.05


def test_a_thing_of_the_colour_of_its_plain_ground_cannot_be_told():
    shown = colours(drawn("white", "red"))
    assert shown
    assert shown.share("white", ground=False) is None
    assert shown.share("beige", ground=False) is None
    assert shown.share("green", ground=False) == 0


def test_transparency_lies_on_white_and_damage_is_no_picture():
    buffer = io.BytesIO()
    Image.new("RGBA", (20, 20), (255, 0, 0, 0)).save(buffer, "PNG")
    shown = colours(buffer.getvalue())
    assert shown and shown.share("white", ground=True) == 1
    assert colours(b"no picture") is None
    assert colours(drawn("red", "blue")[:60]) is None


@given(st.tuples(*[st.integers(0, 255)] * 3))
def test_every_pixel_has_a_name(rgb):
    masks = named(np.array(rgb, np.uint8).reshape(1, 1, 3))
    assert any(mask.any() for mask in masks.values())


def test_the_smallest_pictures_are_looked_at():
    buffer = io.BytesIO()
    Image.new("RGB", (1, 3), (250, 0, 0)).save(buffer, "PNG")
    shown = colours(buffer.getvalue())
    assert shown and shown.share("red", ground=True) == 1
