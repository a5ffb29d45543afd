"""Where weights come from, which of them stay as they are, and texts that become longer."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from pipeline.errors import ConfigError
from workflows.training.config import TrainConfig
from workflows.training.loop import train
from workflows.training.model import architecture, build, load, save
from workflows.training.positions import lengthened, stretched
from workflows.training.shards import Shards

Make = Callable[..., Shards]
Micro = Callable[..., TrainConfig]


def test_positions_of_a_worked_example() -> None:
    """Two stay; 10, 20 and 40 become four each: every position a quarter of the way to the next, the last one as before it."""
    positions = torch.tensor([[1.0], [2.0], [10.0], [20.0], [40.0]])
    found = stretched(positions, keep=2, factor=4).flatten().tolist()
    assert found == [1, 2, 10, 12.5, 15, 17.5, 20, 25, 30, 35, 40, 45, 50, 55]


def test_77_positions_become_248() -> None:
    assert stretched(torch.rand(77, 4)).shape == (248, 4)
    with pytest.raises(ValueError, match="cannot be stretched"):
        stretched(torch.rand(21, 4))


@pytest.mark.parametrize("custom", [False, True])
def test_a_lengthened_model_reads_248_tokens_and_open_clip_loads_it(custom: bool, micro: Micro, tmp_path: Path) -> None:
    import open_clip

    config = micro()
    made = dict(config.architecture or {}) | ({"custom_text": True} if custom else {})
    made["text_cfg"] = made["text_cfg"] | {"context_length": 77}
    built = build(micro(architecture=made, long_texts=True), "cpu")
    assert built.tokenizer(["a text"]).shape == (1, 248)
    save(built, tmp_path)
    model = open_clip.create_model(f"local-dir:{tmp_path}")
    tokens = open_clip.get_tokenizer(f"local-dir:{tmp_path}")(["word " * 200])
    assert tokens.shape == (1, 248)
    with torch.no_grad():
        assert torch.equal(model.eval().encode_text(tokens), built.model.eval().encode_text(tokens))  # type: ignore[operator]
    short = built.model.encode_text(built.tokenizer(["five words of a text"]))  # type: ignore[operator]
    before = build(micro(architecture=made), "cpu")
    kept = before.model.encode_text(before.tokenizer(["five words of a text"]))  # type: ignore[operator]
    assert torch.allclose(short, kept, atol=1e-5)  # it ends before position 20


def test_too_short_to_lengthen(micro: Micro) -> None:
    with pytest.raises(ValueError, match="cannot be stretched"):
        lengthened(build(micro(), "cpu"))


def test_it_starts_from_what_another_training_left(make_shards: Make, micro: Micro, tmp_path: Path) -> None:
    shards = make_shards(40)
    train(micro(steps=2, checkpoint_steps=1), shards, tmp_path / "first")
    for weights in (
        tmp_path / "first",
        tmp_path / "first" / "open_clip_model.safetensors",
        tmp_path / "first" / "checkpoints" / "step-00000001.pt",
    ):
        assert not torch.equal(proj(build(micro(weights=weights), "cpu")), proj(build(micro(), "cpu")))
    trained = load(tmp_path / "first")
    assert torch.equal(proj(build(micro(weights=tmp_path / "first"), "cpu")), proj(trained))


def proj(built: Any) -> torch.Tensor:
    found: torch.Tensor = built.model.visual.proj
    return found


def test_weights_that_are_not_there_or_do_not_fit(micro: Micro, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No weights lie at"):
        build(micro(weights=tmp_path / "nothing"), "cpu")
    save(build(micro(), "cpu"), tmp_path)
    with pytest.raises(ConfigError, match="does not fit the model"):
        build(TrainConfig(weights=tmp_path), "cpu")
    (tmp_path / "x.pt").write_bytes(b"no weights")
    with pytest.raises(ConfigError, match="does not fit the model"):
        build(micro(weights=tmp_path / "x.pt"), "cpu")
    with pytest.raises(ConfigError, match=r"open_clip has no weights 'best' for ViT-B-32; it has: openai"):
        build(TrainConfig(model="ViT-B-32", pretrained="best"), "cpu")


def test_a_models_json_of_ones_own(micro: Micro, tmp_path: Path) -> None:
    path = tmp_path / "mine.json"
    path.write_text(json.dumps(micro().architecture))
    assert architecture(TrainConfig(model_file=path))["embed_dim"] == 32
    path.write_text("{")
    with pytest.raises(ConfigError, match="is no JSON of a model"):
        architecture(TrainConfig(model_file=path))


@pytest.mark.parametrize("tower", ["image", "text"])
def test_a_frozen_tower_stays_and_the_other_learns(tower: str, make_shards: Make, micro: Micro, tmp_path: Path) -> None:
    train(micro(frozen=(tower,), weight_decay=0.5), make_shards(40), tmp_path)
    before, after = (dict(model.named_parameters()) for model in (build(micro(), "cpu").model, load(tmp_path).model))
    changed = {name for name, value in before.items() if not torch.equal(value, after[name])} - {"logit_scale"}
    visual = {name for name in before if name.startswith("visual.")}
    assert changed
    assert changed <= (set(before) - visual if tower == "image" else visual)
