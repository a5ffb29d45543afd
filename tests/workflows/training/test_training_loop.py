"""The training learns, is reproducible to the bit on a CPU, and stops clearly when it must."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import ValidationError

from pipeline.errors import ConfigError, DataError
from pipeline.recipe import fingerprint, literals
from workflows.training.__main__ import main, read_config
from workflows.training.config import TrainConfig
from workflows.training.evaluate import summary
from workflows.training.loop import Trained, learning_rate, train
from workflows.training.shards import Shards

Make = Callable[..., Shards]
Micro = Callable[..., TrainConfig]


def lines(done: Trained) -> list[dict[str, Any]]:
    return [json.loads(line) for line in done.files["metrics.jsonl"].read_text().splitlines()]


@pytest.mark.slow
@pytest.mark.parametrize("loss", ["clip", "siglip"])
def test_it_learns_what_carries_over_to_new_pictures(
    loss: str, make_shards: Make, micro: Micro, tmp_path: Path
) -> None:
    config = micro(loss=loss, steps=100, batch=48, lr=2e-3, log_every=10)
    done = train(config, make_shards(400, 100), tmp_path / "out", make_shards(100, 50, seed=7))
    before, after = (summary(done.evaluation[moment]) for moment in ("before", "after"))
    chance = done.evaluation["after"]["chance"]["R@5"]
    assert before["R@5"] < 3 * chance
    assert after["R@5"] > 4 * chance
    assert lines(done)[-1]["loss"] < 0.8 * lines(done)[0]["loss"]


def test_two_trainings_are_equal_to_the_bit(make_shards: Make, micro: Micro, tmp_path: Path) -> None:
    shards = make_shards(40)
    one, two, other = (
        train(micro(seed=seed), shards, tmp_path / name) for name, seed in (("a", 0), ("b", 0), ("c", 1))
    )
    weights = [done.files["open_clip_model.safetensors"].read_bytes() for done in (one, two, other)]
    assert weights[0] == weights[1] != weights[2]
    assert [line["loss"] for line in lines(one)] == [line["loss"] for line in lines(two)]


def test_the_account(make_shards: Make, micro: Micro, tmp_path: Path) -> None:
    shards = make_shards(100)
    short = train(micro(steps=3), shards, tmp_path / "a")
    assert (short.samples, short.visited, short.steps, short.fields) == (100, 48, 3, {"txt": 48})
    assert [line["samples"] for line in lines(short)] == [16, 32, 48]
    assert train(micro(steps=8), shards, tmp_path / "b").visited == 100
    shards.paths[2].unlink()
    torn = train(micro(steps=8), shards, tmp_path / "c")
    assert len(torn.faults) == 16
    assert torn.fields.total() < 128


def test_a_clock_ends_it(make_shards: Make, micro: Micro, tmp_path: Path) -> None:
    done = train(micro(steps=10**6, seconds=0.5), make_shards(40), tmp_path)
    assert 1 <= done.steps < 10**4
    assert lines(done)[-1]["lr"] < 1e-3


def test_a_judgement_takes_no_time_of_the_schedule(make_shards: Make, micro: Micro, tmp_path: Path) -> None:
    judged = make_shards(200, 50, seed=7)  # which takes longer than the seconds that the training has
    assert train(micro(steps=10**6, seconds=0.05), make_shards(40), tmp_path, judged).steps >= 1


def test_the_schedule() -> None:
    config = TrainConfig(lr=1.0, warmup=0.1)
    assert [learning_rate(config, p) for p in (0, 0.05, 0.1, 0.55, 1, 2)] == pytest.approx([0, 0.5, 1, 0.5, 0, 0])


def test_the_scale_stays_below_a_hundred(make_shards: Make, micro: Micro, tmp_path: Path) -> None:
    done = train(micro(lr=3.0, steps=12, warmup=0.0, weight_decay=0.0), make_shards(40), tmp_path)
    assert max(line["logit_scale"] for line in lines(done)) <= 100.001


def test_a_loss_that_is_no_number_stops_it(make_shards: Make, micro: Micro, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="Lower lr"):
        train(micro(lr=1e38, steps=50, warmup=0.0), make_shards(40), tmp_path)


def test_nothing_to_train_on(make_shards: Make, micro: Micro, tmp_path: Path) -> None:
    shards = make_shards(20)
    for path in shards.paths:
        path.unlink()
    with pytest.raises(DataError, match="Not one of 20 samples"):
        train(micro(), shards, tmp_path)


def test_threads_are_given_back(make_shards: Make, micro: Micro, tmp_path: Path) -> None:
    before = torch.get_num_threads()
    train(micro(threads=before + 1, steps=1), make_shards(20), tmp_path)
    assert torch.get_num_threads() == before


@pytest.mark.parametrize(
    "fields",
    [
        {"captions": {}},
        {"captions": {"txt": -1.0}},
        {"captions": {"txt": 0.0}},
        {"batch": 1},
        {"warmup": 1.0},
        {"lr": 0.0},
    ],
)
def test_configs_that_make_no_sense(fields: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        TrainConfig(**fields)


def test_how_it_is_done_is_no_part_of_what_it_is() -> None:
    def digest(**fields: Any) -> str:
        return fingerprint(literals(TrainConfig(**fields)))

    assert digest() == digest(workers=4, threads=2, device="cpu", cache_mb=0, log_every=7)
    assert len({digest(), digest(seed=1), digest(precision="bf16"), digest(architecture={"embed_dim": 8})}) == 4
    with pytest.raises(ValidationError):
        TrainConfig(stepz=1)  # type: ignore[call-arg]


def test_the_command(make_shards: Make, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shards, held_out = make_shards(40), make_shards(20, seed=3)
    (tmp_path / "config.yaml").write_text("{batch: 8, threads: 1, device: cpu}")
    arguments = [
        "--shards", str(shards.paths[0].parent), "--holdout", str(held_out.paths[0].parent),
        "--out", str(tmp_path / "out"), "--config", str(tmp_path / "config.yaml"),
    ]  # fmt: skip
    assert main([*arguments, "--set", "steps=2", "--set", "captions={caption_short: 1, caption_alt: 0}"]) == 0
    assert "2 steps" in capsys.readouterr().out
    names = {path.name for path in (tmp_path / "out").iterdir()}
    expected = {
        "open_clip_model.safetensors",
        "open_clip_config.json",
        "metrics.jsonl",
        "evaluation.json",
        "curves.png",
    }
    assert names == expected
    assert main([*arguments, "--set", "stepz=2"]) == 2
    assert "stepz" in capsys.readouterr().err
    assert main(["--shards", str(tmp_path), "--out", str(tmp_path)]) == 1


def test_a_config_file_that_is_no_mapping(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("[1, 2]")
    with pytest.raises(ConfigError):
        read_config(tmp_path / "config.yaml")
    assert math.isclose(read_config(None, ["lr=0.5"]).lr, 0.5)
