"""How well a score tells matched pairs from mismatched ones: the area under the ROC curve, with an interval."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Scores = npt.NDArray[np.floating]


@dataclass(frozen=True)
class Auc:
    """The probability that a matched pair scores above a mismatched one, with a 95 % bootstrap interval."""

    value: float
    low: float
    high: float
    matched: int
    mismatched: int


def auc(matched: Scores, mismatched: Scores) -> float:
    """The share of (matched, mismatched) couples in which the matched one scores higher; ties count half.

    The Mann-Whitney U statistic over the number of couples (Hanley & McNeil 1982), from ranks. NaN where a side is empty.
    """
    if len(matched) == 0 or len(mismatched) == 0:
        return float("nan")
    below = np.sort(mismatched)
    wins = np.searchsorted(below, matched, "left").sum() + np.searchsorted(below, matched, "right").sum()
    return float(wins / 2 / (len(matched) * len(mismatched)))


def measure(
    matched: Sequence[float] | Scores, mismatched: Sequence[float] | Scores, rounds: int = 1000, seed: int = 0
) -> Auc:
    """The AUC with its percentile bootstrap interval: both sides resampled, `rounds` times (Efron & Tibshirani 1993, ch. 13).

    Args:
        matched, mismatched: scores, without NaN.
    """
    good, bad = np.asarray(matched, np.float64), np.asarray(mismatched, np.float64)
    value = auc(good, bad)
    if not (len(good) and len(bad)):
        return Auc(value, value, value, len(good), len(bad))
    rng = np.random.default_rng(seed)
    draws = [auc(rng.choice(good, len(good)), rng.choice(bad, len(bad))) for _ in range(rounds)]
    low, high = np.quantile(draws, [0.025, 0.975])
    return Auc(value, float(low), float(high), len(good), len(bad))


def by_language(
    scores: Sequence[float | None], languages: Sequence[str], mismatched: Sequence[bool], rounds: int = 1000
) -> dict[str, Auc]:
    """The AUC of each language in which both matched and mismatched rows were scored, and of `all` together.

    Rows without a score (None or NaN) are left out.
    """
    values = np.array([np.nan if score is None else score for score in scores], np.float64)
    known, bad, spoken = ~np.isnan(values), np.asarray(mismatched, bool), np.asarray(languages, str)
    places = {"all": known} | {lang: known & (spoken == lang) for lang in sorted(set(spoken.tolist()))}
    found = {lang: measure(values[at & ~bad], values[at & bad], rounds) for lang, at in places.items()}
    return {lang: result for lang, result in found.items() if result.matched and result.mismatched}
