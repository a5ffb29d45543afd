"""Planted faults: how many of each were caught, where and why, how many slipped through, and what it cost in clean rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from workflows.report.fates import KEPT, REJECTED, WAITING, Fate
from workflows.report.sources import Numbers, Sources, View
from workflows.report.truth import HARMLESS, Truth

#: Reasons that thin out and judge nothing: rows that they take were not called faulty.
THINNING = ("balanced_out",)
DUPLICATES = ("exact_duplicate", "near_duplicate")
CLEAN = "clean"
GONE = "gone"  # how: the fault was no fault any more when its row came to be judged
TWIN, ORPHAN = "its twin was rejected instead", "its twin left the pool before"


class Faults:
    """Counts rows by what was planted in them and what became of them."""

    def __init__(self, sources: Sources, truth: Truth | None) -> None:
        self._sources, self._truth = sources, truth
        self._fates = Counter[tuple[str, Fate]]()
        self._details = Counter[tuple[str, str, bool]]()
        self._copies: dict[str, tuple[str, Fate]] = {}
        self._originals: dict[str, Fate] = {}
        self._same: dict[str, str] = {}
        self._merged = self._unknown = 0

    def add(self, view: View) -> None:
        """Take one shard in."""
        if self._truth is None:
            return
        texts = view.get("rows", "texts")
        keys = zip(view.get("rows", "uid"), view.get("rows", "url"), view.fates, texts, strict=True)
        for uid, url, fate, spoken in keys:
            self._row(uid, self._truth.of(uid, url), fate, len(spoken or ()))

    def _row(self, uid: str, line: Mapping[str, Any] | None, fate: Fate, texts: int) -> None:
        assert self._truth
        if line is None:
            self._unknown += 1
            return
        fault = line["fault"] or CLEAN
        if uid in self._truth.copies:
            self._originals[uid] = fate
        if fault in DUPLICATES:
            self._copies[uid], self._same[uid] = (fault, fate), line["same_as"] or ""
        self._merged += fault == "same_url" and texts > 1
        self._fates[fault, fate] += 1
        self._details[fault, line["detail"] or "", fate.how == KEPT] += 1

    def numbers(self) -> Numbers | None:
        """One line a fault, one a reason that rejects, and precision and recall; None without a truth."""
        if self._truth is None:
            return None
        named = sorted({fault for fault, _ in self._fates} - {CLEAN})
        lines = [self._line(fault) for fault in named]
        harmful = [line for line in lines if not line["harmless"]]
        caught, judged = (sum(line[name] for line in harmful) for name in ("caught", "judged"))
        reasons = self._reasons()
        accused = sum(line["rows"] for line in reasons if not line["thinning"])
        guilty = sum(line["faulty"] for line in reasons if not line["thinning"])
        return {
            "lines": lines,
            "reasons": reasons,
            "clean": self._clean(),
            "recall": caught / judged if judged else None,
            "precision": guilty / accused if accused else None,
            "caught": caught,
            "judged": judged,
            "accused": accused,
            "guilty": guilty,
            "unknown": self._unknown,
            "missed": self._missed(),
        }

    def _line(self, fault: str) -> Numbers:
        """A fault's rows: caught for a reason, out of the pool before anybody judged them, or kept."""
        found = self._judged(fault)
        planted, kept = sum(found.values()), sum(n for fate, n in found.items() if fate.how in (KEPT, WAITING))
        unjudged = sum(n for fate, n in found.items() if _unjudged(fate))
        where = [(n, fate) for fate, n in found.items() if n and fate.how != KEPT]
        return {
            "fault": fault,
            "harmless": fault in HARMLESS,
            "planted": planted,
            "caught": planted - kept - unjudged,
            "unjudged": unjudged,
            "judged": planted - unjudged,
            "kept": kept,
            "where": [
                {"step": self._step(fate), "reason": fate.reason, "rows": n}
                for n, fate in sorted(where, key=lambda item: (-item[0], item[1]))
            ],
            "merged": self._merged if fault == "same_url" else None,
        }

    def _judged(self, fault: str) -> Counter[Fate]:
        """The fates of a fault's rows. Of a pair of duplicates one has to go: which one is no matter."""
        found = Counter({fate: n for (name, fate), n in self._fates.items() if name == fault})
        for uid, (name, fate) in self._copies.items():
            twin = self._originals.get(self._same[uid], Fate(GONE))
            if name == fault and fate.how == KEPT and twin.how not in (KEPT, WAITING):
                caught = twin.reason.endswith(DUPLICATES)
                found[fate] -= 1
                found[Fate(REJECTED, "duplicates", TWIN) if caught else Fate(GONE, twin.role, ORPHAN)] += 1
        return found

    def _reasons(self) -> list[Numbers]:
        """What each reason took: rows with a harmful fault, and clean ones."""
        by: dict[Fate, Counter[str]] = {}
        for (fault, fate), n in self._fates.items():
            if fate.how not in (KEPT, WAITING):
                by.setdefault(fate, Counter())[fault] += n
        lines = []
        for fate, faults in sorted(by.items(), key=lambda item: (-item[1].total(), item[0])):
            twins = self._twins(fate)
            innocent = sum(n for fault, n in faults.items() if fault == CLEAN or fault in HARMLESS) - twins
            line = {"step": self._step(fate), "reason": fate.reason, "rows": faults.total(), "clean": innocent}
            lines.append(line | {"faulty": faults.total() - innocent, "thinning": _thins(fate)})
        return lines

    def _twins(self, fate: Fate) -> int:
        """Clean rows that a reason about duplicates took in place of their planted copy."""
        if not fate.reason.endswith(DUPLICATES) or self._truth is None:
            return 0
        return sum(found == fate and self._truth.fault(uid) is None for uid, found in self._originals.items())

    def _clean(self) -> Numbers:
        """What became of rows in which nothing was planted."""
        found = {fate: n for (fault, fate), n in self._fates.items() if fault == CLEAN}
        kept = sum(n for fate, n in found.items() if fate.how == KEPT)
        thinned = sum(n for fate, n in found.items() if _thins(fate))
        total = sum(found.values())
        return {"rows": total, "kept": kept, "thinned": thinned, "accused": total - kept - thinned}

    def _missed(self) -> list[Numbers]:
        """Which kinds of a fault slipped through."""
        missed = [(fault, detail, n) for (fault, detail, kept), n in self._details.items() if kept and fault != CLEAN]
        missed = [item for item in missed if item[0] not in HARMLESS and item[0] not in DUPLICATES]
        return [
            {"fault": f, "detail": d, "rows": n}
            for f, d, n in sorted(missed, key=lambda item: (item[0], -item[2], item[1]))
        ]

    def _step(self, fate: Fate) -> str:
        return self._sources.roles.get(fate.role, fate.role)


def _unjudged(fate: Fate) -> bool:
    return fate.how == GONE or _thins(fate)


def _thins(fate: Fate) -> bool:
    return fate.how == REJECTED and fate.reason.endswith(THINNING)
