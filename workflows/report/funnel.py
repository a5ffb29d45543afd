"""The account: what came in at each step, what went on, and why the rest did not. The sums are checked, not assumed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from pipeline.rows import FAILED, FAILED_UPSTREAM, NOT_SELECTED, QUARANTINED, SUCCESS
from workflows.report.fates import KEPT, LOST, REJECTED, WAITING, Fate, first_line, gates
from workflows.report.sources import Numbers, Sources, View


class Funnel:
    """Counts rows by fate, and by what each step said of them."""

    def __init__(self, sources: Sources) -> None:
        self._sources = sources
        self._rows = 0
        self._fates = Counter[Fate]()
        self._statuses: dict[str, Counter[str]] = {role: Counter() for role in sources.by_row}
        self._reasons: dict[str, Counter[tuple[str, str]]] = {role: Counter() for role in sources.by_row}
        self._kept_at = Counter[tuple[str, str]]()

    def add(self, view: View) -> None:
        """Take one shard in."""
        self._rows += len(view.fates)
        self._fates.update(view.fates)
        for role in self._statuses:
            self._step(role, view)

    def _step(self, role: str, view: View) -> None:
        statuses, errors = view.get(role, "status"), view.get(role, "error_message")
        keep, reasons = view.get(role, "keep"), view.get(role, "reject_reason")
        for row, status in enumerate(statuses):
            rejected = status == SUCCESS and keep[row] is False
            self._statuses[role][REJECTED if rejected else status] += 1
            if rejected or status in (FAILED, QUARANTINED):
                why = (REJECTED, reasons[row]) if rejected else (LOST, errors[row])
                self._reasons[role][why[0], first_line(why[1])] += 1
            if view.fates[row].how == KEPT:
                self._kept_at[role, status] += 1

    def numbers(self) -> Numbers:
        """`rows`, `kept`, the gates with their reasons, what happened to kept rows, and every step with its sum."""
        total = {
            how: sum(n for fate, n in self._fates.items() if fate.how == how) for how in (KEPT, REJECTED, LOST, WAITING)
        }
        return {
            "rows": self._rows,
            **total,
            "adds_up": sum(total.values()) == self._rows,
            "gates": self._gates(),
            "after": self._after(),
            "steps": [self._line(role) for role in self._statuses] + self._pooled(),
        }

    def _gates(self) -> list[Numbers]:
        """One bar a gate: rows in, out by reason, and on."""
        found, left = [], self._rows
        for role in gates(self._sources.roles):
            out = {(fate.how, fate.reason): n for fate, n in self._fates.items() if fate.role == role}
            line = {"role": role, "step": self._sources.roles[role], "in": left}
            left -= sum(out.values())
            found.append(line | {"on": left, **_split(out)})
        return found

    def _after(self) -> list[Numbers]:
        """What became of kept rows at the captioner and at the export."""
        found = []
        if "captions" in self._statuses:
            by = {status: n for (role, status), n in self._kept_at.items() if role == "captions"}
            reasons = {why: n for why, n in self._reasons["captions"].items() if why[0] == LOST}
            line = {"role": "captions", "step": self._sources.roles["captions"], "in": self._fates[Fate(KEPT)]}
            found.append(line | {"on": by.get(SUCCESS, 0), **_split(reasons)})
        if entry := self._sources.pooled("shards"):
            lost = {(LOST, first_line(why)): n for why, n in entry.reasons.items()}
            written = entry.counts.get(SUCCESS, 0)
            line = {"role": "shards", "step": entry.step, "in": written + entry.counts.get(FAILED, 0), "on": written}
            found.append(line | _split(lost))
        return found

    def _line(self, role: str) -> Numbers:
        counts = self._statuses[role]
        named = {name: counts[name] for name in (SUCCESS, REJECTED, FAILED, NOT_SELECTED, FAILED_UPSTREAM, QUARANTINED)}
        entry = self._sources.entry(role)
        return {
            "role": role,
            "step": entry.step,
            "rows": self._rows,
            **named,
            "adds_up": sum(named.values()) == self._rows,
            **_split(self._reasons[role]),
        }

    def _pooled(self) -> list[Numbers]:
        """Steps over the whole pool count their rows themselves."""
        found = []
        for role in self._sources.roles:
            entry = self._sources.pooled(role)
            if entry:
                named = {
                    n: entry.counts.get(n, 0) for n in (SUCCESS, FAILED, NOT_SELECTED, FAILED_UPSTREAM, QUARANTINED)
                }
                line = {"role": role, "step": entry.step, "rows": entry.rows, REJECTED: 0, **named}
                sound = sum(named.values()) == entry.rows
                found.append(line | {"adds_up": sound, **_split({(LOST, why): n for why, n in entry.reasons.items()})})
        return found


def _split(reasons: Mapping[tuple[str, str], int]) -> Numbers:
    """Reasons as a list, most frequent first, and their sums."""
    ordered = sorted(reasons.items(), key=lambda item: (-item[1], item[0]))
    return {
        "reasons": [{"how": how, "reason": reason, "rows": n} for (how, reason), n in ordered],
        "out_rejected": sum(n for (how, _), n in ordered if how == REJECTED),
        "out_failed": sum(n for (how, _), n in ordered if how == LOST),
    }
