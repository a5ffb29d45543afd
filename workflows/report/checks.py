"""Checks of captions: what they claim and what of it holds, why texts weigh less, and pictures whose captions were caught."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import Any

from pipeline.rows import SUCCESS, uniform
from workflows.report.samples import GRANULARITIES, Lot, clip, thumbnails
from workflows.report.scores import Histogram
from workflows.report.sources import Numbers, Sources, View

EACH, REASONS = 3, 8  #: rows shown for each of the most frequent reasons
FIELD = "caption_"  #: before the name of a text, as the export calls it
ALT = "alt"


class Checks:
    """Counts claims, reasons and weights, and draws rows whose captions were caught."""

    def __init__(self, sources: Sources) -> None:
        self._sources = sources
        self._rows = self._caught = self._alone = 0
        self._claims: dict[str, Counter[bool | None]] = defaultdict(Counter)
        self._reasons: dict[str, Counter[str]] = defaultdict(Counter)
        self._weights: dict[str, float] = defaultdict(float)
        self._scores: dict[str, Histogram] = defaultdict(Histogram)
        self._better: dict[str, list[int]] = defaultdict(lambda: [0, 0])
        self._lots: dict[str, Lot] = defaultdict(lambda: Lot(EACH))

    def add(self, view: View) -> None:
        """Take one shard in."""
        if "checks" not in view.tables:
            return
        columns = {name: view.get("checks", name) for name in ("weights", "scores", "verdicts", "reasons", "caught")}
        for row, status in enumerate(view.get("checks", "status")):
            if status == SUCCESS:
                self._count({name: column[row] for name, column in columns.items()})
                if columns["caught"][row]:
                    self._offer(view, row, columns["reasons"][row])

    def _count(self, told: Numbers) -> None:
        self._rows += 1
        self._caught += bool(told["caught"])
        self._alone += told["weights"][FIELD + ALT] == 1
        for one in told["verdicts"]:
            self._claims[one["kind"]][one["holds"]] += 1
        for text, reason in {(one["text"], one["reason"]) for one in told["reasons"]}:
            self._reasons[reason][text] += 1
        for name, weight in told["weights"].items():
            self._weights[name.removeprefix(FIELD)] += weight
        scores = {name.removeprefix(FIELD): score for name, score in told["scores"].items() if score is not None}
        for name, score in scores.items():
            self._scores[name].add([score])
            if ALT in scores and name != ALT:
                self._better[name][0] += score > scores[ALT]
                self._better[name][1] += 1

    def _offer(self, view: View, row: int, reasons: list[Numbers]) -> None:
        """Take the row in for its first reason against a caption, if its draw is among the smallest."""
        uid = view.get("rows", "uid")[row]
        first = next((one["reason"] for one in reasons if one["text"] != ALT and one["detail"]), None)
        draw = uniform(0, uid, "report checks")
        if first is None or not self._lots[first].wants(draw):
            return
        captions = {name: view.get("captions", name)[row] for name in GRANULARITIES}
        self._lots[first].put(
            draw,
            {
                "uid": uid,
                "shard": view.shard,
                "key": view.get("rows", "key")[row],
                "caption": clip(view.get("rows", "caption")[row]),
                "captions": {name: clip(text) for name, text in captions.items() if text},
                "reasons": [one | {"detail": clip(one["detail"])} for one in reasons],
                "weights": _named(view.get("checks", "weights")[row]),
            },
        )

    def numbers(self) -> Numbers | None:
        """Claims, reasons, weights, scores and pictures; None where nobody checked."""
        if "checks" not in self._sources.by_row:
            return None
        return {
            "rows": self._rows,
            "caught": self._caught,
            "alone": self._alone,
            "claims": [_claims(kind, counts) for kind, counts in sorted(self._claims.items())],
            "reasons": self._told(),
            "weights": {name: round(total / max(self._rows, 1), 4) for name, total in self._weights.items()},
            "scores": {"alt-text" if name == ALT else name: found.numbers() for name, found in self._scores.items()},
            "better": [
                {"text": name, "rows": rows, "share": better / rows if rows else None}
                for name, (better, rows) in self._better.items()
            ],
            "groups": self._groups(),
        }

    def _told(self) -> list[Numbers]:
        """The reasons, the most frequent first, with the texts that they weigh on."""
        common = sorted(self._reasons.items(), key=lambda item: (-item[1].total(), item[0]))
        return [{"reason": reason, "texts": dict(sorted(texts.items()))} for reason, texts in common]

    def _groups(self) -> list[Numbers]:
        common = sorted(self._lots.items(), key=lambda item: (-item[1].seen, item[0]))[:REASONS]
        groups = [{"reason": reason, "of": lot.seen, "rows": lot.rows()} for reason, lot in common]
        shown: list[Numbers] = [row for group in groups for row in group["rows"]]  # type: ignore[attr-defined]
        thumbnails(self._sources, shown)
        return groups


def _claims(kind: str, counts: Counter[bool | None]) -> Numbers:
    return {
        "kind": kind,
        "made": counts.total(),
        "hold": counts[True],
        "fail": counts[False],
        "unchecked": counts[None],
    }


def _named(weights: dict[str, Any]) -> dict[str, float]:
    return {name.removeprefix(FIELD): round(weight, 2) for name, weight in weights.items()}
