"""Intake: URL lists to rows, cut into shards by the hash of their uid. Pairs of one URL become one row with several texts.

Two passes with bounded memory: the lists are streamed into spill files, then each shard is grouped, ordered and written
alone. A line that is no pair stays a row, failed with its reason.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from itertools import chain, islice
from pathlib import Path
from typing import ClassVar

import pyarrow as pa
import pyarrow.parquet as pq

from curation.lists import list_files, read_list
from curation.pairs import PAIR, Pair, pair_of, rows_of_shard
from pipeline.errors import ConfigError, DataError
from pipeline.plan import shard_name
from pipeline.recipe import content, execution, recipe
from pipeline.rows import shard_of
from pipeline.stage import account
from pipeline.step import Entry, Outcome, Scope, Step, Task, Work
from pipeline.store import Store

SPILLS = 128  #: files open at a time, whatever the number of shards


@recipe
class Intake(Step):
    """The first step of every pool; its name is `rows`.

    Attributes:
        urls: a parquet, csv, tsv or jsonl file, or a folder of them, with img2dataset's or DataComp's column names.
        columns: our name -> the list's name, where it is none of those that are known.
        shard_rows: about how many rows a shard has.
        source: written into every row that brings no `source` of its own; by default the list's file name.
    """

    kind: ClassVar[str] = "intake"
    scope: ClassVar[Scope] = "pool"

    name: str = "rows"
    urls: Path | None = content(default=None)
    columns: Mapping[str, str] = execution(default={})
    shard_rows: int = 10_000
    source: str = ""

    @property
    def inputs(self) -> tuple[str, ...]:
        """Nothing: the list lies outside the pool."""
        return ()

    @property
    def folder(self) -> str:
        """Where the rows lie."""
        return "rows"

    def path(self, role: str, task: Task, digest: str) -> str:
        """One file a shard."""
        return f"{self.folder}/{role}-{digest[:16]}.parquet"

    @contextmanager
    def start(self, store: Store, tables: Mapping[str, Entry]) -> Iterator[Work]:
        """Give the function that takes the whole list in."""
        yield self._take_in

    def _take_in(self, task: Task, folder: Path) -> Outcome:
        if self.urls is None:
            raise ConfigError(
                "The intake has no list. Say `urls: PATH` of a parquet, csv, tsv or jsonl file with a `url` column."
            )
        lines = sum(1 for _ in self._pairs())
        if not lines:
            raise DataError(f"{self.urls} has no lines. A pool needs at least one.")
        shards = -(-lines // self.shard_rows)
        spills = self._spill(folder, shards)
        files, counts, reasons = {}, Counter[str](), Counter[str]()
        for spill in spills:
            for shard, table in _shards_of(spill, shards):
                files[shard_name(shard)] = folder / f"{shard_name(shard)}.parquet"
                pq.write_table(table, files[shard_name(shard)], compression="zstd")
                told, why = account(table)
                counts.update(told)
                reasons.update(why)
        for shard in set(range(shards)) - {int(name) for name in files}:  # a shard that no uid fell into
            files[shard_name(shard)] = folder / f"{shard_name(shard)}.parquet"
            pq.write_table(rows_of_shard(shard, []), files[shard_name(shard)])
        facts = {"lines": lines, "merged": lines - sum(counts.values()), "list": self.urls.name}
        return Outcome(dict(sorted(files.items())), sum(counts.values()), counts, reasons, facts)

    def _pairs(self) -> Iterator[Pair]:
        assert self.urls is not None
        lines = chain.from_iterable(read_list(file, self.columns) for file in list_files(self.urls))
        return (pair_of(line, self.source) for line in lines)

    def _spill(self, folder: Path, shards: int) -> list[Path]:
        """Scatter the pairs over spill files; all pairs of a shard lie in one."""
        paths = [folder / f"spill-{k:03d}.parquet" for k in range(min(SPILLS, shards))]
        with ExitStack() as stack:
            writers = [stack.enter_context(pq.ParquetWriter(path, PAIR)) for path in paths]
            pairs_left = self._pairs()
            while some := list(islice(pairs_left, 50_000)):
                cut: dict[int, list[Pair]] = {}
                for pair in some:
                    cut.setdefault(shard_of(pair["uid"], shards) % len(paths), []).append(pair)
                for k, pairs in cut.items():
                    writers[k].write_table(pa.Table.from_pylist(pairs, PAIR))
        return paths


def _shards_of(spill: Path, shards: int) -> Iterator[tuple[int, pa.Table]]:
    cut: dict[int, list[Pair]] = {}
    for pair in pq.read_table(spill).to_pylist():
        cut.setdefault(shard_of(pair["uid"], shards), []).append(pair)
    for shard, pairs in sorted(cut.items()):
        yield shard, rows_of_shard(shard, pairs)
