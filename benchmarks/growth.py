"""A pool that gets more rows, and one whose threshold changes: what is done anew, and what that costs.

    python -m benchmarks.growth [--data build/demo] [--rows 1000000] [--more 20000]

Seconds of the clock and CPU of each step of the text side, in one process: over a list alone, after a second list has joined it,
and with another threshold. A claim without a peer: it fails where a committed unit is done again, or where redoing the
counts, the thresholds and the selection takes longer than REDONE.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.scale import make_list
from curation.balance import Balance, MatchCounts
from curation.intake import Intake
from curation.langid import LangId
from curation.match import Match
from curation.rules import Rule
from curation.select import Select
from pipeline.executor import LocalExecutor
from pipeline.plan import Plan
from pipeline.progress import Progress
from pipeline.run import Run
from pipeline.step import Step
from pipeline.store import Store

RECORD = Path("build/bench/growth.json")
REDONE = 10.0  #: seconds of CPU for a million rows: merged counts, thresholds, balance and selection
AGAIN = ("counts", "balance", "chosen")
ONCE = ("rows", "lang", "match", "counts-partial")


def recipe(folder: Path, data: Path, shard_rows: int, t_en: int, more: tuple[Path, ...] = ()) -> list[Step]:
    """The text side; the version of what depends on the threshold tells the two apart."""
    version = str(t_en)
    return [
        Intake(urls=folder / "list.parquet", more=more, shard_rows=shard_rows),
        LangId(name="lang"),
        Match(name="match", metadata=data / "metadata"),
        MatchCounts(name="counts"),
        Balance(name="balance", t_en=t_en, version=version),
        Select(
            name="chosen", version=version, rules=(Rule(column="balance.keep", is_true=True, reason="not balanced"),)
        ),
    ]


def measure(store: Store, steps: list[Step]) -> dict[str, dict[str, float]]:
    """Clock, CPU and units that were done, by step, in the order of the recipe."""
    found: dict[str, dict[str, float]] = {}
    for step in Plan(store, steps).steps:
        plan = Plan(store, steps)
        before = sum(plan.done(step, place) is not None for place in plan.places(step))
        clock, cpu = time.perf_counter(), time.process_time()
        Run(plan, LocalExecutor(store), Progress(), frozenset({step.name}))()
        spent = {"clock": time.perf_counter() - clock, "cpu": time.process_time() - cpu}
        plan = Plan(store, steps)
        places = list(plan.places(step))
        assert all(plan.done(step, place) for place in places), step.name
        found[step.name] = {**spent, "units": len(places), "kept": before}
    return found


def run(chosen: argparse.Namespace) -> dict[str, Any]:
    """The pool alone, grown, and with another threshold."""
    with tempfile.TemporaryDirectory() as name:
        folder, data = Path(name), chosen.data
        make_list(folder, data, chosen.rows + chosen.more)
        second = divide(folder / "list.parquet", chosen.rows)
        store = Store(folder / "pool")
        return {
            "rows": chosen.rows,
            "more": chosen.more,
            "first": measure(store, recipe(folder, data, chosen.shard_rows, 1000)),
            "grown": measure(store, recipe(folder, data, chosen.shard_rows, 1000, (second,))),
            "threshold": measure(store, recipe(folder, data, chosen.shard_rows, 2000, (second,))),
        }


def divide(path: Path, rows: int) -> Path:
    """Cut a list in two; the path of the second."""
    import pyarrow.parquet as pq

    table, second = pq.read_table(path), path.with_name("more.parquet")
    pq.write_table(table.slice(rows), second)
    pq.write_table(table.slice(0, rows), path)
    return second


def redone(record: dict[str, Any], run: str) -> float:
    """CPU-seconds of what every change of the pool asks for anew, for a million rows."""
    cpu = sum(float(record[run][name]["cpu"]) for name in AGAIN)
    return cpu / float(record["rows"] + record["more"]) * 1e6


def show(record: dict[str, Any]) -> Table:
    table = Table(
        "step",
        *(f"{title}\nclock s / CPU s / units kept of all" for title in ("first", "grown", "threshold")),
        title=f"{record['rows']:,} rows, then {record['more']:,} more, then another threshold",
    )
    for name in record["first"]:
        cells = (record[run][name] for run in ("first", "grown", "threshold"))
        table.add_row(
            name, *(f"{c['clock']:.2f} / {c['cpu']:.2f} / {c['kept']:.0f} of {c['units']:.0f}" for c in cells)
        )
    return table


def missed(record: dict[str, Any]) -> list[str]:
    """What does not hold."""
    found = []
    for name in ONCE[1:]:
        before, after = record["first"][name], record["grown"][name]
        if after["kept"] != before["units"]:
            found.append(f"{name} does {before['units'] - after['kept']:.0f} committed units again")
    found += [
        f"{run}: {redone(record, run):.1f} CPU-s a million rows"
        for run in ("grown", "threshold")
        if redone(record, run) > REDONE
    ]
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("build/demo"))
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--more", type=int, default=20_000)
    parser.add_argument("--shard-rows", type=int, default=100_000)
    chosen, console = parser.parse_args(), Console(width=150)
    record = run(chosen)
    RECORD.parent.mkdir(parents=True, exist_ok=True)
    RECORD.write_text(json.dumps(record, indent=1) + "\n")
    console.print(show(record))
    for name in ("grown", "threshold"):
        console.print(f"counts, balance and selection anew, {name}: {redone(record, name):.2f} CPU-s a million rows")
    failed = missed(record)
    console.print(f"missed: {', '.join(failed)}" if failed else "all targets reached")
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main())
