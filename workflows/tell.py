"""What the command prints about a pool: tables for people, no decisions."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.table import Table

from pipeline.plan import Plan
from pipeline.reduce import Reduce
from pipeline.removal import Removed
from pipeline.rows import FAILED, NOT_SELECTED, SUCCESS
from pipeline.stage import Stage
from pipeline.step import Step
from pipeline.verify import orphans
from pipeline.verify import verify as checks
from workflows.account import Line
from workflows.account import account as lines_of


def plan(of: Plan, console: Console) -> None:
    """Steps, what they read and write, what they take, and how far they are."""
    table = Table(
        "step", "kind", "reads", "writes", "only", "takes", "done", title=str(of.store.root), title_justify="left"
    )
    for step in of.steps:
        places = of.places(step)
        done = sum(of.done(step, place) is not None for place in places)
        need = step.resources
        takes = f"{need.workers} x {need.cpus:g} CPU" + (f" {need.gpus:g} GPU" if need.gpus else "")
        table.add_row(
            step.name, step.kind, _reads(step), _writes(step), step.only or "", takes, f"{done}/{len(places) or '?'}"
        )
    console.print(table)


def _reads(step: Step) -> str:
    """Columns; how other steps ended (`status`, `error_message`) goes without saying."""
    refs = step.reads if isinstance(step, Stage | Reduce) else step.inputs
    return ", ".join(ref for ref in refs if not ref.endswith((".status", ".error_message")))


def _writes(step: Step) -> str:
    return ", ".join(step.writes.names) if isinstance(step, Stage) else step.folder


def account(lines: Sequence[Line], console: Console) -> None:
    """Rows in = done + not selected + failed, for every step, with the commonest reasons."""
    table = Table(title="rows in = done + not selected + failed + others", title_justify="left")
    table.add_column("step", no_wrap=True)
    for head in ("rows", "done", "not selected", "failed", "others"):
        table.add_column(head, justify="right", no_wrap=True)
    for line in lines:
        others = line.rows - sum(line.counts.get(status, 0) for status in (SUCCESS, NOT_SELECTED, FAILED))
        numbers = [line.rows, *(line.counts.get(status, 0) for status in (SUCCESS, NOT_SELECTED, FAILED)), others]
        table.add_row(line.step, *(f"{n:,}" for n in numbers))
    console.print(table)
    for line in lines:
        if line.reasons:
            console.print(f"{line.step}: {_most(line.reasons)}", highlight=False, markup=False, soft_wrap=True)


def _most(reasons: Mapping[str, int], shown: int = 6) -> str:
    """The commonest reasons with their counts; the rest as a number."""
    ordered = sorted(reasons.items(), key=lambda item: (-item[1], item[0]))
    rest = sum(n for _, n in ordered[shown:])
    told = [f"{n:,} {reason}" for reason, n in ordered[:shown]]
    return "; ".join([*told, f"{rest:,} for {len(ordered) - shown} other reasons"] if rest else told)


def status(of: Plan, console: Console) -> None:
    """The account, and rates and time left from what the workers noted."""
    account(lines_of(of), console)
    table = Table("step", "units", "seconds", "rows/s", "left", title="pace", title_justify="left")
    for step in of.steps:
        units, rows, seconds = pace(of, step)
        left = len(of.places(step)) - sum(of.done(step, place) is not None for place in of.places(step))
        eta = (
            f"{left * seconds / units / step.resources.workers:,.0f} s"
            if units and left
            else ("" if not left else "unknown")
        )
        table.add_row(step.name, f"{units}", f"{seconds:,.1f}", f"{rows / seconds:,.0f}" if seconds else "", eta)
    console.print(table)


def pace(of: Plan, step: Step) -> tuple[int, int, float]:
    """Units, rows and worker-seconds that were noted for a step."""
    notes = [json.loads(of.store.get(path)) for path in of.store.list(f"runs/{step.name}/{step.version}/")]
    return len(notes), sum(note["rows"] for note in notes), sum(note["seconds"] for note in notes)


def verify(of: Plan, console: Console) -> int:
    """Print what a verification finds; 1 if anything is wrong."""
    bad = 0
    table = Table("step", "units", "files", "bytes", "verdict", title=f"verify {of.store.root}", title_justify="left")
    for found in checks(of):
        bad += len(found.problems)
        verdict = "sound" if not found.problems else "; ".join(found.problems[:3])
        table.add_row(found.step, f"{found.units}/{found.of}", f"{found.files:,}", f"{found.bytes:,}", verdict)
    console.print(table)
    return 1 if bad else 0


def removed(told: Removed, console: Console) -> None:
    """Print what a removal did."""
    console.print(
        f"{told.rows:,} rows removed, {sum(told.rewritten.values()):,} parts rewritten. What was made of the whole pool is deleted "
        f"and made anew by the next run: {', '.join(sorted(told.deleted)) or 'nothing'}."
    )


def collect(of: Plan, console: Console) -> None:
    """Delete the files that no entry names, and say how many."""
    found = orphans(of.store, of)
    for path in found:
        of.store.delete(path)
    console.print(f"{len(found)} orphans deleted" + "".join(f"\n  {path}" for path in found[:20]))
