"""Learnability: what the learner finds hard and the reference easy, on worked examples and in a training."""

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
from workflows.training.model import build, save
from workflows.training.selection import by_itself, jointly, selector
from workflows.training.shards import Shards

Make = Callable[..., Shards]
Micro = Callable[..., TrainConfig]


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_the_most_learnable_by_themselves() -> None:
    assert by_itself(torch.tensor([0.1, 3.0, -1.0, 2.0]), 2).tolist() == [1, 3]
    pairs = torch.tensor([[0.0, 4.0, 0.0], [0.0, 0.0, 0.0], [0.0, 1.0, 0.0]])  # (0, 1): 2 and 2.5, the third .5
    assert by_itself(pairs, 2).tolist() == [0, 1]


def test_a_chunk_knows_the_chunks_before() -> None:
    """Sample 0 wins the first chunk; with it drawn, its partner 3 wins the second, though by itself it is worth nothing."""
    scores = torch.zeros(4, 4)
    scores[0, 0], scores[0, 3] = 1e3, 1e3
    assert jointly(scores, 2, 2, seeded()).tolist() == [0, 3]


def test_draws_are_softmax_shares() -> None:
    scores = torch.diag(torch.tensor([0.0, 1.0, 2.0]))
    drawn = torch.cat([jointly(scores, 1, 1, seeded(seed)) for seed in range(3000)])
    shares = torch.bincount(drawn, minlength=3) / 3000
    assert shares.tolist() == pytest.approx(torch.tensor([0.0, 1.0, 2.0]).softmax(0).tolist(), abs=0.03)


def test_chunks_draw_as_many_as_asked_none_twice() -> None:
    found = jointly(torch.randn(50, 50, generator=seeded()), 25, 16, seeded())
    assert len(found) == len(set(found.tolist())) == 25
    assert found.tolist() == sorted(found.tolist())


@pytest.mark.parametrize(("loss", "chunks"), [("clip", 1), ("siglip", 1), ("siglip", 4)])
def test_a_training_on_the_most_learnable(
    loss: str, chunks: int, make_shards: Make, micro: Micro, tmp_path: Path
) -> None:
    shards, reference = make_shards(80), tmp_path / "reference"
    train(micro(loss=loss, steps=10), shards, reference)
    options = {"reference": reference, "dropped": 0.5, "chunks": chunks}
    done = [train(micro(loss=loss, selection=options), shards, tmp_path / name) for name in ("one", "two")]
    last = json.loads((tmp_path / "one" / "metrics.jsonl").read_text().splitlines()[-1])
    assert (done[0].shown, last["samples"]) == (2 * 64, 64)  # read, trained on
    weights = [(tmp_path / name / "open_clip_model.safetensors").read_bytes() for name in ("one", "two")]
    assert weights[0] == weights[1]


def test_the_learners_own_copy_finds_nothing_learnable(micro: Micro, tmp_path: Path) -> None:
    """Scores are equal, so the first of them stay; a reference that finds one sample easier puts it first."""
    learner = build(micro(), "cpu")
    learner.model.eval()  # its attention takes another path in training, equal but for the last bits
    save(learner, tmp_path)
    options: Any = micro(selection={"reference": tmp_path}).selection
    chosen = selector(options, learner, "clip", 0, "cpu")
    assert chosen is not None
    images = torch.randint(0, 256, (4, 3, 32, 32), generator=seeded(), dtype=torch.uint8)
    tokens = learner.tokenizer(["a", "b", "c", "d"])
    kept, _ = chosen(images, tokens, (0, 0))
    assert torch.equal(kept, images[:2])
    assert [chosen.kept(count) for count in (0, 1, 2, 5)] == [0, 1, 1, 2]


def test_references_that_do_not_fit(micro: Micro, tmp_path: Path) -> None:
    save(build(micro(), "cpu"), tmp_path)
    options: Any = micro(selection={"reference": tmp_path}).selection
    with pytest.raises(ConfigError, match="not trained with the loss siglip"):
        selector(options, build(micro(loss="siglip"), "cpu"), "siglip", 0, "cpu")
    with pytest.raises(ConfigError, match="must read the same"):
        selector(options, build(micro(architecture=None, model="pairpool-tiny"), "cpu"), "clip", 0, "cpu")
