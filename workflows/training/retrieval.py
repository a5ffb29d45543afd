"""Image-text retrieval: how often a right answer is among the k nearest, with intervals, beside chance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import comb
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from workflows.training.intervals import Interval, bootstrap

KS = (1, 5, 10)
WAYS = ("image_to_text", "text_to_image")
Ranks = npt.NDArray[np.int64]
Groups = npt.NDArray[np.int64]


def retrieval(images: torch.Tensor, texts: torch.Tensor, names: Sequence[str], seed: int = 0) -> dict[str, Any]:
    """Recall at 1, 5 and 10 both ways. Samples of one text are right for each other.

    Args:
        images, texts: unit-length features, samples x dimensions.
        names: the texts themselves, which say what is equal.
        seed: of the bootstrap.
    """
    return recalls(*both_ways(images, texts, equal(names)), equal(names), seed)


def both_ways(images: torch.Tensor, texts: torch.Tensor, groups: Groups) -> tuple[Ranks, Ranks]:
    """The rank of the best right answer of every picture among the texts, and of every text among the pictures."""
    return ranks(images, texts, groups, groups), ranks(texts, images, groups, groups)


def recalls(image_ranks: Ranks, text_ranks: Ranks, groups: Groups, seed: int = 0) -> dict[str, Any]:
    """What is told of the ranks of one set."""
    return {
        "samples": len(groups),
        "distinct_texts": int(groups.max()) + 1,
        "chance": {f"R@{k}": expected(groups, groups, k) for k in KS},
        "image_to_text": _recalls(image_ranks, seed),
        "text_to_image": _recalls(text_ranks, seed),
    }


def ranks(queries: torch.Tensor, answers: torch.Tensor, wanted: Groups, given: Groups, chunk: int = 1 << 24) -> Ranks:
    """For each query the rank of its best right answer, from 0. A tie with a wrong answer is lost.

    Losing ties is what keeps a collapsed model, which scores all alike, from scoring full marks. Memory: `chunk` scores at a time.

    Args:
        queries, answers: features, each x dimensions.
        wanted, given: groups of the queries and of the answers; an answer is right if its group is the query's.
        chunk: scores held at a time.
    """
    found: list[Groups] = []
    step = max(chunk // len(answers), 1)
    for at in range(0, len(queries), step):
        scores = (queries[at : at + step] @ answers.T).numpy()
        right = wanted[at : at + step, None] == given[None, :]
        best = np.where(right, scores, -np.inf).max(axis=1)
        found.append(((scores >= best[:, None]) & ~right).sum(axis=1))
    return np.concatenate(found)


def equal(names: Sequence[str]) -> Groups:
    """Equal texts, equal numbers from 0; white space and case do not tell texts apart."""
    numbers: dict[str, int] = {}
    return np.array([numbers.setdefault(" ".join(name.split()).casefold(), len(numbers)) for name in names], np.int64)


def expected(wanted: Groups, given: Groups, k: int) -> float:
    """Mean recall at k of a random order: 1 - C(n - g, k) / C(n, k) for a query with g right answers among n."""
    n = len(given)
    sizes = np.bincount(given, minlength=int(wanted.max()) + 1)[wanted]
    found = {int(g): 1 - comb(n - int(g), min(k, n)) / comb(n, min(k, n)) for g in np.unique(sizes)}
    return float(np.mean([found[int(g)] for g in sizes]))


def summary(result: Mapping[str, Any]) -> dict[str, float]:
    """The mean of both ways for each k: one line of a table."""
    return {f"R@{k}": sum(result[way][f"R@{k}"]["value"] for way in WAYS) / len(WAYS) for k in KS}


def _recalls(found: Ranks, seed: int) -> dict[str, Interval]:
    return {f"R@{k}": bootstrap((found < k).astype(np.float64), seed) for k in KS}
