"""What training does to a piece of art, and what it must leave alone."""

import numpy as np
import pytest
from PIL import Image, ImageDraw

from workflows.demo.captioner.colours import COLOURS
from workflows.demo.captioner.pieces import Art, turned


def half(name: str) -> Art:
    """A transparent square whose left half is painted red."""
    picture = Image.new("RGBA", (60, 60))
    ImageDraw.Draw(picture).rectangle((0, 0, 29, 59), fill=(220, 20, 40))
    shares = tuple(float(colour == "red") for colour in COLOURS)
    return Art(picture, name, "clip art", ("red",), shares, (8, 8), 1.0, True, False)


@pytest.mark.parametrize("name", ["flag of japan", "arrow left", "keycap", "left hand"])
def test_what_a_mirror_or_a_tint_would_belie_stays_as_it_is(name: str) -> None:
    piece = half(name)
    assert all(turned(piece, np.random.default_rng(seed)) is piece for seed in range(20))


def test_other_pieces_are_mirrored_and_tinted_and_their_colours_measured_anew() -> None:
    piece = half("apple")
    drawn = [turned(piece, np.random.default_rng(seed)) for seed in range(60)]
    painted_right = [np.asarray(art.picture)[30, 45, 3] > 0 for art in drawn]
    assert 15 < sum(painted_right) < 45
    assert len({art.colours[0] for art in drawn}) > 4
    for art in drawn:
        assert (art.name, art.grid) == ("apple", (8, 8))
        assert sum(art.shares) == pytest.approx(1)
        assert art.colours[0] == COLOURS[int(np.argmax(art.shares))]
