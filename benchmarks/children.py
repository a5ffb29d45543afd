"""What `make bench-balance` measures in processes of their own: one index in several of them, and memory over many rows."""

from __future__ import annotations

import multiprocessing
import os
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from multiprocessing.queues import Queue
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

CONTEXT = multiprocessing.get_context("spawn")
MEGABYTE = 1e6
BATCH = 4096


class Shared(NamedTuple):
    """What one of several processes did.

    Attributes:
        texts: a second, by the clock.
        texts_cpu: a CPU-second.
        rss, pss: bytes of the index in this process, as a whole and as its share of what all of them map.
    """

    texts: float
    texts_cpu: float
    rss: int
    pss: int


def mapped(path: Path) -> tuple[int, int]:
    """Resident bytes of a mapped file in this process, and the proportional share of them."""
    found, inside = {"Rss": 0, "Pss": 0}, False
    for line in Path("/proc/self/smaps").read_text().splitlines():
        first, *others = line.split()
        if not first.endswith(":"):
            inside = bool(others) and others[-1] == str(path)
        elif inside and first[:-1] in found:
            found[first[:-1]] += int(others[0]) * 1024
    return found["Rss"], found["Pss"]


def _match(index: Path, texts: Path, rounds: int, barrier: Barrier, out: Queue[Shared]) -> None:
    from curation.matching import Matcher

    matcher, column = Matcher.open(index), pq.read_table(texts)["text"].combine_chunks()
    matcher.match(column)
    barrier.wait()
    wall, cpu = time.perf_counter(), time.process_time()
    for _ in range(rounds):
        matcher.match(column)
    done = rounds * len(column)
    speed = done / (time.perf_counter() - wall), done / (time.process_time() - cpu)
    memory = mapped(index)
    barrier.wait()
    out.put(Shared(*speed, *memory))


def together(processes: int, index: Path, texts: Path, rounds: int) -> list[Shared]:
    """So many processes match the same texts at the same time, each over the index that all of them map."""
    barrier, out = CONTEXT.Barrier(processes), CONTEXT.Queue()
    running = [CONTEXT.Process(target=_match, args=(index, texts, rounds, barrier, out)) for _ in range(processes)]
    for process in running:
        process.start()
    found = [out.get(timeout=600) for _ in running]
    for process in running:
        process.join()
    return found


def first_use(cache: Path) -> float:
    """CPU-seconds of a process that indexes two entries and matches one text, with pairpool's cache in this folder."""
    script = "from curation.matching import Matcher; Matcher(['a b', 'c'], True).match_text('a b')"
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-c", script], env=os.environ | {"PAIRPOOL_CACHE": str(cache)}, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def peak() -> int:
    """The most memory that this process has held, in bytes; getrusage would count its parent's before it was born."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:"))


def batches(texts: pa.Array, languages: pa.Array, rows: int) -> Iterator[pa.RecordBatch]:
    """Rows of one text each, the same texts over and over."""
    for start in range(0, rows, BATCH):
        begin, count = start % (len(texts) - BATCH), min(BATCH, rows - start)
        columns = {"rows.texts": texts.slice(begin, count), "lang.languages": languages.slice(begin, count)}
        yield pa.record_batch({"uid": pa.array([""] * count), **columns})


def _stage(metadata: Path, texts: Path, rows: int, out: Queue[dict[str, Any]]) -> None:
    from curation.match import Match

    table = pq.read_table(texts)
    ends = pa.array(range(len(table) + 1), pa.int32())
    captions, languages = (
        pa.ListArray.from_arrays(ends, table[name].combine_chunks()) for name in ("text", "language")
    )
    matches = 0
    with Match(name="match", metadata=metadata).open({}) as annotate:
        cpu = time.process_time()
        for batch in annotate(batches(captions, languages, rows)):
            matches += len(batch["entries"].flatten().flatten())
    cpu = time.process_time() - cpu
    out.put(
        {
            "rows": rows,
            "matches": matches,
            "cpu": cpu,
            "peak": peak(),
        }
    )


def through_stage(metadata: Path, texts: Path, rows: int) -> dict[str, Any]:
    """So many rows through the match stage, in a process of its own: its CPU-seconds and the peak of its memory in bytes."""
    out: Queue[dict[str, Any]] = CONTEXT.Queue()
    process = CONTEXT.Process(target=_stage, args=(metadata, texts, rows, out))
    process.start()
    found = out.get(timeout=1800)
    process.join()
    return found
