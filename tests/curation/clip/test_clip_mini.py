import io
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from clip_rows import batch, run
from PIL import Image, ImageDraw

from curation.clip.mini import PATH
from curation.clip.mini.backbones import IMAGE_FEATURES, PACKAGES, TEXT_FEATURES, prepare
from curation.clip.mini.model import MiniTowers, Projections
from curation.clip.score import ClipScore
from curation.clip.towers import open_towers
from pipeline.errors import ConfigError

pytestmark = [
    pytest.mark.slow,  # torch takes seconds to import
    pytest.mark.skipif(not all(map(find_spec, PACKAGES)), reason="the extra `demo` is not installed"),
]


@pytest.fixture(scope="module")
def mini() -> MiniTowers:
    return MiniTowers()


def drawing(shape: str, colour: str) -> Image.Image:
    image = Image.new("RGB", (160, 160), "white")
    draw = ImageDraw.Draw(image)
    if shape == "heart":
        draw.ellipse((30, 30, 85, 85), fill=colour)
        draw.ellipse((75, 30, 130, 85), fill=colour)
        draw.polygon([(33, 68), (127, 68), (80, 135)], fill=colour)
    else:
        draw.rectangle((20, 40, 140, 120), fill=colour)
    return image


def test_the_shipped_weights_are_small_and_of_the_backbones(mini: MiniTowers) -> None:
    assert PATH.stat().st_size < 4_000_000
    assert PATH.with_name("MODEL_CARD.md").exists()
    with np.load(PATH, allow_pickle=False) as arrays:
        assert arrays["image_weight"].shape == (mini.dimension, IMAGE_FEATURES)
        assert arrays["text_weight"].shape == (mini.dimension, TEXT_FEATURES)


def test_it_tells_simple_things_apart_in_several_languages(mini: MiniTowers) -> None:
    heart, box = mini.encode_images([drawing("heart", "red"), drawing("box", "black")])
    for text in ("red heart", "rotes Herz", "cœur rouge", "красное сердце", "赤いハート"):
        word = mini.encode_texts([text])[0]
        assert word @ heart > word @ box, text


def test_an_embedding_does_not_depend_on_its_batch(mini: MiniTowers) -> None:
    images = [
        drawing(shape, colour) for shape in ("heart", "box") for colour in ("red", "green", "blue", "black", "gold")
    ]
    texts = [f"{number} hearts" for number in range(9)]
    together, words = mini.encode_images(images), mini.encode_texts(texts)
    assert np.array_equal(together, np.concatenate([mini.encode_images([image]) for image in images]))
    assert np.array_equal(words, np.concatenate([mini.encode_texts([text]) for text in texts]))
    assert np.linalg.norm(together, axis=1) == pytest.approx(np.ones(10), abs=1e-5)


def test_a_text_is_read_for_its_first_300_characters(mini: MiniTowers) -> None:
    start = "a cat " * 50
    short, long = mini.encode_texts([start, start + "and a dog " * 50_000])
    assert np.array_equal(short, long)


@pytest.mark.parametrize("size", [(1, 5000), (5000, 1), (1, 1), (300, 200)])
def test_every_shape_fits_the_square(size: tuple[int, int]) -> None:
    assert prepare(Image.new("RGB", size, "red")).shape == (224, 224, 3)


def test_the_stage_scores_with_it(mini: MiniTowers) -> None:
    def encoded(image: Image.Image) -> bytes:
        buffer = io.BytesIO()
        image.save(buffer, "PNG")
        return buffer.getvalue()

    images = [encoded(drawing("heart", "red")), encoded(drawing("box", "black")), b"no picture"]
    table = run(ClipScore(name="clip"), batch(images, ["red heart"] * 3))
    first, second, third = table["clip_score"].to_pylist()
    assert first > second
    assert third is None
    assert table.equals(run(ClipScore(name="clip"), batch(images, ["red heart"] * 3)))


def test_other_projections_can_be_named(tmp_path: Path, mini: MiniTowers) -> None:
    rng = np.random.default_rng(0)
    shapes = {"image_weight": (8, IMAGE_FEATURES), "image_bias": 8, "text_weight": (8, TEXT_FEATURES), "text_bias": 8}
    np.savez(tmp_path / "own.npz", **{name: rng.normal(size=shape) for name, shape in shapes.items()})
    assert open_towers("mini", checkpoint=tmp_path / "own.npz").encode_texts(["a"]).shape == (1, 8)


@pytest.mark.parametrize("content", [None, b"no npz", b""])
def test_projections_that_are_none_are_refused(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "p.npz").write_bytes(content)
    with pytest.raises(ConfigError, match=r"p\.npz"):
        Projections(tmp_path / "p.npz")
