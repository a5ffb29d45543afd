"""CLIP scores: kept rows and others, how well planted mismatches are told, and captions beside alt-texts."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import numpy.typing as npt

from curation.clip.auc import by_language
from workflows.report.fates import KEPT
from workflows.report.sources import Numbers, Sources, View
from workflows.report.truth import Truth

BINS = 400  #: of [-1, 1]: half a hundredth each
MISMATCH = "mismatched_caption"
FEWEST = 5  # planted mismatches of a language for an interval of its own


class Histogram:
    """Scores in [-1, 1] as counts a bin, whatever their number."""

    def __init__(self) -> None:
        self.bins: npt.NDArray[np.int64] = np.zeros(BINS, dtype=np.int64)
        self.rows, self._sum = 0, 0.0

    def add(self, scores: Sequence[float]) -> None:
        """Count scores."""
        places = ((np.asarray(scores, np.float64) + 1) / 2 * BINS).astype(int).clip(0, BINS - 1)
        self.bins += np.bincount(places, minlength=BINS)
        self.rows += len(scores)
        self._sum += math.fsum(scores)

    def quantile(self, share: float) -> float:
        """The middle of the bin below which this share of the scores lies."""
        place = int(np.searchsorted(np.cumsum(self.bins), share * self.rows))
        return round((min(place, BINS - 1) + 0.5) / BINS * 2 - 1, 4)

    def numbers(self) -> Numbers | None:
        """Mean, quantiles to the width of a bin, and the bins that are not empty; None without a score."""
        if not self.rows:
            return None
        filled = np.flatnonzero(self.bins)
        start, stop = int(filled[0]), int(filled[-1]) + 1
        middle = {name: self.quantile(q) for name, q in (("p10", 0.1), ("median", 0.5), ("p90", 0.9))}
        told = {"rows": self.rows, "mean": round(self._sum / self.rows, 4), **middle}
        return told | {
            "from": round(start / BINS * 2 - 1, 4),
            "width": 2 / BINS,
            "bins": self.bins[start:stop].tolist(),
        }


class Scores:
    """Spreads the scores of every row that has one."""

    def __init__(self, sources: Sources, captions: Mapping[str, str], truth: Truth | None) -> None:
        self._there = "scores" in sources.by_row
        self._truth = truth
        self._by_fate = {name: Histogram() for name in ("kept", "not kept")}
        self._by_truth = {name: Histogram() for name in ("matched", "mismatched")}
        self._texts = {name: Histogram() for name in ("alt-text", *captions)}
        self._better: dict[str, list[int]] = {name: [0, 0] for name in captions}
        self._judged: list[tuple[float, str, bool]] = []

    def add(self, view: View) -> None:
        """Take one shard in."""
        scores, uids = view.get("scores", "clip_score"), view.get("rows", "uid")
        known = [row for row, score in enumerate(scores) if score is not None and math.isfinite(score)]
        kept = {row for row in known if view.fates[row].how == KEPT}
        self._by_fate["kept"].add([scores[row] for row in known if row in kept])
        self._by_fate["not kept"].add([scores[row] for row in known if row not in kept])
        for name in self._better:
            self._beside(name, scores, view.get(f"caption_scores.{name}", "clip_score"))
        if self._truth:
            for row in known:
                self._judge(uids[row], scores[row])

    def _beside(self, name: str, scores: Sequence[Any], captions: Sequence[Any]) -> None:
        """A caption's score beside that of the same row's alt-text; rows that lack one are left out of both."""
        both = [(a, c) for a, c in zip(scores, captions, strict=True) if None not in (a, c) and math.isfinite(a + c)]
        self._texts[name].add([c for _, c in both])
        if name == next(iter(self._better)):  # the rows of all granularities are the same but for failures
            self._texts["alt-text"].add([a for a, _ in both])
        self._better[name][0] += sum(c > a for a, c in both)
        self._better[name][1] += len(both)

    def _judge(self, uid: str, score: float) -> None:
        """Clean rows are matched, planted mismatches are not; other faults are left out."""
        assert self._truth
        fault = self._truth.fault(uid)
        if self._truth.knows(uid) and fault in (None, MISMATCH):
            self._judged.append((score, self._truth.language(uid), fault == MISMATCH))
            self._by_truth["mismatched" if fault else "matched"].add([score])

    def numbers(self) -> Numbers | None:
        """Histograms by fate, by truth and by text, and the AUC a language; None where nobody scored."""
        if not self._there:
            return None
        return {
            "by_fate": {name: histogram.numbers() for name, histogram in self._by_fate.items()},
            "by_truth": {name: histogram.numbers() for name, histogram in self._by_truth.items()},
            "texts": {name: histogram.numbers() for name, histogram in self._texts.items()} if self._better else {},
            "better": [
                {"text": name, "rows": rows, "share": better / rows if rows else None}
                for name, (better, rows) in self._better.items()
            ],
            "auc": self._auc(),
        }

    def _auc(self) -> list[Numbers]:
        """A line a language with enough planted mismatches, the others together, and all."""
        if not self._judged:
            return []
        scores, languages, mismatched = (list(column) for column in zip(*self._judged, strict=True))
        planted = {
            lang: sum(m for at, m in zip(languages, mismatched, strict=True) if at == lang) for lang in set(languages)
        }
        named = [lang if planted[lang] >= FEWEST else "other" for lang in languages]
        found = by_language(scores, named, mismatched)
        if len(found) == 2:  # all, and the one group that is all
            found = {"all": found["all"]}
        return [{"language": name, **asdict(auc)} for name, auc in found.items()]
