"""What the text side costs for a million rows, step by step, and what breaks first on the way to 100 billion.

    python -m benchmarks.scale [--data build/demo] [--sizes 200000 1000000] [--shard-rows 100000]

Each step runs alone, in a process of its own with one thread, at two sizes of a list of made-up URLs with real texts. The
slope between the sizes is its cost a row; what is left is fixed: models, the index of the metadata, the first of everything.
A claim without a peer: it only measures. What the chain costs beside fastText and a matcher alone is bench-balance's.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

GOAL = 100_000_000_000  #: rows
DAY, MEMORY = 86_400, 64e9  #: what one process may take before we call a step broken: a day, 64 GB
ENTRIES = 20_000  #: of the made-up ledger that the driver's share is measured on
STEPS = ("rows", "lang", "match", "counts-partial", "counts", "balance", "chosen")
TITLES = {
    "rows": "intake",
    "lang": "langid",
    "counts-partial": "counts, map",
    "counts": "counts, merge",
    "chosen": "select",
}
ONE = dict.fromkeys(
    ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "ARROW_IO_THREADS", "NUMBA_NUM_THREADS"), "1"
)


@dataclass(frozen=True)
class Cost:
    """What one child process took.

    Attributes:
        cpu: seconds of CPU, imports left out.
        peak, grown: bytes of resident memory at most, and how many of them came with the work.
        disk: bytes that the step left in the pool.
        items: rows, or partial counts (merge), or entries (ledger).
    """

    cpu: float
    peak: int
    grown: int
    disk: int
    items: int


# ---- in the child processes


def recipe_steps(root: Path, data: Path, shard_rows: int) -> list[Any]:
    """configs/text.yaml, and a selection."""
    from curation.balance import Balance, MatchCounts
    from curation.intake import Intake
    from curation.langid import LangId
    from curation.match import Match
    from curation.select import Rule, Select

    return [
        Intake(urls=root / "list.parquet", shard_rows=shard_rows),
        LangId(name="lang"),
        Match(name="match", metadata=data / "metadata"),
        MatchCounts(name="counts"),
        Balance(name="balance", tail=0.5),
        Select(name="chosen", rules=(Rule(column="balance.keep", is_true=True, reason="not balanced"),)),
    ]


def make_list(root: Path, data: Path, rows: int) -> None:
    """One row a text, drawn from the real texts of the demo's pictures."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    lists = pq.read_table(data / "art.parquet", columns=["texts"])["texts"].combine_chunks()
    texts = lists.flatten().field("text").unique()
    drawn = texts.take(pa.array(np.random.default_rng(0).integers(0, len(texts), rows)))
    urls = pa.array([f"https://pictures.example/{k:012d}.jpg" for k in range(rows)])
    pq.write_table(pa.table({"url": urls, "caption": drawn}), root / "list.parquet")


def run_step(root: Path, data: Path, shard_rows: int, name: str, rows: int) -> int:
    """Run one step of the recipe in this process; how many items it worked on."""
    from pipeline.executor import LocalExecutor
    from pipeline.parts import read_table
    from pipeline.plan import Plan
    from pipeline.progress import Progress
    from pipeline.run import Run
    from pipeline.store import Store

    store = Store(root / "pool")
    steps = recipe_steps(root, data, shard_rows)
    plan = Plan(store, steps)
    Run(plan, LocalExecutor(store), Progress(), frozenset({name}))()
    if name == "counts":
        source = plan.by_name["counts-partial"]
        return sum(read_table(store, plan.parts(source, shard)[-1]).num_rows for shard in plan.shards())
    assert all(plan.done(plan.by_name[name], place) for place in plan.places(plan.by_name[name])), name
    return rows


def list_ledger(root: Path) -> int:
    """What the driver of a run holds: every entry of a step."""
    from pipeline.ledger import Ledger
    from pipeline.store import Store

    folder = root / "pool/ledger/lang/1"
    one = json.loads(next(path for path in sorted(folder.glob("0*.json"))).read_text())
    made = root / "many/ledger/lang/1"
    made.mkdir(parents=True, exist_ok=True)
    for k in range(ENTRIES):
        (made / f"{k:08d}.0.json").write_text(json.dumps(one | {"unit": f"{k:08d}"}, indent=1))
    begun = usage()
    held = Ledger(Store(root / "many")).entries("lang", "1")
    print(json.dumps(spent(begun, len(held), 0).__dict__))
    return 0


def usage() -> tuple[float, int]:
    """CPU seconds of this process, and its resident bytes now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return time.process_time(), pages * os.sysconf("SC_PAGESIZE")


def spent(begun: tuple[float, int], items: int, disk: int) -> Cost:
    status = Path("/proc/self/status").read_text()
    peak = next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM"))
    return Cost(time.process_time() - begun[0], peak, peak - begun[1], disk, items)


def child(work: str, root: Path, data: Path, size: int, shard_rows: int) -> int:
    """One measurement, as a line of JSON."""
    import pyarrow as pa

    pa.set_cpu_count(1)
    if work == "list":
        make_list(root, data, size)
        return 0
    if work == "ledger":
        return list_ledger(root)
    recipe_steps(root, data, shard_rows)
    begun = usage()
    items = run_step(root, data, shard_rows, work, size)
    print(json.dumps(spent(begun, items, on_disk(root / "pool", work)).__dict__))
    return 0


def on_disk(pool: Path, name: str) -> int:
    """Bytes of everything that a step left: parts, tables and its ledger."""
    folders = [pool / "rows"] if name == "rows" else [pool / "columns" / name, pool / "tables" / name]
    files = [file for folder in (*folders, pool / "ledger" / name) for file in folder.rglob("*") if file.is_file()]
    return sum(file.stat().st_size for file in files)


# ---- in the parent, which stays small


def measure(work: str, root: Path, chosen: argparse.Namespace, size: int) -> Cost | None:
    command = [sys.executable, "-m", "benchmarks.scale", "--child", work, "--root", str(root), "--sizes", str(size)]
    command += ["--data", str(chosen.data.resolve()), "--shard-rows", str(chosen.shard_rows)]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=False, env=os.environ | ONE)
    if done.returncode:
        raise SystemExit(f"{work} failed at {size} rows")
    lines = done.stdout.decode().splitlines()
    return Cost(**json.loads(lines[-1])) if lines else None


def measure_all(chosen: argparse.Namespace) -> dict[int, dict[str, Cost]]:
    """size -> work -> cost."""
    found: dict[int, dict[str, Cost]] = {}
    for size in sorted(chosen.sizes):
        with tempfile.TemporaryDirectory(prefix="pairpool-scale-") as folder:
            root = Path(folder)
            measure("list", root, chosen, size)
            works = [*STEPS, *(["ledger"] if size == max(chosen.sizes) else [])]
            made = {work: measure(work, root, chosen, size) for work in works}
            found[size] = {work: cost for work, cost in made.items() if cost}
        print(f"measured {size:,} rows", file=sys.stderr)
    return found


def slopes(found: dict[int, dict[str, Cost]]) -> dict[str, dict[str, float]]:
    """CPU seconds and bytes a row of each step, without what is fixed; the fixed seconds apart."""
    small, large = min(found), max(found)
    told = {}
    for step in STEPS:
        one, other = found[small][step], found[large][step]
        cpu = max(other.cpu - one.cpu, 0) / (large - small)
        told[step] = {
            "cpu": cpu,
            "disk": max(other.disk - one.disk, 0) / (large - small),
            "fixed": max(other.cpu - cpu * large, 0),
            "peak_small": one.peak,
            "peak": other.peak,
        }
    return told


def table(told: dict[str, dict[str, float]], shard_rows: int) -> None:
    """Cost a million rows as measured, and a billion by the slope."""
    heads = f"{'step':15} {'CPU-s/M rows':>13} {'fixed s':>8} {'MB/M rows':>10} |"
    print(f"{heads} {'core-hours/G':>13} {'GB/G rows':>10} {'peak MB, both':>14}")
    for step, cost in told.items():
        hours, fixed = cost["cpu"] * 1e9 / 3600, cost["fixed"]
        line = f"{TITLES.get(step, step):15} {cost['cpu'] * 1e6:13.2f} {fixed:8.1f} {cost['disk']:10.1f} |"
        print(f"{line} {hours:13.2f} {cost['disk']:10.1f} {cost['peak_small'] / 1e6:7.0f} {cost['peak'] / 1e6:6.0f}")
    hours, disk = (sum(cost[what] for cost in told.values()) for what in ("cpu", "disk"))
    print(f"{'all':15} {hours * 1e6:13.2f} {'':8} {disk:10.1f} | {hours * 1e9 / 3600:13.2f} {disk:10.1f}")
    print(f"a worker holds one shard of {shard_rows:,} rows; fixed seconds are spent once a worker\n")


def limits(
    found: dict[int, dict[str, Cost]], told: dict[str, dict[str, float]], shard_rows: int
) -> list[tuple[float, str, str]]:
    """(rows, what breaks there, what it would take at the goal), from the measured figures; the first one first."""
    from curation.intake import SPILLS

    size = max(found)
    cost = found[size]
    merge, ledger = cost["counts"], cost["ledger"]
    per_shard, spilled = merge.items / (size / shard_rows), size / min(SPILLS, size / shard_rows)
    entries = (len(STEPS) - 2) / shard_rows  # of the ledger, a row: all but the intake and the merge leave one a shard
    taking, row_bytes = told["rows"]["cpu"], cost["rows"].grown / spilled
    merging = told["counts"]["cpu"] * size / merge.items
    listing, entry_bytes = ledger.cpu / ledger.items, ledger.grown / ledger.items
    part = per_shard / shard_rows
    days = {
        f"the intake is one unit of one process, {taking * 1e6:.1f} s a million rows": taking,
        f"the merge of counts is one process, {per_shard:,.0f} entries a shard at {merging * 1e9:.0f} ns": merging
        * part,
        f"one driver lists {len(STEPS) - 2} ledger entries a shard, {listing * 1e6:.0f} us each on a disk": listing
        * entries,
    }
    gigabytes = {
        f"the intake holds one of {SPILLS} spill files, {row_bytes:,.0f} bytes a row": row_bytes / SPILLS,
        f"one driver holds {len(STEPS) - 2} ledger entries a shard, {entry_bytes:,.0f} bytes each": entry_bytes
        * entries,
    }
    known = [(DAY / max(each, 1e-15), why, f"{GOAL * each / DAY:,.2f} days") for why, each in days.items()]
    known += [(MEMORY / max(each, 1e-15), why, f"{GOAL * each / 1e9:,.0f} GB") for why, each in gigabytes.items()]
    return sorted(known)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--data", type=Path, default=Path("build/demo"), help="where `make demo` left art.parquet and metadata"
    )
    parser.add_argument("--sizes", type=int, nargs="+", default=[200_000, 1_000_000])
    parser.add_argument("--shard-rows", type=int, default=100_000)
    parser.add_argument("--record", type=Path, default=Path("build/benchmarks/scale.json"))
    parser.add_argument("--child", help=argparse.SUPPRESS)
    parser.add_argument("--root", type=Path, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.child:
        return child(chosen.child, chosen.root, chosen.data, chosen.sizes[0], chosen.shard_rows)
    if not (chosen.data / "art.parquet").is_file() or len(set(chosen.sizes)) < 2:
        raise SystemExit(
            f"Needs two sizes, and {chosen.data}/art.parquet with metadata beside it: run `make demo`, or name --data."
        )
    begun = time.perf_counter()
    found = measure_all(chosen)
    told = slopes(found)
    table(told, chosen.shard_rows)
    broken = limits(found, told, chosen.shard_rows)
    print(f"what breaks, in this order (a day of one process or {MEMORY / 1e9:.0f} GB; the goal is {GOAL:,} rows):")
    for rows, why, goal in broken:
        print(f"  {rows:9.2g} rows, {'before' if rows < GOAL else 'beyond'} the goal: {why}; {goal} at the goal")
    print(f"\n{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, {time.perf_counter() - begun:.0f} s in all")
    record = {"sizes": {size: {k: c.__dict__ for k, c in made.items()} for size, made in found.items()}, "slopes": told}
    chosen.record.parent.mkdir(parents=True, exist_ok=True)
    chosen.record.write_text(json.dumps(record | {"limits": broken}, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
