"""How sure a mean is: percentile bootstraps over queries, over groups of queries, and over trainings and queries at once."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[np.float64]
Interval = dict[str, float]  #: value, low and high
RESAMPLES = 1000
LEVEL = (2.5, 97.5)
CELLS = 4_000_000  #: weights held at a time


def bootstrap(values: Numbers, seed: int = 0, groups: npt.NDArray[np.int64] | None = None) -> Interval:
    """The mean, and the middle 95 % of means over resampled values (Efron and Tibshirani 1993, chapter 13).

    Args:
        values: one a query.
        seed: of the resampling.
        groups: queries that hang together (pictures of one class), numbered from 0: whole groups are resampled, so that ten views
            of one thing do not count as ten things.
    """
    members = np.arange(len(values)) if groups is None else groups
    sums, sizes = np.bincount(members, weights=values), np.bincount(members)
    means = [(weights @ sums) / np.maximum(weights @ sizes, 1) for weights in _weights(len(sums), seed)]
    return _told(float(values.mean()), np.concatenate(means))


def crossed(values: Numbers, seed: int = 0, groups: npt.NDArray[np.int64] | None = None) -> Interval:
    """The mean over trainings and queries, and the middle 95 % of means where both are resampled, each by itself.

    Owen 2007 ("The pigeonhole bootstrap", Annals of Applied Statistics 1): for a table whose rows and columns are both drawn at
    random this is on the safe side, except that the spread over R trainings is taken to be (R - 1) / R of what it is.

    Args:
        values: trainings x queries; of a difference, that of the same seed and query.
        seed: of the resampling.
        groups: queries that hang together, numbered from 0: whole groups are resampled.
    """
    return _told(float(values.mean()), crossed_means(values, seed, groups))


def crossed_means(values: Numbers, seed: int = 0, groups: npt.NDArray[np.int64] | None = None) -> Numbers:
    """The means that `crossed` takes the middle of, one a resampling."""
    runs, queries = values.shape
    members = np.arange(queries) if groups is None else groups
    sums = np.stack([np.bincount(members, weights=run) for run in values])
    rows = np.random.RandomState(seed + 1).multinomial(runs, np.full(runs, 1 / runs), RESAMPLES) @ sums
    drawn = np.concatenate([weights.astype(np.float64) for weights in _weights(sums.shape[1], seed)])
    means: Numbers = (rows * drawn).sum(axis=1) / (runs * np.maximum(drawn @ np.bincount(members), 1))
    return means


def two_sided(means: Numbers) -> float:
    """How likely a difference is to be this far from 0 by chance: p, from its resampled means (Efron and Tibshirani 1993, 15.4).

    Twice the share on the far side of 0, and never less than two resamplings: below that nothing was looked at.
    """
    beyond = min(int((means <= 0).sum()), int((means >= 0).sum()))
    return min(1.0, 2 * max(beyond, 1) / len(means))


def _weights(length: int, seed: int) -> Iterator[npt.NDArray[np.int64]]:
    """How often each of `length` things is drawn in each resampling, some resamplings at a time."""
    generator, left = np.random.RandomState(seed), RESAMPLES
    while left:
        some = min(left, max(CELLS // length, 1))
        yield generator.multinomial(length, np.full(length, 1 / length), some)
        left -= some


def _told(value: float, means: Numbers) -> Interval:
    low, high = np.percentile(means, LEVEL)
    return {"value": value, "low": float(low), "high": float(high)}
