"""Batches are equal for any number of workers and any cache, and what cannot be used is counted."""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice

import pytest
import torch

from workflows.training.config import TrainConfig
from workflows.training.data import Batch, evaluation_samples, training_batches
from workflows.training.shards import Shards

Make = Callable[..., Shards]
Micro = Callable[..., TrainConfig]


def letters(texts: list[str]) -> torch.Tensor:
    """A tokenizer of bytes."""
    return torch.tensor([list(text.encode()[:8].ljust(8)) for text in texts])


def first(shards: Shards, config: TrainConfig, number: int = 5) -> list[Batch]:
    return list(islice(training_batches(shards, config, 32, letters), number))


def equal(one: list[Batch], other: list[Batch]) -> bool:
    return all(
        torch.equal(a.images, b.images)
        and torch.equal(a.tokens, b.tokens)
        and (a.fields, a.faults) == (b.fields, b.faults)
        for a, b in zip(one, other, strict=True)
    )


def test_the_cache_changes_nothing(make_shards: Make, micro: Micro) -> None:
    shards = make_shards(40)
    assert equal(first(shards, micro(cache_mb=0)), first(shards, micro(cache_mb=64)))


@pytest.mark.slow
def test_workers_change_nothing(make_shards: Make, micro: Micro) -> None:
    shards = make_shards(40)
    captions = {"caption_short": 1.0, "caption_alt": 0.0}
    assert equal(first(shards, micro(captions=captions)), first(shards, micro(captions=captions, workers=2)))


def test_batches_hold_pixels_and_tokens(make_shards: Make, micro: Micro) -> None:
    batch = first(make_shards(40), micro(), 1)[0]
    assert batch.images.shape == (16, 3, 32, 32)
    assert batch.images.dtype == torch.uint8
    assert batch.tokens.shape == (16, 8)
    assert batch.fields == {"txt": 16}


def test_empty_captions_are_seen_in_the_account(make_shards: Make, micro: Micro) -> None:
    batches = first(make_shards(40), micro(captions={"caption_short": 1.0, "caption_alt": 0.0}, batch=40), 1)
    assert batches[0].fields == {"caption_short": 32, "caption_alt": 8}


def damage(shards: Shards, key: str) -> None:
    """Overwrite the picture of one sample with zeros."""
    for path in shards.paths:
        data = bytearray(path.read_bytes())
        at = data.find(f"{key}.jpg".encode())
        if at >= 0:
            data[at + 512 : at + 512 + 512] = bytes(512)
            path.write_bytes(data)


def test_a_damaged_picture_costs_itself(make_shards: Make, micro: Micro) -> None:
    shards = make_shards(32)
    damage(shards, "0-000020")
    found = first(shards, micro(), 2)
    assert [len(batch.images) for batch in found].count(15) == 1
    ((position, reason),) = [fault for batch in found for fault in batch.faults]
    assert (position.shard, position.sample) == (1, 4)
    assert "cannot be decoded" in reason


def test_a_held_out_set_is_read_whole(make_shards: Make) -> None:
    shards = make_shards(20)
    damage(shards, "0-000003")
    images, texts, faults = evaluation_samples(shards, 32)
    assert images.shape == (19, 3, 32, 32)
    assert len(texts) == 19
    assert faults.total() == 1
    assert evaluation_samples(shards, 32, "caption_short")[1][1].count(" ") == 1
