"""Exact counts of more keys than memory holds.

Keys are counted in memory; when they take their share of it they are sorted and laid on disk as a run. At the end the runs
are merged range by range: the ranges are cut at keys drawn evenly from all runs, so that each is about as large as a run, and
a key lies in one range only. Nothing is approximated and nothing is dropped: the outcome equals one `Counter` over everything.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

SCHEMA = pa.schema({"key": pa.string(), "count": pa.int64()})
PAGE = 1 << 14  # rows of a run that are read at once
APART = 1 << 10  # one key in so many is kept in memory, to cut the ranges by


@dataclass(frozen=True)
class Counts:
    """Finished counts on disk, sorted by key (in the order of the UTF-8 bytes), each key once.

    Attributes:
        distinct: how many keys there are.
        total: the sum of all counts.
    """

    path: Path
    distinct: int
    total: int

    def tables(self) -> Iterator[pa.Table]:
        """The columns `key` and `count`, in pieces that were merged together."""
        with pa.OSFile(str(self.path)) as file, pa.ipc.open_file(file) as reader:
            for place in range(reader.num_record_batches):
                yield pa.Table.from_batches([reader.get_batch(place)])


class Tally:
    """Counts of strings, in bounded memory.

    Args:
        folder: for the runs; it must exist and be empty, and is the caller's to remove.
        memory: bytes of keys and counts that are held; counting takes about four times as much for a moment.
    """

    def __init__(self, folder: Path, memory: int = 64 << 20) -> None:
        self._folder, self._memory = folder, memory
        self._held: list[pa.Table] = []
        self._bytes = 0
        self._runs: list[Path] = []
        self._drawn: list[str] = []

    @property
    def runs(self) -> int:
        """How many runs went to disk."""
        return len(self._runs)

    def add(self, keys: pa.Array) -> None:
        """Count every key of an array of strings once."""
        counted = pc.value_counts(keys)
        self.add_counted(counted.field("values"), counted.field("counts"))

    def add_counted(self, keys: pa.Array, counts: pa.Array) -> None:
        """Add a number to each key; a key may come several times."""
        table = pa.table({"key": keys, "count": counts}, schema=SCHEMA)
        self._held.append(table)
        self._bytes += table.nbytes
        if self._bytes > self._memory:
            self._compact()

    def _compact(self) -> None:
        """Sum what is held; lay it down unless that alone made much room."""
        summed = _summed(self._held)
        self._held, self._bytes = [summed], summed.nbytes
        if self._bytes > self._memory // 2:
            self._spill()

    def _spill(self) -> None:
        path = self._folder / f"run-{len(self._runs):06}.arrow"
        table = self._held.pop().sort_by("key").combine_chunks()
        with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, SCHEMA) as writer:
            writer.write_table(table, max_chunksize=PAGE)
        self._runs.append(path)
        self._drawn += table["key"].take(pa.array(range(0, len(table), APART), pa.int64())).to_pylist()
        self._bytes = 0

    def finish(self) -> Counts:
        """Merge everything into one sorted file. The runs are removed; the tally is empty afterwards."""
        if self._held:
            self._held = [_summed(self._held)]
            self._spill()
        path, distinct, total = self._folder / "counts.arrow", 0, 0
        with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, SCHEMA) as writer:
            for table in self._merged():
                writer.write_table(table.combine_chunks())
                distinct += len(table)
                total += pc.sum(table["count"]).as_py() or 0
        for run in self._runs:
            run.unlink()
        self._runs, self._drawn = [], []
        return Counts(path, distinct, total)

    def _merged(self) -> Iterator[pa.Table]:
        runs = [_Run(path) for path in self._runs]
        for pivot in [*self._pivots(), None]:
            parts = [part for run in runs for part in run.before(pivot)]
            if parts:
                yield _summed(parts).sort_by("key")
        for run in runs:
            run.close()

    def _pivots(self) -> list[str]:
        """Keys that cut all runs together into as many ranges as there are runs, of about equal size."""
        drawn, ranges = sorted(self._drawn), len(self._runs)
        return sorted({drawn[len(drawn) * k // ranges] for k in range(1, ranges)})


class _Run:
    """A sorted run on disk, read page by page from its beginning to its end."""

    def __init__(self, path: Path) -> None:
        self._file = pa.OSFile(str(path))
        self._reader = pa.ipc.open_file(self._file)
        self._page, self._rest = 0, SCHEMA.empty_table()

    def before(self, pivot: str | None) -> Iterator[pa.Table]:
        """The rows, not given yet, whose keys come before the pivot; all of them for None."""
        while True:
            keys = self._rest["key"]
            # UTF-8 sorts as its characters do, so Python's order is Arrow's.
            end = (
                len(keys) if pivot is None else bisect_left(range(len(keys)), pivot, key=lambda row: keys[row].as_py())
            )
            yield self._rest.slice(0, end)
            self._rest = self._rest.slice(end)
            if len(self._rest) or self._page == self._reader.num_record_batches:
                return
            self._rest = pa.Table.from_batches([self._reader.get_batch(self._page)])
            self._page += 1

    def close(self) -> None:
        """Let the file go."""
        self._file.close()


def _summed(tables: list[pa.Table]) -> pa.Table:
    together = pa.concat_tables(tables)
    grouped = together.group_by("key", use_threads=False).aggregate([("count", "sum")])
    return grouped.rename_columns({"count_sum": "count"}).select(SCHEMA.names).cast(SCHEMA)
