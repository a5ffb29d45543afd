"""Each claim of an ablation (this arm is better than that one): whether it holds, how surely, and if not, what was measured of both."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

HOLDS, FAILS, UNSURE = "holds", "does not hold", "cannot be told"
Told = dict[str, Any]
Numbers = npt.NDArray[np.float64]
Groups = npt.NDArray[np.int64]


def claim(
    better: Mapping[str, Any], than: Mapping[str, Any], recall: Numbers, place: Numbers, groups: Groups | None = None
) -> Told:
    """A claim as JSON: the difference with its 95 % interval and p, the verdict, and unless it holds, what may explain that.

    Args:
        better, than: what is told of the two arms.
        recall: the paired difference, seeds x queries, of the same seed and query. The claim is about this one.
        place: the same by the place of the right answer among all, told beside it.
        groups: queries that hang together.
    """
    told = {"better": better["arm"], "than": than["arm"]} | judged(recall, groups)
    told |= {"by_place": judged(place, groups)}
    return told | {"measured": [] if told["verdict"] == HOLDS else measured(better, than, told["difference"])}


def judged(difference: Numbers, groups: Groups | None = None) -> Told:
    """One paired difference with its interval, p, verdict and the mean of each seed."""
    from workflows.training.intervals import crossed, crossed_means, two_sided

    interval = crossed(difference, groups=groups)
    told = {"difference": interval, "p": two_sided(crossed_means(difference, groups=groups))}
    told |= {"verdict": verdict(interval)}
    return told | {"per_seed": [float(value) for value in difference.mean(axis=1)]}


def verdict(difference: Mapping[str, float]) -> str:
    """Whether the interval of a difference lies on the claimed side of 0, on the other, or on both."""
    if difference["low"] > 0:
        return HOLDS
    return FAILS if difference["high"] < 0 else UNSURE


def measured(better: Mapping[str, Any], than: Mapping[str, Any], difference: Mapping[str, float]) -> list[str]:
    """What the two arms differ in, in sentences: possible reasons, none of them proved."""
    found = [*_pictures(better, than), *_faults(better, than), *_texts(better, than)]
    if verdict(difference) == UNSURE:
        half = (difference["high"] - difference["low"]) / 2
        times = " and ".join(f"{arm['times_chance']:.1f}" for arm in (better, than))
        found.append(f"Their recall is {times} times that of a random order.")
        found.append(f"A difference of less than about {half:.4f} cannot be seen with so many pairs and seeds.")
    return found


def _pictures(better: Mapping[str, Any], than: Mapping[str, Any]) -> list[str]:
    ours, theirs = better["pictures"], than["pictures"]
    if ours == theirs:
        return ["Both train on the same number of distinct pictures."]
    return [
        f"{better['arm']} has {ours:,} distinct pictures and {than['arm']} {theirs:,} ({ours / theirs - 1:+.0%}); of as many samples "
        f"each row is shown {better['epochs']:.1f} times instead of {than['epochs']:.1f}."
    ]


def _faults(better: Mapping[str, Any], than: Mapping[str, Any]) -> list[str]:
    if better["faulty"] is None or than["faulty"] is None:
        return []
    ours, theirs = (arm["faulty"] / arm["rows"] for arm in (better, than))
    return [
        f"Pairs with a planted fault are {ours:.1%} of the rows of {better['arm']} and {theirs:.1%} of those of {than['arm']}."
    ]


def _texts(better: Mapping[str, Any], than: Mapping[str, Any]) -> list[str]:
    if better["named"] is None or than["named"] is None:
        return []
    return [
        f"The texts that {better['arm']} was shown have {better['named']:.0%} of the words of what the pictures truly show, those of "
        f"{than['arm']} {than['named']:.0%}."
    ]
