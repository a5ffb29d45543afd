"""One gradient, however it is computed: in micro-batches, with activations computed again, at bf16."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from workflows.training.config import TrainConfig
from workflows.training.distributed import Ranks
from workflows.training.loop import train
from workflows.training.model import build
from workflows.training.objective import objective
from workflows.training.shards import Shards
from workflows.training.step import Encoder, Gradient

Make = Callable[..., Shards]
Micro = Callable[..., TrainConfig]
SEVERAL = {
    "clip": {},
    "siglip": {},
    "dreamlip": {"texts": {"policy": "dreamlip", "synthetic": ("a",), "sub_captions": 2}},
    "longclip": {"texts": {"policy": "longclip", "synthetic": ("a",)}},
    "tips": {
        "texts": {"policy": "tipsv2", "synthetic": ("a",)},
        "tips": {"prototypes": 16, "hidden": 8, "bottleneck": 4, "local_crops": 2},
    },
}


def gradients(config: TrainConfig, parts: int, *, recompute: bool = False, bf16: bool = False) -> dict[str, Any]:
    """Of ten samples."""
    built = build(config, "cpu")
    built.model.set_grad_checkpointing(recompute)  # type: ignore[operator]
    made = objective(config, built).train()
    images = torch.randint(0, 256, (10, 3, 32, 32), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    texts = config.texts.count
    tokens = built.tokenizer([f"text {number}" for number in range(10 * texts)])
    tokens = tokens.view(10, texts, -1) if texts > 1 else tokens
    gradient = Gradient(made, Encoder(made), Ranks(), "cpu", parts, bf16)
    told = gradient(images, tokens, [10], 0)
    found = {name: value.grad for name, value in made.named_parameters() if value.grad is not None}
    return {"loss": told["loss"], **found}


def assert_close(one: dict[str, Any], other: dict[str, Any], tolerance: float) -> None:
    assert one.keys() == other.keys()
    for name, value in one.items():
        assert torch.allclose(value, other[name], atol=tolerance * (value.abs().max().item() + 1e-3)), name


@pytest.mark.parametrize("loss", ["clip", "siglip", "dreamlip", "longclip"])
def test_micro_batches_change_nothing(loss: str, micro: Micro) -> None:
    config = micro(loss=loss, **SEVERAL[loss])
    assert_close(gradients(config, 1), gradients(config, 3), 1e-3)  # of 4, 4 and 2


def test_micro_batches_of_tips_have_the_same_contrast(micro: Micro) -> None:
    """Masks and crops are drawn anew for each micro-batch; with nothing to draw the gradient is the same."""
    still = SEVERAL["tips"]["tips"] | {"local_area": (1.0, 1.0), "flip": False, "masked": 1.0}  # type: ignore[operator]
    config = micro(loss="tips", texts=SEVERAL["tips"]["texts"], tips=still)
    assert_close(gradients(config, 1), gradients(config, 3), 1e-3)


@pytest.mark.parametrize("loss", list(SEVERAL))
def test_activations_computed_again_change_nothing(loss: str, micro: Micro) -> None:
    config = micro(loss=loss, **SEVERAL[loss])
    assert_close(gradients(config, 1), gradients(config, 1, recompute=True), 1e-5)


@pytest.mark.parametrize("loss", list(SEVERAL))
def test_bf16_is_near(loss: str, micro: Micro) -> None:
    config = micro(loss=loss, **SEVERAL[loss])
    exact, near = gradients(config, 1), gradients(config, 1, bf16=True)
    assert near["loss"].item() == pytest.approx(exact["loss"].item(), rel=0.02)
    assert near["loss"].item() != exact["loss"].item()
    assert all(value.dtype == torch.float32 for value in near.values())


def test_a_training_in_every_way_at_once(make_shards: Make, micro: Micro, tmp_path: Path) -> None:
    config = micro(precision="bf16", accumulate=3, recompute=True, steps=30, lr=3e-3)
    train(config, make_shards(80), tmp_path)
    found = [json.loads(line)["loss"] for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert found[-1] < found[0]
