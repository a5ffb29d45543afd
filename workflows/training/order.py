"""Which sample comes when: a function of (seed, epoch) alone, whatever the number of workers or restarts."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count, islice

import numpy as np


@dataclass(frozen=True)
class Position:
    """A sample at one visit."""

    epoch: int
    shard: int
    sample: int


def epoch_order(sizes: Sequence[int], seed: int, epoch: int, mix: int) -> Iterator[Position]:
    """Every sample once: shards in a random order, and the samples of `mix` shards at a time shuffled together.

    Args:
        sizes: samples of each shard.
        seed, epoch: the key of the order.
        mix: more shards mix better, fewer keep reads closer together.
    """
    shards = _permutation(len(sizes), seed, epoch, -1)
    for start in range(0, len(shards), mix):
        group = shards[start : start + mix]
        places = [(shard, sample) for shard in group for sample in range(sizes[shard])]
        for place in _permutation(len(places), seed, epoch, start):
            yield Position(epoch, *places[place])


def batches(sizes: Sequence[int], seed: int, mix: int, batch: int, start: int = 0) -> Iterator[list[Position]]:
    """Batches without end, one epoch after the other; the first begins `start` samples into the training.

    A batch may hold the end of one epoch and the beginning of the next: all batches are full, and a resume needs one number.
    """
    epoch, skip = divmod(start, sum(sizes))
    positions = islice((p for e in count(epoch) for p in epoch_order(sizes, seed, e, mix)), skip, None)
    while True:
        yield list(islice(positions, batch))


def _permutation(length: int, *key: int) -> list[int]:
    """A keyed permutation from MT19937, whose stream NumPy has frozen (NEP 19)."""
    digest = hashlib.blake2b(repr(key).encode(), digest_size=32).digest()
    generator = np.random.RandomState(np.frombuffer(digest, dtype=np.uint32))
    return [int(place) for place in generator.permutation(length)]
