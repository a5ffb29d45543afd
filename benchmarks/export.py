"""Export against webdataset's ShardWriter, Ray's write_webdataset and a plain copy of the same bytes, on this machine, in turns.

    python -m benchmarks.export [--rows 3000] [--rounds 9] [--without-ray]

Ours is the whole step: columns and images of a pool are read, rows are selected and shuffled, samples made and checked, shards
and what lies beside them written, hashed, put on the disk (fsync) and committed. The peers do less: they read shards that are
finished, and write their samples into other shards, without a hash or fsync. The copy reads the same shards, hashes, writes and
syncs them, in one process. Images are of 512 pixels, the default of the download step.

First every sample of each peer's shards must be equal to ours. Fails if the median over rounds of the ratio of megabytes a second
is below TARGETS. CPU-seconds are those of all threads and, for Ray, of all its processes.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import platform
import shutil
import sys
import tarfile
import time
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

import psutil  # type: ignore[import-untyped]
from rich.console import Console
from rich.table import Table

from benchmarks.images import image_pool
from pipeline.executor import LocalExecutor
from pipeline.plan import Plan
from pipeline.progress import Progress
from pipeline.run import Run
from pipeline.step import POOL, Step
from pipeline.store import Store
from workflows.export.step import Export

TARGETS = {"ShardWriter": 1.5, "write_webdataset": 2.0, "copy": 0.8}
SHARD = 1000
OURS = "pairpool"


def ours(store: Store, steps: list[Step], number: int) -> Path:
    """One export of the pool; where its shards are."""
    export = Export(
        name="shards",
        version=str(number),
        selection="images",
        images="images",
        texts={"caption_alt": "rows.caption", "caption_short": "images.short"},
        shard_samples=SHARD,
    )
    Run(Plan(store, [*steps, export]), LocalExecutor(store), Progress(), frozenset({"shards"}))()
    plan = Plan(store, [*steps, export])
    return store.fetch(plan.parts(plan.by_name["shards"], POOL)[-1].files["sizes.json"][0]).parent


def copy(shards: list[Path], out: Path) -> None:
    """Read, sha256, write and fsync."""
    for path in shards:
        digest = hashlib.sha256()
        with path.open("rb", buffering=0) as source, (out / path.name).open("wb", buffering=0) as target:
            while data := source.read(1 << 20):
                digest.update(data)
                target.write(data)
            os.fsync(target.fileno())


def shard_writer(shards: list[Path], out: Path) -> None:
    """webdataset's reader and writer; bytes go through as they are."""
    import webdataset

    samples = webdataset.WebDataset([str(path) for path in shards], shardshuffle=False, empty_check=False)
    with webdataset.ShardWriter(str(out / "%08d.tar"), maxcount=SHARD, verbose=0) as sink:
        for sample in samples:
            sink.write({name: held for name, held in sample.items() if name in {"__key__", "jpg", "json", "txt"}})


def ray_data(shards: list[Path], out: Path) -> None:
    """Ray's reader and writer; bytes go through as they are."""
    import ray

    data = ray.data.read_webdataset([str(path) for path in shards], decoder=None)
    data.write_webdataset(str(out), encoder=None)


def samples(shards: list[Path]) -> dict[str, bytes]:
    """Member name -> sha256."""
    return dict(pair for path in shards for pair in _members(path))


def _members(path: Path) -> Iterator[tuple[str, bytes]]:
    with tarfile.open(path) as tar:
        for member in tar:
            yield member.name, hashlib.sha256(tar.extractfile(member).read()).digest()  # type: ignore[union-attr]


def cpu() -> float:
    """CPU-seconds of this process and all below it, so far."""
    own = psutil.Process()
    return sum(sum(_times(process)) for process in [own, *own.children(recursive=True)])


def _times(process: psutil.Process) -> tuple[float, float]:
    try:
        times = process.cpu_times()
    except psutil.NoSuchProcess:
        return 0.0, 0.0
    return times.user, times.system


def measured(work: Callable[[], object], clock: Callable[[], float] = time.process_time) -> tuple[float, float]:
    """Seconds and CPU-seconds."""
    used, begun = clock(), time.perf_counter()
    work()
    return time.perf_counter() - begun, clock() - used


def on_ray(work: Callable[[], object]) -> tuple[float, float]:
    """The same with a cluster, which is there for this turn alone: it takes CPU time even when it has nothing to do."""
    import ray

    ray.init(address="local", include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    ray.data.DataContext.get_current().enable_progress_bars = False
    try:
        return measured(work, cpu)
    finally:
        ray.shutdown()


def rounds(folder: Path, rows: int, many: int, with_ray: bool) -> tuple[dict[str, list[tuple[float, float]]], int]:
    """Name -> (seconds, CPU-seconds) of each round, and the bytes of the shards. Each round begins with another one."""
    store, steps = image_pool(folder, rows, shard_rows=SHARD, size=512)
    Run(Plan(store, steps), LocalExecutor(store), Progress())()
    shards = sorted(ours(store, steps, 0).glob("*.tar"))
    out = folder / "out"
    runs: dict[str, Callable[[], object]] = {
        OURS: lambda: ours(store, steps, 1),
        "copy": lambda: copy(shards, out),
        "ShardWriter": lambda: shard_writer(shards, out),
        **({"write_webdataset": lambda: ray_data(shards, out)} if with_ray else {}),
    }
    whole, size = samples(shards), sum(path.stat().st_size for path in shards)
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in runs}
    for number, order in enumerate(_turns(list(runs), many + 1)):
        for name in order:
            out.mkdir()
            told = (on_ray if name == "write_webdataset" else measured)(runs[name])
            made = _shards_of(store, 1) if name == OURS else out
            if number == 0 and samples(sorted(made.rglob("*.tar"))) != whole:
                raise SystemExit(f"{name} wrote other samples than ours: nothing to compare.")
            found[name] += [told] if number else []  # the first round warms up and checks
            _forget(store, out)
    return found, size


def _turns(names: list[str], many: int) -> Iterator[list[str]]:
    return ([*names[k % len(names) :], *names[: k % len(names)]] for k in range(many))


def _shards_of(store: Store, number: int) -> Path:
    assert isinstance(store.root, Path)
    return store.root / "shards" / "shards" / str(number)


def _forget(store: Store, out: Path) -> None:
    """Delete what one turn wrote."""
    shutil.rmtree(out)
    shutil.rmtree(_shards_of(store, 1), ignore_errors=True)
    for path in store.list("ledger/shards/1/"):
        store.delete(path)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=3000)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--without-ray", action="store_true")
    parser.add_argument("--record", type=Path, default=Path("build/bench/export.json"))
    chosen = parser.parse_args()
    chosen.record.parent.mkdir(parents=True, exist_ok=True)
    folder = chosen.record.parent / "export-pool"
    shutil.rmtree(folder, ignore_errors=True)
    found, size = rounds(folder, chosen.rows, chosen.rounds, not chosen.without_ray)
    shutil.rmtree(folder)
    record = account(found, size, chosen.rows)
    chosen.record.write_text(json.dumps(record, indent=1) + "\n")
    show(record)
    return int(any(line["ratio"] < line["target"] for line in record["peers"].values()))


def account(found: dict[str, list[tuple[float, float]]], size: int, rows: int) -> dict[str, Any]:
    """Medians of rounds, and ratios within each round."""
    lines: dict[str, Any] = {
        name: {
            "mb_s": size / 1e6 / median(seconds for seconds, _ in told),
            "cpu_s": median(used for _, used in told),
        }
        for name, told in found.items()
    }
    for name in (name for name in found if name != OURS):
        pairs = list(zip(found[name], found[OURS], strict=True))
        lines[name] |= {
            "ratio": median(peer[0] / mine[0] for peer, mine in pairs),
            "cpu_ratio": median(peer[1] / mine[1] for peer, mine in pairs),
            "target": TARGETS[name],
        }
    machine = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    versions = {name: version(name) for name in ("webdataset", "ray", "pyarrow")}
    told = {"rows": rows, "bytes": size, "rounds": len(found[OURS]), "machine": machine, "versions": versions}
    return {**told, OURS: lines.pop(OURS), "peers": lines}


def show(record: dict[str, Any]) -> None:
    """The table."""
    title = f"{record['rows']:,} samples of {record['bytes'] / record['rows'] / 1e3:.0f} kB, median of {record['rounds']} rounds"
    table = Table(
        "", "MB/s", "CPU-s", "ours / it, MB/s", "target", "its CPU-s / ours", title=title, title_justify="left"
    )
    mine = record[OURS]
    table.add_row(OURS, f"{mine['mb_s']:.0f}", f"{mine['cpu_s']:.2f}")
    for name, line in record["peers"].items():
        colour = "green" if line["ratio"] >= line["target"] else "red"
        ratio, target = f"[{colour}]{line['ratio']:.2f}[/{colour}]", f"{line['target']:.1f}"
        table.add_row(name, f"{line['mb_s']:.0f}", f"{line['cpu_s']:.2f}", ratio, target, f"{line['cpu_ratio']:.2f}")
    Console().print(table)
    Console().print(record["machine"], record["versions"], highlight=False)


if __name__ == "__main__":
    sys.exit(main())
