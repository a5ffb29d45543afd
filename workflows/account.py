"""The account of a pool: for every step, rows in = done + not selected + failed, and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from pipeline.plan import Plan
from pipeline.rows import FAILED, NOT_SELECTED, SUCCESS
from pipeline.stage import Stage
from pipeline.step import Entry, Step


@dataclass(frozen=True)
class Line:
    """What became of the rows at one step. `rows == sum(counts.values())`, always."""

    step: str
    kind: str
    done: int
    units: int
    rows: int
    counts: Mapping[str, int]
    reasons: Mapping[str, int]

    @property
    def failed_share(self) -> float:
        """Failed rows as a share of those that were attempted."""
        tried = self.counts.get(SUCCESS, 0) + self.counts.get(FAILED, 0)
        return self.counts.get(FAILED, 0) / tried if tried else 0.0


def account(plan: Plan) -> list[Line]:
    """One line a step, in the order of the recipe."""
    return [_line(plan, step) for step in plan.steps]


def _line(plan: Plan, step: Step) -> Line:
    places = plan.places(step)
    states = [state for place in places if (state := plan.done(step, place))]
    counts, reasons, rows = Counter[str](), Counter[str](), 0
    for state in states:
        told = _merged(step, state.parts)
        counts.update(told)
        rows += sum(told.values())
        for part in state.parts:
            reasons.update(part.reasons)
    return Line(step.name, step.kind, len(states), len(places), rows, dict(counts), dict(reasons))


def _merged(step: Step, parts: tuple[Entry, ...]) -> Mapping[str, int]:
    """The statuses of a unit: every supplement turns rows that were not reached before into done or failed ones."""
    counts = Counter(parts[0].counts)
    if not step.inputs:  # the intake: every part is a list of its own
        return sum((Counter(part.counts) for part in parts), Counter())
    for part in parts[1:] if isinstance(step, Stage) else ():
        for status in (SUCCESS, FAILED):
            counts[status] += part.counts.get(status, 0)
    settled = counts[SUCCESS] + counts[FAILED]
    waiting = parts[0].rows - settled
    others = {status: n for status, n in parts[-1].counts.items() if status not in (SUCCESS, FAILED, NOT_SELECTED)}
    if len(parts) == 1:
        return +counts
    return +Counter(
        {SUCCESS: counts[SUCCESS], FAILED: counts[FAILED], **others, NOT_SELECTED: waiting - sum(others.values())}
    )
