"""Balancing as the training goes: shares as the probabilities say, full batches, exact resumes, and every visit accounted for."""

from __future__ import annotations

import io
import math
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from test_training_data import equal, letters

from pipeline.errors import DataError
from workflows.export.sample import Sample
from workflows.export.writer import writing
from workflows.training.batch import Batch
from workflows.training.config import TrainConfig
from workflows.training.data import training_batches
from workflows.training.loop import train
from workflows.training.online import drawn
from workflows.training.shards import Raw, Shards, Unreadable

Make = Callable[..., Shards]
Micro = Callable[..., TrainConfig]
CHANCES = (0.05, 0.3, 0.8, 1.0)


@pytest.fixture
def make_chances(tmp_path: Path) -> Make:
    """`make_chances(number)`: sample k has the texts `a<k>` and `b<k>`, with the probabilities CHANCES[k % 4] and 0."""
    count = iter(range(100))

    def make(number: int, per_shard: int = 16, **fields: Any) -> Shards:
        folder = tmp_path / f"chances{next(count)}"
        with writing(folder, samples=per_shard) as writer:
            for k in range(number):
                told: dict[str, Any] = {"texts": [f"a{k}", f"b{k}"], "probabilities": [CHANCES[k % 4], 0.0]} | fields
                told |= {"uid": f"{k:032x}", "caption_alt": "its alt"}
                writer.add(Sample(f"{k:06d}", picture(k), "its txt", told))
            writer.close()
        return Shards.of(folder)

    return make


def picture(k: int) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (32, 32), (k % 256, 7 * k % 256, 100)).save(buffer, "JPEG")
    return buffer.getvalue()


def raw(**fields: Any) -> Raw:
    return Raw("k", b"", {"txt": "its txt"}, fields)


def first(shards: Shards, config: TrainConfig, number: int, start: int = 0) -> list[Batch]:
    return list(islice(training_batches(shards, config, 32, letters, start), number))


def within(found: int, chance: float, visits: int) -> bool:
    return abs(found - visits * chance) <= 4 * math.sqrt(visits * chance * (1 - chance))


@pytest.mark.parametrize("chances", [(0.2, 0.7), (1.0, 0.0), (0.5,)])
def test_each_text_is_shown_as_often_as_its_probability_says(chances: tuple[float, ...]) -> None:
    sample, visits = raw(texts=[f"t{k}" for k in range(len(chances))], probabilities=list(chances)), 8000
    found = Counter(drawn(sample, 1, epoch, "uid") for epoch in range(visits))
    for place, chance in enumerate(chances):
        assert within(found[f"t{place}"], chance / len(chances), visits)


def test_one_probability_is_that_of_the_txt() -> None:
    found = Counter(drawn(raw(probability=0.3), 0, 0, f"{k}") for k in range(4000))
    assert set(found) == {"its txt", None}
    assert within(found["its txt"], 0.3, 4000)
    assert drawn(raw(probability=1), 0, 0, "x") == "its txt"
    assert drawn(raw(probability=0.0), 0, 0, "x") is None


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"probability": -1},
        {"probability": "0.5"},
        {"probability": True},
        {"texts": [], "probabilities": []},
        {"texts": ["a", "b"], "probabilities": [1.0]},
        {"texts": ["a"]},
        {"texts": "a", "probabilities": [1.0]},
        {"texts": [1], "probabilities": [1.0]},
        {"texts": ["a"], "probabilities": [1.5]},
        {"texts": ["a"], "probabilities": [float("nan")]},
    ],
)
def test_samples_without_probabilities_are_faults_not_guesses(fields: dict[str, Any]) -> None:
    with pytest.raises(Unreadable, match="probabilit"):
        drawn(raw(**fields), 0, 0, "x")


def test_batches_are_full_and_every_visit_is_counted(make_chances: Make, micro: Micro) -> None:
    shards, config = make_chances(40), micro(online="probability", batch=8)
    found = first(shards, config, 40)
    assert {batch.images.shape[0] for batch in found} == {batch.tokens.shape[0] for batch in found} == {8}
    visits = [visit for batch in found for visit in batch.visits]
    plain = first(shards, replace(config, online=None), -(-len(visits) // 8))
    assert [v.position for v in visits] == [v.position for b in plain for v in b.visits][: len(visits)]
    for batch in found:
        assert sum(batch.fields.values()) + batch.skipped == len(batch.visits) and not batch.faults
        assert batch.visits[-1].shown
    shown = sum(len(batch.images) for batch in found)
    assert within(shown, sum(CHANCES) / 8, len(visits))


def test_a_resume_goes_on_to_the_bit(make_chances: Make, micro: Micro) -> None:
    shards, config = make_chances(40), micro(online="probability", batch=8)
    whole = first(shards, config, 12)
    for done in (1, 5, 11):
        start = sum(len(batch.visits) for batch in whole[:done])
        assert equal(first(shards, config, 12 - done, start), whole[done:])


@pytest.mark.slow
def test_workers_and_cache_change_nothing(make_chances: Make, micro: Micro) -> None:
    shards, config = make_chances(40), micro(online="probability", batch=8)
    one = first(shards, config, 6)
    assert equal(one, first(shards, replace(config, cache_mb=0), 6))
    assert equal(one, first(shards, replace(config, workers=2), 6))
    assert not equal(one, first(shards, replace(config, seed=1), 6))


def test_the_drawn_text_takes_the_place_of_the_txt_alone(make_chances: Make, micro: Micro) -> None:
    shards = make_chances(16, probabilities=[1.0, 1.0])
    tokens = first(shards, micro(online="probability"), 1)[0].tokens
    assert {bytes(row.tolist())[:1] for row in tokens} == {b"a", b"b"}
    both = micro(online="probability", captions={"txt": 0.5, "caption_alt": 0.5})
    assert set(first(shards, both, 1)[0].fields) == {"txt", "caption_alt"}


@pytest.mark.slow
def test_a_training_accounts_for_what_it_skipped(make_chances: Make, micro: Micro, tmp_path: Path) -> None:
    shards = make_chances(40)
    config = micro(online="probability", batch=8, steps=15)
    done = train(config, shards, tmp_path / "a")
    visits = [visit for batch in first(shards, config, 15) for visit in batch.visits]
    assert (done.steps, done.fields) == (15, {"txt": 120})
    assert done.skipped == len(visits) - 120 > 120
    assert done.visited == len({visit.position.sample + 16 * visit.position.shard for visit in visits if visit.shown})


def test_probabilities_that_let_nothing_through_stop_it(make_chances: Make, micro: Micro, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="Not one of 40 samples was shown"):
        train(micro(online="probability"), make_chances(40, probabilities=[0.0, 0.0]), tmp_path / "a")
    with pytest.raises(DataError, match="two lists of equal length"):
        train(micro(online="probability"), make_chances(40, probabilities=[0.5]), tmp_path / "b")


def test_how_it_draws_is_part_of_what_a_training_is() -> None:
    with pytest.raises(ValueError, match="online"):
        TrainConfig(online="sometimes")  # type: ignore[arg-type]
