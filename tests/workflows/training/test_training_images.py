"""Pictures: our evaluation transform is open_clip's, training crops are keyed, bad files have reasons."""

from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from workflows.training.images import _box, centre, decode, random_crop
from workflows.training.shards import Unreadable


def noise(width: int, height: int, mode: str = "RGB") -> Image.Image:
    bands = len(Image.new(mode, (1, 1)).getbands())
    pixels = np.random.RandomState(width * height).randint(0, 256, (height, width, bands), np.uint8)
    return Image.fromarray(pixels.squeeze(), mode)


def encoded(image: Image.Image, form: str) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, form)
    return buffer.getvalue()


@pytest.mark.parametrize("size", [(100, 60), (60, 100), (64, 64), (33, 200), (500, 301)])
def test_the_centre_is_open_clips(size: tuple[int, int]) -> None:
    from open_clip import image_transform

    image = noise(*size)
    theirs = image_transform(64, is_train=False, mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0))(image)
    ours = centre(image, 64).transpose(2, 0, 1)
    assert np.array_equal(ours, (theirs.numpy() * 255).round().astype(np.uint8))


@settings(max_examples=40)
@given(st.integers(1, 200), st.integers(1, 200), st.floats(0.01, 1), st.integers(0, 99))
def test_crops_of_any_shape(width: int, height: int, least: float, key: int) -> None:
    image = np.full((height, width, 3), (255, 0, 0), np.uint8)
    found = random_crop(image, 16, least, (key,))
    assert found.shape == (16, 16, 3)
    assert (found == [255, 0, 0]).all()


def test_a_crop_belongs_to_its_key() -> None:
    image = np.array(noise(90, 70))
    first = random_crop(image, 32, 0.5, (0, "crop", 1, "u"))
    assert np.array_equal(first, random_crop(image, 32, 0.5, (0, "crop", 1, "u")))
    assert not np.array_equal(first, random_crop(image, 32, 0.5, (0, "crop", 2, "u")))


def test_the_whole_picture_is_a_crop_of_area_one() -> None:
    image = np.array(Image.linear_gradient("L").convert("RGB"))
    small = random_crop(image, 32, 1.0, (3,))
    assert small[0].mean() < 12
    assert small[-1].mean() > 243


@pytest.mark.parametrize("size", [(90, 70), (500, 301), (20, 33)])
def test_a_crop_is_resampled_as_pillow_does(size: tuple[int, int]) -> None:
    image = noise(*size)
    left, top, width, height = _box(*size, 0.5, (1,))
    expected = image.crop((left, top, left + width, top + height)).resize((48, 48), Image.Resampling.BICUBIC)
    found = random_crop(np.array(image), 48, 0.5, (1,))
    assert np.abs(found.astype(int) - np.asarray(expected)).max() <= 1


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP"])
def test_large_pictures_come_smaller(form: str) -> None:
    assert decode(encoded(noise(400, 300), form)).size == (400, 300)
    width, height = decode(encoded(noise(400, 300), form), at_least=96).size
    assert 96 <= height <= 192
    assert width / height == pytest.approx(4 / 3, abs=0.02)
    assert decode(encoded(noise(40, 30), form), at_least=96).size == (40, 30)


def test_transparency_lies_on_white() -> None:
    assert decode(encoded(Image.new("RGBA", (4, 4), (0, 0, 0, 0)), "PNG")).getpixel((0, 0)) == (255, 255, 255)
    assert decode(encoded(Image.new("LA", (4, 4), (9, 255)), "PNG")).getpixel((0, 0)) == (9, 9, 9)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff\xd8\xff",
        encoded(noise(60, 60), "PNG")[:300],
        encoded(noise(9, 9), "GIF"),
        encoded(noise(9, 9), "TIFF"),
    ],
)
def test_what_cannot_be_decoded(data: bytes) -> None:
    with pytest.raises(Unreadable, match="cannot be decoded"):
        decode(data)


def test_a_bomb_is_refused_by_its_header() -> None:
    bomb = encoded(Image.new("1", (9000, 9000)), "PNG")
    with pytest.raises(Unreadable, match="declares more"):
        decode(bomb)
