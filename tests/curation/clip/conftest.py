"""A real open_clip model that is small enough to be built and run in a test: two layers, random weights."""

import io
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

TINY = {
    "embed_dim": 16,
    "vision_cfg": {"image_size": 32, "layers": 2, "width": 32, "head_width": 16, "patch_size": 8},
    "text_cfg": {"context_length": 16, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 2},
}


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `open_clip_config.json`, and in it the weights, as open_clip itself lays them."""
    import open_clip
    import torch
    from safetensors.torch import save_file

    folder = tmp_path_factory.mktemp("tiny")
    (folder / "open_clip_config.json").write_text(json.dumps({"model_cfg": TINY, "preprocess_cfg": {}}))
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = open_clip.create_model(f"local-dir:{folder}")
    save_file(net.state_dict(), folder / "open_clip_model.safetensors")
    return folder


@pytest.fixture
def picture() -> Callable[..., bytes]:
    """`picture(seed, "PNG")`: an encoded picture of noise; equal arguments give equal bytes."""

    def make(seed: int = 0, kind: str = "PNG", size: tuple[int, int] = (40, 30)) -> bytes:
        noise = np.random.default_rng(seed).integers(0, 255, (size[1], size[0], 3), np.uint8)
        buffer = io.BytesIO()
        Image.fromarray(noise).save(buffer, kind)
        return buffer.getvalue()

    return make
