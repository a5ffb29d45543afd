import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from curation.clip.openclip import OpenClipTowers
from curation.clip.towers import open_towers
from curation.images import decode
from pipeline.errors import ConfigError

pytestmark = pytest.mark.slow  # torch and open_clip take seconds to import


def test_it_embeds_what_open_clip_itself_embeds(tiny: Path, picture: Callable[..., bytes]) -> None:
    import open_clip
    import torch

    net, transform = open_clip.create_model_from_pretrained(f"local-dir:{tiny}")
    net.eval()
    images = [decode(picture(seed)) for seed in range(5)]
    with torch.no_grad():
        expected = net.encode_image(torch.stack([transform(image) for image in images]), normalize=True).numpy()
        spoken = net.encode_text(open_clip.tokenize(["a cat", "ein Hund"], 16), normalize=True).numpy()
    towers = open_towers("any", checkpoint=tiny, device="cpu")
    assert np.allclose(towers.encode_images(images), expected, atol=1e-6)
    assert np.allclose(towers.encode_texts(["a cat", "ein Hund"]), spoken, atol=1e-6)
    assert towers.dimension == 16
    assert towers.encode_images(images).dtype == np.float32


def test_a_file_of_weights_needs_the_name_of_its_architecture(tiny: Path, tmp_path: Path) -> None:
    import open_clip

    config = json.loads((tiny / "open_clip_config.json").read_text())["model_cfg"]
    (tmp_path / "pairpool-test-tiny.json").write_text(json.dumps(config))
    open_clip.add_model_config(tmp_path / "pairpool-test-tiny.json")
    weights = tiny / "open_clip_model.safetensors"
    by_file = open_towers("pairpool-test-tiny", checkpoint=weights, device="cpu").encode_texts(["a cat"])
    by_folder = open_towers("any", checkpoint=tiny, device="cpu").encode_texts(["a cat"])
    assert np.array_equal(by_file, by_folder)
    with pytest.raises(ConfigError, match="belong to that architecture"):
        open_towers("ViT-B-32", checkpoint=weights, device="cpu")


def test_bfloat16_stays_close(tiny: Path, picture: Callable[..., bytes]) -> None:
    images = [decode(picture(seed)) for seed in range(4)]
    full = OpenClipTowers("any", None, tiny, "cpu", "float32").encode_images(images)
    half = OpenClipTowers("any", None, tiny, "cpu", "bfloat16").encode_images(images)
    assert np.linalg.norm(half, axis=1) == pytest.approx(np.ones(4), abs=1e-5)
    assert (full * half).sum(1).min() > 0.99
    assert not np.array_equal(full, half)


@pytest.mark.parametrize("size", [(1, 3000), (3000, 1), (2, 2)])
def test_an_extreme_shape_takes_no_extreme_memory(tiny: Path, size: tuple[int, int]) -> None:
    towers = open_towers("any", checkpoint=tiny, device="cpu")
    assert towers.prepare(Image.new("RGB", size)).shape == (3, 32, 32)


@pytest.mark.parametrize(
    ("model", "given", "says"),
    [
        ("ViT-B-32", {}, "has no weights"),
        ("ViT-B-32", {"pretrained": "openai", "checkpoint": Path("x.pt")}, "Leave one"),
        ("ViT-B-32", {"checkpoint": Path("x.pt")}, "does not exist"),
        ("ViT-B-32", {"pretrained": "no-such-tag"}, "could not load"),
        ("no-such-model", {"pretrained": "openai"}, "could not load"),
        ("mini", {"pretrained": "openai"}, "no pretrained tags"),
    ],
)
def test_a_model_that_is_not_there_is_refused(model: str, given: dict[str, object], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        open_towers(model, **given)


def test_a_folder_without_weights_is_refused(tiny: Path, tmp_path: Path) -> None:
    (tmp_path / "open_clip_config.json").write_bytes((tiny / "open_clip_config.json").read_bytes())
    with pytest.raises(ConfigError, match="could not load"):
        open_towers("any", checkpoint=tmp_path)


def test_a_device_that_is_not_there_is_refused(tiny: Path) -> None:
    with pytest.raises(ConfigError, match="not to be had"):
        open_towers("any", checkpoint=tiny, device="cuda:77")
