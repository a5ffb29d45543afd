"""The losses of several texts a picture, on worked examples; and those of one text against open_clip's own."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn import functional as F  # noqa: N812 - as everyone calls it

from pipeline.errors import ConfigError
from workflows.training.config import TrainConfig
from workflows.training.loop import train
from workflows.training.losses import contrast, grouping, long_and_short, multi_positive, patch_weights, principal
from workflows.training.model import criterion
from workflows.training.objective import objective
from workflows.training.selection import sigmoid_losses, softmax_losses
from workflows.training.shards import Shards

Make = Callable[..., Shards]
Micro = Callable[..., TrainConfig]
ONE = torch.tensor(1.0)


def unit(*shape: int, seed: int = 0) -> torch.Tensor:
    return F.normalize(torch.randn(*shape, generator=torch.Generator().manual_seed(seed)), dim=-1)


def test_contrast_is_open_clips_loss() -> None:
    images, texts, scale = unit(6, 8), unit(6, 8, seed=1), torch.tensor(14.0)
    expected = criterion("clip")(images, texts, scale)
    assert contrast(images, texts, scale).item() == pytest.approx(expected.item(), rel=1e-6)
    assert softmax_losses({"image_features": images, "text_features": texts, "logit_scale": scale}).mean().item() == (
        pytest.approx(expected.item(), rel=1e-6)
    )


def test_sigmoid_losses_are_open_clips_siglip_loss() -> None:
    images, texts = unit(6, 8), unit(6, 8, seed=1)
    scale, bias = torch.tensor(10.0), torch.tensor(-10.0)
    expected = criterion("siglip")(images, texts, scale, bias)
    pairs = sigmoid_losses({"image_features": images, "text_features": texts, "logit_scale": scale, "logit_bias": bias})
    assert pairs.sum().item() / 6 == pytest.approx(expected.item(), rel=1e-6)


def test_smoothed_labels() -> None:
    # Logits eye(2): p = e / (e + 1). Labels .9 + .1/2 and .1/2: -(.95 log p + .05 log(1 - p)).
    p = math.e / (math.e + 1)
    found = contrast(torch.eye(2), torch.eye(2), ONE, smoothing=0.1)
    assert found.item() == pytest.approx(-(0.95 * math.log(p) + 0.05 * math.log(1 - p)))


def test_multi_positive_is_the_mean_over_texts_which_are_no_negatives_of_each_other() -> None:
    images = torch.eye(2)
    texts = torch.stack([torch.eye(2), torch.eye(2).flip(0)], dim=1)  # the first texts fit, the second are swapped
    fits, swapped = math.log(1 + math.exp(-1)), math.log(1 + math.e)
    assert multi_positive(images, texts, ONE).item() == pytest.approx((fits + swapped) / 2)


def test_patches_of_a_text() -> None:
    # Similarities 1, .6, .2 and 0 of four patches: min-max leaves them; .2 < 1/4 and 0 become 0; 1 and .6 sum to 1.6.
    patches = torch.tensor([[[1.0, 0, 0], [0.6, 0.8, 0], [0.2, 0, math.sqrt(0.96)], [0, 1, 0]]])
    text = torch.tensor([[[1.0, 0, 0]]])
    assert patch_weights(patches, text)[0, 0].tolist() == pytest.approx([0.625, 0.375, 0, 0])
    flat = patch_weights(torch.ones(1, 4, 3), text)
    assert flat[0, 0].tolist() == pytest.approx([0.25] * 4)


def test_grouping_of_a_worked_example() -> None:
    # Two patches, each of which is one of two texts: grouped features are the texts, logits eye(2) both ways.
    patches = texts = torch.eye(2)[None]
    tokens = torch.tensor([[[1], [2]]])
    expected = math.log(math.e + 1) - 1
    assert grouping(patches, texts, tokens, ONE).tolist() == pytest.approx([expected])
    same = torch.tensor([[[1], [1]]])  # equal texts are no negatives of each other: nothing is left to tell apart
    assert grouping(patches, texts, same, ONE).tolist() == pytest.approx([0.0])


def test_grouping_pairs_a_text_with_its_own_picture() -> None:
    patches, texts, tokens = unit(3, 5, 8), unit(3, 2, 8, seed=1), torch.arange(6).view(3, 2, 1)
    together = grouping(patches, texts, tokens, ONE)
    apart = [grouping(patches[n : n + 1], texts[n : n + 1], tokens[n : n + 1], ONE).item() for n in range(3)]
    assert together.tolist() == pytest.approx(apart)


def test_the_principal_part() -> None:
    features = torch.tensor([[3.0, 1, 0], [-3, 1, 0], [0, 1, 0.5], [0, 1, -0.5]])
    expected = torch.tensor([[3.0, 1, 0], [-3, 1, 0], [0, 1, 0], [0, 1, 0]])  # the smaller component is gone
    assert torch.allclose(principal(features, rank=1), expected, atol=1e-6)
    assert torch.allclose(principal(features, rank=2), features, atol=1e-6)
    assert torch.allclose(principal(unit(40, 64), rank=32).mean(dim=0), unit(40, 64).mean(dim=0), atol=1e-6)


def test_long_and_short() -> None:
    images, texts, scale = unit(6, 8), unit(6, 2, 8, seed=1), torch.tensor(14.0)
    long = contrast(images, texts[:, 0], scale, 0.1)
    short = contrast(principal(images, 2), texts[:, 1], scale, 0.1)
    assert long_and_short(images, texts, scale, rank=2).item() == pytest.approx((long + short).item())


@pytest.mark.parametrize("loss", ["dreamlip", "longclip"])
def test_they_train(loss: str, make_shards: Make, micro: Micro, tmp_path: Path) -> None:
    texts = {"policy": loss, "synthetic": ("caption_alt",), "sub_captions": 2}
    train(micro(loss=loss, texts=texts, steps=30, lr=3e-3, grouping=0.5), make_shards(80), tmp_path)
    found = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert found[-1]["loss"] < found[0]["loss"]
    if loss == "dreamlip":
        assert found[-1]["loss"] == pytest.approx(found[-1]["multi_positive"] + 0.5 * found[-1]["grouping"], rel=1e-4)


@pytest.mark.parametrize(
    "fields",
    [
        {"loss": "tips"},
        {"loss": "clip", "texts": {"policy": "tipsv2", "synthetic": ("a",)}},
        {"loss": "longclip", "texts": {"policy": "dreamlip", "synthetic": ("a",)}},
        {"loss": "tips", "texts": {"policy": "tipsv2", "synthetic": ("a",)}, "selection": {"reference": "x"}},
        {"loss": "clip", "selection": {"reference": "x", "chunks": 4}},
        {"selection": {"dropped": 0.5}},
        {"frozen": ("image", "text")},
        {"pretrained": "openai", "weights": "x.pt"},
    ],
)
def test_what_does_not_fit_together(fields: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        TrainConfig(**fields)


def test_the_objectives_have_names(micro: Micro) -> None:
    from workflows.training.model import build

    texts = {"synthetic": ("caption_alt",)}
    for loss, policy in (("dreamlip", "dreamlip"), ("longclip", "longclip"), ("tips", "tipsv2")):
        config = micro(loss=loss, texts=texts | {"policy": policy})
        made = objective(config, build(config, "cpu"))
        assert made.model is made.built.model
