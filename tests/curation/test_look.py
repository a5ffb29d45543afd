import io
import math
from typing import Any

import imagehash
import numpy as np
import pyarrow as pa
import pytest
from PIL import Image, ImageDraw

from curation.images import UnreadableImage
from curation.look import ImageQuality, look


def scene(seed: int, size: tuple[int, int] = (640, 480)) -> Image.Image:
    numbers = np.random.default_rng(seed)
    small = Image.fromarray(numbers.integers(0, 255, (8, 8, 3), np.uint8))
    image = small.resize(size, Image.Resampling.BICUBIC)
    draw = ImageDraw.Draw(image)
    for _ in range(5):
        x, y = (int(numbers.integers(0, side)) for side in size)
        draw.rectangle([x, y, x + 90, y + 60], fill=tuple(int(v) for v in numbers.integers(0, 255, 3)))
    return image


def encoded(image: Image.Image, kind: str = "JPEG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def distance(one: bytes, other: bytes) -> int:
    return (look(one).phash ^ look(other).phash).bit_count()


def test_the_hash_is_imagehashs_and_reduced_decoding_hardly_moves_it() -> None:
    for seed in range(20):
        image = scene(seed)
        assert look(encoded(image, "PNG")).phash == int(str(imagehash.phash(image)), 16)
        assert distance(encoded(image, "PNG"), encoded(image, quality=95)) <= 2


def test_copies_are_near_and_other_pictures_far() -> None:
    """Re-encoded and resized copies stay within the 4 bits that count as twins; unrelated pictures do not come close."""
    images = [scene(seed) for seed in range(30)]
    for image in images:
        original = encoded(image, quality=95)
        for copy in (encoded(image, quality=40), encoded(image.resize((320, 240))), encoded(image, "WEBP", quality=60)):
            assert distance(original, copy) <= 4
    hashes = [look(encoded(image)).phash for image in images]
    apart = [(a ^ b).bit_count() for k, a in enumerate(hashes) for b in hashes[:k]]
    assert min(apart) > 10


def test_shape_colour_and_entropy() -> None:
    red = look(encoded(Image.new("RGB", (300, 100), (200, 30, 40)), "PNG"))
    assert (red.aspect, red.colour, red.entropy, red.blank) == (3.0, 0xC81E28, 0.0, True)
    halves = Image.new("L", (64, 64), 0)
    halves.paste(255, (0, 0, 32, 64))
    found = look(encoded(halves, "PNG"))
    assert (found.blank, found.colour, found.entropy) == (False, 0x808080, 1.0)
    assert look(encoded(Image.new("RGB", (500, 500), "white"), quality=50)).blank
    assert not look(encoded(scene(1))).blank


def test_a_rotated_jpeg_is_looked_at_upright() -> None:
    image = scene(3, (400, 200))
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = look(encoded(image, exif=exif, quality=95))
    assert turned.aspect == 0.5
    assert (turned.phash ^ look(encoded(image.rotate(-90, expand=True), quality=95)).phash).bit_count() <= 2


def test_damage_is_a_rows_reason_and_costs_no_other_row() -> None:
    good = encoded(scene(1))
    data = [good, good[:-3000], b"<html>", None, encoded(scene(2), "PNG")]
    batch = pa.record_batch({"uid": list("abcde"), "download.image": pa.array(data, pa.large_binary())})
    with ImageQuality(name="look").open({}) as annotate:
        (made,) = annotate(iter([batch]))
    reasons = [text and text.splitlines()[0].partition(" (")[0] for text in made["error_message"].to_pylist()]
    expected = [None, "image is damaged or cut short", "not an image of an allowed format", "no image in the tar", None]
    assert reasons == expected
    for name in ("phash", "aspect", "blank", "entropy", "colour"):
        assert [value is None for value in made[name].to_pylist()] == [reason is not None for reason in expected]
    assert math.isclose(made["aspect"][0].as_py(), 4 / 3, rel_tol=1e-6)
    with pytest.raises(UnreadableImage, match="damaged"):
        look(good[:-3000])
