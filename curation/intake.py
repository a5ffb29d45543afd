"""Intake: URL lists to rows, cut into shards by the hash of their uid. Pairs of one URL become one row with several texts.

Two passes with bounded memory: the lists are streamed into spill files, then each shard is grouped, ordered and written
alone. A line that is no pair stays a row, failed with its reason.

A pool grows by lists named in `more`: each is cut into shards of its own behind those that there are, so nothing that was done
is done again. A pair whose URL the pool has already is a failed row that names the key of the first.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import ClassVar

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from curation.lists import count_lines, list_files, read_list
from curation.pairs import PAIR, Pair, again, pair_of, rows_of_shard
from pipeline.errors import ConfigError, DataError
from pipeline.recipe import content, digest_path, execution, recipe
from pipeline.rows import shard_of
from pipeline.source import Source, write_shards
from pipeline.step import Entry, Outcome, Task, Work
from pipeline.store import Store

SPILLS = 128  #: files open at a time, whatever the number of shards


@recipe
class Intake(Source):
    """The first step of every pool; its name is `rows`.

    Attributes:
        urls: a parquet, csv, tsv or jsonl file, or a folder of them, with img2dataset's or DataComp's column names.
        more: lists that came later, in the order in which they came. Never part of the identity: the pool stays what it was.
        columns: our name -> the list's name, where it is none of those that are known.
        shard_rows: about how many rows a shard has.
        source: written into every row that brings no `source` of its own; by default the list's file name.
    """

    kind: ClassVar[str] = "intake"

    urls: Path | None = content(default=None)
    more: tuple[Path, ...] = execution(default=())
    columns: Mapping[str, str] = execution(default={})
    shard_rows: int = 10_000
    source: str = ""

    @property
    def editions(self) -> tuple[str, ...]:
        """The first list, whose bytes are identity already, and the digest of each that came later."""
        return ("", *map(digest_path, self.more))

    @contextmanager
    def start(self, store: Store, tables: Mapping[str, Entry]) -> Iterator[Work]:
        """Give the function that takes the whole list in."""
        yield partial(self._take_in, store)

    def _take_in(self, store: Store, task: Task, folder: Path) -> Outcome:
        if self.urls is None:
            raise ConfigError(
                "The intake has no list. Say `urls: PATH` of a parquet, csv, tsv or jsonl file with a `url` column."
            )
        urls = (self.urls, *self.more)[task.part]
        lines = sum(count_lines(file, self.columns) for file in list_files(urls))
        if not lines:
            raise DataError(f"{urls} has no lines. A list needs at least one.")
        shards = -(-lines // self.shard_rows)
        spills = self._spill(urls, folder, shards)
        known = known_keys(store, task.own, spills) if task.own else {}
        begin = sum(len(part.files) for part in task.own)
        made = write_shards(store, _shards_of(spills, shards, begin, known), folder)
        return replace(made, facts={"lines": lines, "merged": lines - made.rows, "list": urls.name})

    def _pairs(self, urls: Path) -> Iterator[Pair]:
        lines = chain.from_iterable(read_list(file, self.columns) for file in list_files(urls))
        return (pair_of(line, self.source) for line in lines)

    def _spill(self, urls: Path, folder: Path, shards: int) -> list[Path]:
        """Scatter the pairs over spill files; all pairs of a shard lie in one."""
        paths = [folder / f"spill-{k:03d}.parquet" for k in range(min(SPILLS, shards))]
        with ExitStack() as stack:
            writers = [stack.enter_context(pq.ParquetWriter(path, PAIR)) for path in paths]
            pairs_left = self._pairs(urls)
            while some := list(islice(pairs_left, 50_000)):
                cut: dict[int, list[Pair]] = {}
                for pair in some:
                    cut.setdefault(shard_of(pair["uid"], shards) % len(paths), []).append(pair)
                for k, pairs in cut.items():
                    writers[k].write_table(pa.Table.from_pylist(pairs, PAIR))
        return paths


def _shards_of(
    spills: Sequence[Path], shards: int, begin: int, known: Mapping[str, str]
) -> Iterator[tuple[int, pa.Table]]:
    """The rows of every shard, spill by spill; also of shards that no uid fell into."""
    for k, spill in enumerate(spills):
        cut: dict[int, list[Pair]] = {shard: [] for shard in range(k, shards, len(spills))}
        for pair in pq.read_table(spill).to_pylist():
            cut[shard_of(pair["uid"], shards)].append(pair)
        for shard, pairs in cut.items():
            yield begin + shard, rows_of_shard(begin + shard, [again(pair, known) for pair in pairs])


def known_keys(store: Store, own: Sequence[Entry], spills: Sequence[Path]) -> dict[str, str]:
    """uid -> key of the rows that the pool has already, of those that the spills bring.

    Memory grows with the new list (its uids), not with the pool, which is read shard by shard.
    """
    coming = pa.concat_arrays(
        [chunk for spill in spills for chunk in pq.read_table(spill, columns=["uid"])["uid"].chunks]
    )
    found: dict[str, str] = {}
    for path, _, _ in (file for part in own for file in part.files.values()):
        rows = pq.read_table(store.fetch(path), columns=["uid", "key"])
        rows = rows.filter(pc.is_in(rows["uid"], coming))
        found.update(zip(rows["uid"].to_pylist(), rows["key"].to_pylist(), strict=True))
    return found
