"""A training that was killed goes on as if it had not been: the same lines, the same weights, to the bit on a CPU."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.errors import ConfigError
from pipeline.recipe import literals
from workflows.training import checkpoint
from workflows.training.config import TrainConfig
from workflows.training.loop import Trained, train
from workflows.training.order import batches, rank_batches
from workflows.training.shards import Shards

Make = Callable[..., Shards]
Micro = Callable[..., TrainConfig]
WEIGHTS = "open_clip_model.safetensors"


def lines(out: Path) -> list[dict[str, Any]]:
    """The metrics, without what the clock says."""
    found = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    return [{name: n for name, n in line.items() if name not in ("seconds", "waiting_for_data")} for line in found]


def killed_at(checkpoints: int, config: TrainConfig, shards: Shards, out: Path) -> int:
    """Run the command until so many checkpoints have come, and kill it; the exit code."""
    config_file = out.parent / "config.yaml"
    execution = {
        "threads": 1,
        "device": "cpu",
        "log_every": 1,
        "checkpoint_steps": config.checkpoint_steps,
        "keep": 100,
    }
    config_file.write_text(yaml.safe_dump(literals(config) | execution | {"workers": config.workers}))
    command = [sys.executable, "-m", "workflows.training", "--shards", str(shards.paths[0].parent), "--out", str(out)]
    running = subprocess.Popen([*command, "--config", str(config_file)], start_new_session=True)
    while running.poll() is None and len(list((out / checkpoint.FOLDER).glob(checkpoint.PATTERN))) < checkpoints:
        time.sleep(0.002)
    os.killpg(running.pid, signal.SIGKILL)  # the workers too
    return running.wait()


@pytest.mark.slow
def test_a_killed_training_ends_like_one_that_was_not(make_shards: Make, micro: Micro, tmp_path: Path) -> None:
    shards = make_shards(100)  # of 16: the batches of 12 end in the middle of shards
    config = micro(batch=12, steps=90, checkpoint_steps=3, workers=1, captions={"txt": 0.5, "caption_short": 0.5})
    whole = train(config, shards, tmp_path / "whole")
    out = tmp_path / "killed"
    assert killed_at(2, config, shards, out) == -signal.SIGKILL
    assert 0 < len(lines(out)) < 90
    again = train(config, shards, out)
    assert 6 <= again.resumed < 90
    assert lines(out) == lines(tmp_path / "whole")
    assert (out / WEIGHTS).read_bytes() == (tmp_path / "whole" / WEIGHTS).read_bytes()
    assert account(again) == account(whole)


def account(done: Trained) -> list[Any]:
    return [done.samples, done.visited, done.shown, done.skipped, done.steps, done.faults, done.fields]


@pytest.mark.parametrize(
    "fields",
    [
        {"loss": "siglip", "accumulate": 2, "recompute": True},
        {"precision": "bf16"},
        {
            "loss": "tips",
            "texts": {"policy": "tipsv2", "synthetic": ("caption_short",)},
            "tips": {"prototypes": 16, "hidden": 8, "bottleneck": 4, "local_crops": 2, "teacher": "full"},
        },
        {"loss": "dreamlip", "texts": {"policy": "dreamlip", "synthetic": ("caption_alt",), "sub_captions": 2}},
    ],
)
def test_every_objective_goes_on_to_the_bit(
    fields: dict[str, Any], make_shards: Make, micro: Micro, tmp_path: Path
) -> None:
    shards, config = make_shards(40), micro(steps=6, checkpoint_steps=2, keep=9, **fields)
    train(config, shards, tmp_path / "whole")
    out = tmp_path / "again"
    train(config, shards, out)
    later = sorted((out / checkpoint.FOLDER).glob(checkpoint.PATTERN))[1:]
    for path in later:  # as if it had been killed after the first
        path.unlink()
    assert train(config, shards, out).resumed == 2
    assert lines(out) == lines(tmp_path / "whole")
    assert (out / WEIGHTS).read_bytes() == (tmp_path / "whole" / WEIGHTS).read_bytes()


def test_a_torn_checkpoint_gives_way_to_the_one_before(make_shards: Make, micro: Micro, tmp_path: Path) -> None:
    shards, config = make_shards(40), micro(steps=6, checkpoint_steps=2)
    train(config, shards, tmp_path)
    newest = max((tmp_path / checkpoint.FOLDER).glob(checkpoint.PATTERN))
    newest.write_bytes(newest.read_bytes()[:1000])
    with pytest.warns(UserWarning, match="cannot be read"):
        assert train(config, shards, tmp_path).resumed == 2


def test_only_the_last_ones_stay(make_shards: Make, micro: Micro, tmp_path: Path) -> None:
    train(micro(steps=9, checkpoint_steps=1, keep=3), make_shards(20), tmp_path)
    names = sorted(path.name for path in (tmp_path / checkpoint.FOLDER).iterdir())
    assert names == ["step-00000006.pt", "step-00000007.pt", "step-00000008.pt"]


def test_another_trainings_checkpoint_is_refused(make_shards: Make, micro: Micro, tmp_path: Path) -> None:
    shards = make_shards(40)
    train(micro(checkpoint_steps=1), shards, tmp_path)
    with pytest.raises(ConfigError, match=r"config\.lr: 0\.001 -> 0\.01"):
        train(micro(lr=0.01), shards, tmp_path)
    with pytest.raises(ConfigError, match=r"shards\."):
        train(micro(), make_shards(20), tmp_path)
    assert train(micro(workers=0, log_every=3, accumulate=2), shards, tmp_path).resumed == 3  # how, not what


def test_minutes_save_too(make_shards: Make, micro: Micro, tmp_path: Path) -> None:
    train(micro(steps=3, checkpoint_minutes=1e-9), make_shards(20), tmp_path)
    assert len(list((tmp_path / checkpoint.FOLDER).glob(checkpoint.PATTERN))) == 2


@pytest.mark.parametrize("loss", ["clip", "siglip"])
def test_open_clip_loads_a_checkpoint(loss: str, make_shards: Make, micro: Micro, tmp_path: Path) -> None:
    import open_clip

    done = train(micro(loss=loss, checkpoint_steps=1, steps=2), make_shards(40), tmp_path)
    (tmp_path / "configs").mkdir()
    made = json.loads(done.files["open_clip_config.json"].read_text())["model_cfg"]
    (tmp_path / "configs" / f"mine-{loss}.json").write_text(json.dumps(made))
    open_clip.add_model_config(tmp_path / "configs")
    path = tmp_path / checkpoint.FOLDER / "step-00000001.pt"
    model = open_clip.create_model(f"mine-{loss}", pretrained=str(path))
    saved = torch.load(path, weights_only=True)["state_dict"]
    assert all(torch.equal(value, saved[name]) for name, value in model.state_dict().items())
    assert ("logit_bias" in saved) == (loss == "siglip")


@settings(max_examples=40)
@given(st.lists(st.integers(1, 9), min_size=1, max_size=6), st.integers(1, 4), st.integers(1, 4), st.integers(0, 12))
def test_shares_side_by_side_are_the_batches(sizes: list[int], world: int, share: int, done: int) -> None:
    whole = list(islice(batches(sizes, 1, 2, world * share), 8))
    by_rank = [list(islice(rank_batches(sizes, 1, 2, world * share, rank=r, world=world), 8)) for r in range(world)]
    assert [[p for rank in step for p in rank] for step in zip(*by_rank, strict=True)] == whole
    later = list(islice(rank_batches(sizes, 1, 2, world * share, done, rank=world - 1, world=world), 2))
    rest = [p for step in by_rank[-1] for p in step][done:][: 2 * share]
    assert [p for step in later for p in step][: len(rest)] == rest
