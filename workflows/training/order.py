"""Which sample comes when: a function of (seed, epoch) alone, whatever the number of workers or restarts."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, count, islice

import numpy as np


@dataclass(frozen=True)
class Position:
    """A sample at one visit."""

    epoch: int
    shard: int
    sample: int


def epoch_order(sizes: Sequence[int], seed: int, epoch: int, mix: int, skip: int = 0) -> Iterator[Position]:
    """Every sample once: shards in a random order, and the samples of `mix` shards at a time shuffled together.

    Args:
        sizes: samples of each shard.
        seed, epoch: the key of the order.
        mix: more shards mix better, fewer keep reads closer together.
        skip: leave out so many at the beginning, without making whole groups of them.
    """
    shards = _permutation(len(sizes), seed, epoch, -1)
    for start in range(0, len(shards), mix):
        group = shards[start : start + mix]
        samples = sum(sizes[shard] for shard in group)
        if skip >= samples:
            skip -= samples
            continue
        places = [(shard, sample) for shard in group for sample in range(sizes[shard])]
        for place in _permutation(len(places), seed, epoch, start)[skip:]:
            yield Position(epoch, *places[place])
        skip = 0


def batches(sizes: Sequence[int], seed: int, mix: int, batch: int, start: int = 0) -> Iterator[list[Position]]:
    """Batches without end, one epoch after the other; the first begins `start` samples into the training.

    A batch may hold the end of one epoch and the beginning of the next: all batches are full, and a resume needs one number.
    """
    first, skip = divmod(start, sum(sizes))
    epochs = (epoch_order(sizes, seed, epoch, mix, 0 if epoch > first else skip) for epoch in count(first))
    positions = chain.from_iterable(epochs)
    while True:
        yield list(islice(positions, batch))


def rank_batches(
    sizes: Sequence[int], seed: int, mix: int, batch: int, start: int = 0, *, rank: int = 0, world: int = 1
) -> Iterator[list[Position]]:
    """One rank's share of each batch: laid side by side by rank, the shares of a step are the batch that one rank has.

    Args:
        batch: of all ranks together; `world` divides it.
        start: samples that this rank had before.
    """
    share = batch // world
    whole, part = divmod(start, share)
    shares = (found[rank * share : (rank + 1) * share] for found in batches(sizes, seed, mix, batch, whole * batch))
    positions = islice(chain.from_iterable(shares), part, None)
    while True:
        yield list(islice(positions, share))


def _permutation(length: int, *key: int) -> list[int]:
    """A keyed permutation from MT19937, whose stream NumPy has frozen (NEP 19)."""
    digest = hashlib.blake2b(repr(key).encode(), digest_size=32).digest()
    generator = np.random.RandomState(np.frombuffer(digest, dtype=np.uint32))
    return [int(place) for place in generator.permutation(length)]
