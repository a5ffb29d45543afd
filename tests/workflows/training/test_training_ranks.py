"""Two processes train what one would: the same shares, the same losses, whatever cannot be read."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipeline.errors import ConfigError
from pipeline.recipe import literals
from workflows.training.config import TrainConfig
from workflows.training.distributed import spawned
from workflows.training.launch import train_together
from workflows.training.loop import Trained, train
from workflows.training.shards import Shards

Make = Callable[..., Shards]
Micro = Callable[..., TrainConfig]
NUMBERS = ("loss", "logit_scale", "gradient_norm", "lr")


def lines(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]


def assert_equal_curves(one: Path, two: Path) -> None:
    assert [line["samples"] for line in lines(one)] == [line["samples"] for line in lines(two)]
    for name in NUMBERS:
        assert [line[name] for line in lines(two)] == pytest.approx([line[name] for line in lines(one)], rel=2e-3)


def two_ranks(config: TrainConfig, shards: Shards, out: Path, held_out: Shards | None = None) -> Trained:
    return train_together((config, shards, out, held_out), lambda work, arguments: spawned(work, arguments, 2))


@pytest.mark.slow
def test_two_ranks_by_torchrun_are_one(make_shards: Make, micro: Micro, tmp_path: Path) -> None:
    shards, held_out = make_shards(60), make_shards(20, seed=3)
    config = micro(steps=5, captions={"txt": 0.5, "caption_short": 0.5})
    train(config, shards, tmp_path / "one")
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(literals(config) | {"device": "cpu", "log_every": 1}))
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    trainer = [
        "-m", "workflows.training", "--shards", str(shards.paths[0].parent), "--out", str(tmp_path / "two"),
        "--holdout", str(held_out.paths[0].parent), "--config", str(tmp_path / "config.yaml"),
    ]  # fmt: skip
    ran = subprocess.run([*torchrun, *trainer], capture_output=True, text=True, timeout=200, check=False)
    assert ran.returncode == 0, ran.stderr[-2000:]
    assert ran.stdout.count("5 steps") == 1  # the first rank alone speaks
    assert_equal_curves(tmp_path / "one", tmp_path / "two")


@pytest.mark.slow
def test_ranks_survive_what_they_cannot_read(make_shards: Make, micro: Micro, tmp_path: Path) -> None:
    """Shares of two samples, most of them damaged: ranks are empty, and so are whole steps; micro-batches are uneven."""
    shards = make_shards(40, per_shard=20)
    shards.paths[1].write_bytes(shards.paths[1].read_bytes()[:9000])
    config = micro(batch=4, steps=12, accumulate=2, checkpoint_steps=5)
    one, two = train(config, shards, tmp_path / "one"), two_ranks(config, shards, tmp_path / "two")
    assert one.faults == two.faults != {}
    assert (one.visited, one.shown, one.fields, one.steps) == (two.visited, two.shown, two.fields, two.steps)
    assert min(line["samples"] for line in lines(tmp_path / "one")) < 4
    assert_equal_curves(tmp_path / "one", tmp_path / "two")
    later = tmp_path / "two" / "checkpoints" / "step-00000010.pt"
    before = lines(tmp_path / "two")
    later.unlink()
    assert train(config, shards, tmp_path / "two").resumed == 5  # one takes over where two stopped
    assert [line["loss"] for line in lines(tmp_path / "two")] == pytest.approx(
        [line["loss"] for line in before], rel=2e-3
    )


@pytest.mark.slow
def test_what_a_process_raises_is_what_its_starter_raises(make_shards: Make, micro: Micro, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="shared evenly by 2"):
        two_ranks(micro(batch=15), make_shards(20), tmp_path)
