"""All pairs of 64-bit hashes that differ in few bits, exactly, without comparing all pairs.

If two hashes differ in at most d bits and the 64 bits are cut into d + k bands, then at least k bands are equal (pigeonhole;
Norouzi, Punjani and Fleet, "Fast Search in Hamming Space with Multi-Index Hashing", CVPR 2012). So one sort for each choice of
k bands brings every such pair together, and only hashes that agree on those bands are compared. More bands mean fewer chance
meetings and more sorts.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations, pairwise
from math import comb, log2

import numpy as np
import numpy.typing as npt

Hashes = npt.NDArray[np.uint64]
Rows = npt.NDArray[np.int64]
BITS = 64
MOST_SPARE = 4  #: the largest k
SORT = 3.0  #: cost of one step of a sort, where comparing two hashes costs 1


def near_pairs(hashes: Hashes, distance: int) -> Iterator[tuple[Rows, Rows]]:
    """Pairs of places whose hashes differ in at most `distance` bits, chunk by chunk; one pair may come more than once.

    Args:
        hashes: of n pictures.
        distance: 0 to 16; the larger it is, the more sorts are needed.
    """
    for mask in band_masks(len(hashes), distance):
        keys = hashes & mask
        order = np.argsort(keys, kind="stable")
        yield from _in_runs(hashes, order, keys[order], distance)


def band_masks(n: int, distance: int) -> list[np.uint64]:
    """The masks of all choices of k among `distance + k` bands, with the k that makes the search of n hashes cheapest."""

    def cost(spare: int) -> float:
        meetings = n * n / 2 / float(2.0 ** (BITS * spare / (distance + spare)))
        return comb(distance + spare, spare) * (SORT * n * log2(n + 2) + meetings)

    spare = min(range(1, MOST_SPARE + 1), key=cost)
    edges = [BITS * k // (distance + spare) for k in range(distance + spare + 1)]
    bands = [(1 << high) - (1 << low) for low, high in pairwise(edges)]
    return [np.uint64(sum(chosen)) for chosen in combinations(bands, spare)]


def _in_runs(hashes: Hashes, order: Rows, keys: Hashes, distance: int) -> Iterator[tuple[Rows, Rows]]:
    """Compare all members of each run of equal keys: neighbours first, then those two apart, until no run is as long."""
    here = np.arange(len(keys))
    step = 0
    while len(here):
        step += 1
        here = here[here + step < len(keys)]
        here = here[keys[here] == keys[here + step]]
        first, second = order[here], order[here + step]
        near = np.bitwise_count(hashes[first] ^ hashes[second]) <= distance
        if near.any():
            yield first[near], second[near]
