"""Where each row left the pool. Every row has exactly one fate, so that what came in always adds up."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import pyarrow as pa

from pipeline.rows import FAILED, QUARANTINED

KEPT, REJECTED, LOST, WAITING = "kept", "rejected", "failed", "waiting"
DECIDERS = ("select", "chosen", "balance")  #: the first that is there has the last word
LONGEST = 120  # characters of a reason, as in the ledger


#: (role of a selection, its reason) -> (role, column) that says more: a rule "not balanced" rests on balancing's own reason.
Because = Mapping[tuple[str, str], tuple[str, str]]


class Fate(NamedTuple):
    """What became of a row.

    Attributes:
        how: `kept`, `rejected` (the recipe said no), `failed` (it could not be done) or `waiting` (nobody decided).
        role: at which step; empty for rows that are kept or wait.
        reason: the first line of why.
    """

    how: str
    role: str = ""
    reason: str = ""


def gates(roles: Mapping[str, str]) -> list[str]:
    """The roles at which a row can leave, in the order in which it passes them.

    Balancing has no gate of its own where a selection over its columns stands behind it: that one gives the reason.
    """
    text = ["chosen"] if "chosen" in roles else ["balance"]
    return [role for role in ("rows", *text, "download", "look", "scores", "duplicates", "select") if role in roles]


def fates(tables: Mapping[str, pa.Table], roles: Mapping[str, str], because: Because) -> list[Fate]:
    """The fate of each row of a shard.

    A row that the last selection keeps is kept. Of any other the first gate that it did not pass is told: where a step
    failed on it, or a selection said no. Steps between the selections annotate: their `keep`, if any, decides nothing.
    """
    passed = [_gate(role, tables[role], deciding=role in DECIDERS) for role in gates(roles)]
    last = next((role for role in DECIDERS if role in tables), None)
    rows = tables["rows"].num_rows
    keep = tables[last]["keep"].to_pylist() if last else [None] * rows
    more = {key: _values(tables, *where) for key, where in because.items()}
    found = [_first(gate[row] for gate in passed) or Fate(WAITING if last else KEPT) for row in range(rows)]
    return [Fate(KEPT) if keep[row] else _explained(fate, row, more) for row, fate in enumerate(found)]


def _values(tables: Mapping[str, pa.Table], role: str, column: str) -> list[Any]:
    values: list[Any] = tables[role][column].to_pylist()
    return values


def _explained(fate: Fate, row: int, more: Mapping[tuple[str, str], list[Any]]) -> Fate:
    """The reason of a rule, and that of the step whose judgement it followed."""
    said = more.get((fate.role, fate.reason))
    return (
        fate if said is None or said[row] is None else fate._replace(reason=f"{fate.reason}: {first_line(said[row])}")
    )


def _first(found: Any) -> Fate | None:
    return next((fate for fate in found if fate), None)


def _gate(role: str, table: pa.Table, *, deciding: bool) -> list[Fate | None]:
    """What one step said of each row; None for those that it let pass or never saw."""
    statuses, errors = table["status"].to_pylist(), table["error_message"].to_pylist()
    keep: list[bool | None] = [None] * len(statuses)
    reasons: list[str | None] = [None] * len(statuses)
    if deciding:
        keep, reasons = table["keep"].to_pylist(), table["reject_reason"].to_pylist()
    return [
        Fate(LOST, role, first_line(errors[row]))
        if status in (FAILED, QUARANTINED)
        else Fate(REJECTED, role, first_line(reasons[row]))
        if keep[row] is False
        else None
        for row, status in enumerate(statuses)
    ]


def first_line(reason: str | None) -> str:
    """The part of a reason that rows share, by which they are counted."""
    return ((reason or "").splitlines() or [""])[0][:LONGEST] or "no reason given"
