import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from workflows.demo.captioner.colours import COLOURS, measure, name_pixels
from workflows.demo.captioner.data import GROUNDS
from workflows.demo.scenes import COLOURS as SCENE_GROUNDS

CHANNEL = st.integers(0, 255)


@pytest.mark.parametrize(("name", "tone"), [(name, tone) for name, tones in GROUNDS.items() for tone in tones])
def test_every_tone_of_a_named_ground_measures_as_its_name(name: str, tone: tuple[int, int, int]) -> None:
    assert COLOURS[int(name_pixels(np.array([tone], dtype=np.uint8))[0])] == name


@pytest.mark.parametrize(("name", "tone"), SCENE_GROUNDS.items())
def test_the_demo_scenes_grounds_measure_as_their_names(name: str, tone: tuple[int, int, int]) -> None:
    assert COLOURS[int(name_pixels(np.array([tone], dtype=np.uint8))[0])] == name


@given(st.tuples(CHANNEL, CHANNEL, CHANNEL))
def test_every_colour_has_a_name_and_greys_are_never_coloured(tone: tuple[int, int, int]) -> None:
    assert 0 <= name_pixels(np.array([tone], dtype=np.uint8))[0] < len(COLOURS)
    grey = np.array([[tone[0]] * 3], dtype=np.uint8)
    assert COLOURS[int(name_pixels(grey)[0])] in {"black", "grey", "white"}


def test_a_disc_on_a_plain_ground_is_measured_apart_from_it() -> None:
    picture = Image.new("RGB", (200, 150), (36, 84, 204))
    ImageDraw.Draw(picture).ellipse((60, 35, 140, 115), fill=(220, 20, 40))
    seen = measure(picture)
    assert (seen.colours, seen.background) == (("red",), "blue")
    assert seen.coverage == pytest.approx(np.pi * 40**2 / (200 * 150), abs=0.03)


def test_stripes_to_the_edge_are_no_plain_background() -> None:
    picture = Image.new("RGB", (90, 60), (255, 255, 255))
    ImageDraw.Draw(picture).rectangle((0, 0, 44, 59), fill=(0, 128, 0))
    seen = measure(picture)
    assert seen.background is None
    assert set(seen.colours) == {"green", "white"}


def test_an_empty_picture_has_a_background_and_no_object() -> None:
    seen = measure(Image.new("RGB", (40, 40), (255, 255, 255)))
    assert (seen.colours, seen.background, seen.coverage) == ((), "white", 0.0)
