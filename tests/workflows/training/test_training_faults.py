"""What goes wrong in a training is recorded and survived, or stops it clearly with a checkpoint."""

from __future__ import annotations

import importlib.util
import io
import json
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from pipeline.errors import ConfigError, DataError
from workflows.export.sample import Sample
from workflows.export.writer import writing
from workflows.training import checkpoint
from workflows.training.config import TrainConfig
from workflows.training.data import training_batches
from workflows.training.log import Log
from workflows.training.loop import _run, train
from workflows.training.shards import Shards
from workflows.training.state import State

Make = Callable[..., Shards]
Micro = Callable[..., TrainConfig]


def letters(texts: list[str]) -> torch.Tensor:
    return torch.tensor([list(text.encode()[:8].ljust(8)) for text in texts])


def test_a_missing_caption_field_gives_way_and_is_told(make_shards: Make, micro: Micro, tmp_path: Path) -> None:
    done = train(micro(captions={"caption_nowhere": 1.0}), make_shards(40), tmp_path)
    assert done.fields == {"txt": 64}


def test_a_sample_without_any_text_is_a_fault(micro: Micro, tmp_path: Path) -> None:
    with writing(tmp_path / "shards", samples=16) as writer:
        for place in range(20):
            image = io.BytesIO()
            Image.effect_noise((40, 40), place).convert("RGB").save(image, "JPEG")
            writer.add(
                Sample(f"{place:06d}", image.getvalue(), f"noise {place}" if place else "", {"uid": f"{place:032x}"})
            )
        writer.close()
    done = train(micro(batch=10, steps=4), Shards.of(tmp_path / "shards"), tmp_path / "out")
    assert done.faults == {(0, 0): "the sample has no text"}
    last = json.loads((tmp_path / "out" / "metrics.jsonl").read_text().splitlines()[-1])
    assert (last["faults"], last["samples"]) == (1, 38)


@pytest.mark.slow
def test_fewer_shards_than_workers(make_shards: Make, micro: Micro) -> None:
    shards = make_shards(12)
    alone, many = (
        list(islice(training_batches(shards, micro(batch=6, workers=workers), 32, letters), 3)) for workers in (0, 3)
    )
    assert all(torch.equal(one.images, other.images) for one, other in zip(alone, many, strict=True))


def test_a_shard_that_vanishes_in_mid_epoch(make_shards: Make, micro: Micro) -> None:
    shards = make_shards(48)
    batches = training_batches(shards, micro(batch=12, cache_mb=0), 32, letters)
    first = next(batches)
    assert not first.faults
    shards.paths[1].unlink()
    later = list(islice(batches, 7))
    assert {position.shard for batch in later for position, _ in batch.faults} == {1}
    assert {reason for batch in later for _, reason in batch.faults} == {"the shard cannot be read (FileNotFoundError)"}
    assert all(len(batch.images) + len(batch.faults) == 12 for batch in later)


def state_of(config: TrainConfig, shards: Shards, folder: Path) -> State:
    from workflows.training.distributed import Ranks

    return State(config, shards, "cpu", Ranks(), folder)


def poisoned(state: State, steps: int) -> None:
    """The loss of so many steps is no number, and then it is again."""
    left = [steps]

    def poison(value: torch.Tensor) -> torch.Tensor:
        left[0] -= 1
        return value * float("nan") if left[0] >= 0 else value

    state.model.visual.proj.register_hook(poison)


def test_a_step_that_is_no_number_changes_nothing(make_shards: Make, micro: Micro, tmp_path: Path) -> None:
    state = state_of(micro(steps=6), make_shards(40), tmp_path)
    before = state.model.visual.proj.detach().clone()
    poisoned(state, 2)
    with Log(tmp_path / "metrics.jsonl") as log:
        _run(state, log)
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert [line.get("unusable_steps", 0) for line in lines] == [1, 2, 2, 2, 2, 2]
    assert state.trained(0).unusable == 2
    assert all(value.isfinite().all() for value in state.model.state_dict().values())
    assert not torch.equal(before, state.model.visual.proj)


def test_steps_that_stay_no_numbers_stop_it_with_a_checkpoint(make_shards: Make, micro: Micro, tmp_path: Path) -> None:
    state = state_of(micro(steps=20), make_shards(40), tmp_path / "checkpoints")
    before = state.model.visual.proj.detach().clone()
    poisoned(state, 20)
    with (
        Log(tmp_path / "metrics.jsonl") as log,
        pytest.raises(DataError, match=r"3 steps in a row up to step 3\. .*step-00000003\.pt has the weights"),
    ):
        _run(state, log)
    saved: Any = torch.load(max((tmp_path / "checkpoints").glob(checkpoint.PATTERN)), weights_only=True)
    assert torch.equal(saved["state_dict"]["visual.proj"], before)


def test_tensorboard(make_shards: Make, micro: Micro, tmp_path: Path) -> None:
    """It is an extra: with it the numbers are written twice, without it the config is refused in a sentence."""
    config = micro(tensorboard=True)
    if importlib.util.find_spec("tensorboard") is None:
        with pytest.raises(ConfigError, match=r"pip install 'pairpool\[tensorboard\]'"):
            train(config, make_shards(20), tmp_path)
        return
    train(config, make_shards(20), tmp_path)
    (events,) = (tmp_path / "tensorboard").iterdir()
    assert b"train/loss" in events.read_bytes()


def test_a_log_forgets_what_came_after_the_checkpoint(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"step": 1}\n{"step": 2}\n{"step": 3}\n{"st')
    with Log(path, after=2) as log:
        log.write({"step": 3, "samples": 1})
    assert [json.loads(line)["step"] for line in path.read_text().splitlines()] == [1, 2, 3]
    with Log(path):
        assert path.read_text() == ""
