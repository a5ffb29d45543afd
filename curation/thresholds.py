"""Balancing thresholds: how many texts an entry may bring before it is thinned (MetaCLIP 2, Algorithm 1; arXiv 2507.22062).

English is given its threshold t. The share p of its matches that lie in the tail (entries below t) is then the share that
every other language's threshold must leave in its own tail.
"""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

Counts = npt.NDArray[np.int64]
Probabilities = npt.NDArray[np.float64]


def t_to_p(t: int, counts: Counts) -> float:
    """The share of all matches that belong to entries with fewer than `t`; 1 where nothing matched at all."""
    total = counts.sum()
    return float(counts[counts < t].sum() / total) if total else 1.0


def p_to_t(p: float, counts: Counts) -> int:
    """The observed count up to which the entries hold about the share `p` of all matches; the first of equally near ones.

    Entries without a match are left out. The published form can settle on their 0, which thins the rarest entries of a
    small language to nothing; the answer is then the smallest count that there is. It is 1 where nothing matched.
    """
    ordered = np.sort(counts[counts > 0])
    if not len(ordered):
        return 1
    shares = np.cumsum(ordered) / ordered.sum()
    return int(ordered[np.abs(shares - p).argmin()])


def entry_probabilities(t: int, counts: Counts) -> Probabilities:
    """The chance that a match of each entry is kept: 1 in the tail, `t / count` in the head (MetaCLIP, Algorithm 1)."""
    return t / np.maximum(counts, t)


def language_thresholds(t_en: int, counts: Mapping[str, Counts], english: str = "en") -> dict[str, int]:
    """The threshold of every metadata set: `t_en` for `english`, and for the others what leaves the same share in the tail."""
    p = t_to_p(t_en, counts.get(english, np.empty(0, dtype=np.int64)))
    return {name: t_en if name == english else p_to_t(p, found) for name, found in counts.items()}
