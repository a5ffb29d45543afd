"""Captions: how long they are, how many differ, who wrote them, what they cost."""

from __future__ import annotations

from collections import Counter
from typing import Any

from curation.junk import count_words
from pipeline.rows import FAILED, SUCCESS
from workflows.report.samples import GRANULARITIES, clip
from workflows.report.sources import PROVENANCE, Numbers, Sources, View

DISTINCT_OF = 1_000_000  # captions whose repeats are counted: a bound on memory
REPEATED = 5
LAST = 80  # words of the longest captions that a histogram tells apart


class Captions:
    """Measures the captions of every row that has them."""

    def __init__(self, sources: Sources) -> None:
        self._there = "captions" in sources.by_row
        self._words: dict[str, Counter[int]] = {name: Counter() for name in ("alt-text", *GRANULARITIES)}
        self._texts: dict[str, Counter[str]] = {name: Counter() for name in GRANULARITIES}
        self._makers, self._finish, self._attempts = Counter[tuple[Any, ...]](), Counter[str](), Counter[int]()
        self._tokens = Counter[str]()
        self._rows = self._failed = 0

    def add(self, view: View) -> None:
        """Take one shard in."""
        statuses = view.get("captions", "status")
        done = [row for row, status in enumerate(statuses) if status == SUCCESS]
        self._rows += len(done)
        self._failed += statuses.count(FAILED)
        if not done:
            return
        self._measure("alt-text", [view.get("rows", "caption")[row] for row in done])
        for name in GRANULARITIES:
            texts = view.get("captions", name)
            self._measure(name, [texts[row] for row in done])
            room = DISTINCT_OF - self._texts[name].total()
            self._texts[name].update([texts[row] for row in done if texts[row]][: max(room, 0)])
        self._note(view, [row for row, status in enumerate(statuses) if status in (SUCCESS, FAILED)])

    def _measure(self, name: str, texts: list[str | None]) -> None:
        self._words[name].update(count_words(text) for text in texts if text)

    def _note(self, view: View, tried: list[int]) -> None:
        columns = [view.get("captions", name) for name in PROVENANCE]
        self._makers.update(tuple(column[row] for column in columns) for row in tried)
        for name, counter in (("finish_reason", self._finish), ("attempts", self._attempts)):
            values = view.get("captions", name)
            counter.update(values[row] for row in tried if values[row] is not None)
        for name in ("prompt_tokens", "completion_tokens"):
            values = view.get("captions", name)
            self._tokens[name] += sum(values[row] or 0 for row in tried)

    def numbers(self) -> Numbers | None:
        """Lengths, repeats, makers and costs; None where nobody wrote captions."""
        if not self._there:
            return None
        makers = sorted(self._makers.items(), key=lambda item: (-item[1], str(item[0])))
        return {
            "rows": self._rows,
            "failed": self._failed,
            "lengths": [_lengths(name, counts) for name, counts in self._words.items() if counts],
            "repeats": [_repeats(name, texts) for name, texts in self._texts.items() if texts],
            "makers": [dict(zip(PROVENANCE, maker, strict=True)) | {"rows": n} for maker, n in makers],
            "finish": [{"finish_reason": why, "rows": n} for why, n in self._finish.most_common()],
            "attempts": [{"attempts": times, "rows": n} for times, n in sorted(self._attempts.items())],
            **{name: self._tokens[name] for name in ("prompt_tokens", "completion_tokens")},
        }


def _lengths(name: str, counts: Counter[int]) -> Numbers:
    """Words of one granularity: quantiles, and how many captions have how many words."""
    ordered, total = sorted(counts.items()), counts.total()
    spread = {label: _quantile(ordered, q * total) for label, q in (("p10", 0.1), ("median", 0.5), ("p90", 0.9))}
    mean = sum(words * n for words, n in ordered) / total
    bins = Counter[int]()
    for words, n in ordered:
        bins[min(words, LAST)] += n
    return {
        "text": name,
        "rows": total,
        "mean": round(mean, 1),
        **spread,
        "max": ordered[-1][0],
        "words": sorted(bins.items()),
    }


def _quantile(ordered: list[tuple[int, int]], place: float) -> int:
    seen = 0
    for value, n in ordered:
        seen += n
        if seen >= place:
            return value
    return ordered[-1][0]


def _repeats(name: str, texts: Counter[str]) -> Numbers:
    """How many captions differ from all others, and those that come again most."""
    often = sorted(((n, text) for text, n in texts.items() if n > 1), key=lambda item: (-item[0], item[1]))[:REPEATED]
    return {
        "text": name,
        "of": texts.total(),
        "distinct": len(texts),
        "most": [{"caption": clip(text), "rows": n} for n, text in often],
    }
