"""Reduces: the whole pool to one table, as a map over shards and a merge. The only barriers of a run.

The map is a step of its own, `<name>-partial`, with one committed part a shard, so that a grown pool maps only its new
shards and a killed run repeats none.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.parts import ColumnRef, read_shard
from pipeline.recipe import recipe
from pipeline.rows import SUCCESS, write_parquet
from pipeline.step import Entry, Outcome, Scope, Step, Task, Work
from pipeline.store import Store


@recipe
class Reduce(Step):
    """Columns of every shard to one table. A subclass says `reads`, `partial` and `combine`.

    `combine` must not depend on how rows were cut into shards: sums, minima, sorted unions.
    """

    scope: ClassVar[Scope] = "pool"

    @property
    def reads(self) -> tuple[str, ...]:
        """The columns that `partial` is given, as `step.column`."""
        raise NotImplementedError(f"{type(self).__name__} does not say what it reads")

    def partial(self, rows: pa.Table) -> pa.Table:
        """What one shard contributes. `rows` has `uid` and the columns of `reads`, failed rows and all."""
        raise NotImplementedError(f"{type(self).__name__} does not say what a shard contributes")

    def combine(self, partials: Iterator[pa.Table]) -> pa.Table:
        """The table of the pool, from the contributions in the order of shards."""
        raise NotImplementedError(f"{type(self).__name__} does not say how contributions merge")

    @property
    def inputs(self) -> tuple[str, ...]:
        """Its own map."""
        return (f"{self.name}-partial",)

    @property
    def folder(self) -> str:
        """Tables lie apart from columns."""
        return f"tables/{self.name}/{self.version}"

    @contextmanager
    def start(self, store: Store, tables: Mapping[str, Entry]) -> Iterator[Work]:
        """Give the function that merges all partials."""

        def work(task: Task, folder: Path) -> Outcome:
            parts = task.inputs[self.inputs[0]]
            partials = (pq.read_table(store.fetch(parts[k][-1].files["parquet"][0])) for k in sorted(parts))
            table = self.combine(partials)
            write_parquet(table, folder / "table.parquet")
            rows = sum(entries[-1].rows for entries in parts.values())
            return Outcome(
                {"parquet": folder / "table.parquet"},
                rows,
                {SUCCESS: rows},
                facts={"entries": table.num_rows},
            )

        yield work


@recipe
class Partial(Step):
    """The map of a reduce: one small table a shard."""

    kind: ClassVar[str] = "partial"

    reduce: Reduce

    @classmethod
    def of(cls, reduce: Reduce) -> Partial:
        """The map that belongs to `reduce`."""
        return cls(name=f"{reduce.name}-partial", version=reduce.version, resources=reduce.resources, reduce=reduce)

    @property
    def inputs(self) -> tuple[str, ...]:
        """The steps that the reduce reads."""
        return tuple(dict.fromkeys(["rows", *(ColumnRef.parse(ref).step for ref in self.reduce.reads)]))

    @property
    def folder(self) -> str:
        """Beside the table."""
        return f"tables/{self.name}/{self.version}"

    @contextmanager
    def start(self, store: Store, tables: Mapping[str, Entry]) -> Iterator[Work]:
        """Give the function that maps one shard."""

        def work(task: Task, folder: Path) -> Outcome:
            rows = read_shard(store, task, task.shards[0], ["rows.uid", *self.reduce.reads])
            table = self.reduce.partial(rows.rename_columns(["uid", *rows.column_names[1:]]))
            write_parquet(table, folder / "partial.parquet")
            return Outcome({"parquet": folder / "partial.parquet"}, rows.num_rows, {SUCCESS: rows.num_rows})

        yield work
