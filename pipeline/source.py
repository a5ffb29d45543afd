"""What a pool begins with: the step called `rows`, which brings one file of rows for every shard."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import ClassVar

import pyarrow as pa

from pipeline.plan import shard_name
from pipeline.recipe import recipe
from pipeline.rows import write_parquet
from pipeline.stage import account
from pipeline.step import Outcome, Scope, Step, Task
from pipeline.store import Store
from pipeline.tombstones import blank, dead


@recipe
class Source(Step):
    """Base of the first step of a pool: its rows come from outside, and lie apart from columns."""

    scope: ClassVar[Scope] = "pool"

    name: str = "rows"

    @property
    def inputs(self) -> tuple[str, ...]:
        """Nothing: the rows come from outside the pool."""
        return ()

    @property
    def folder(self) -> str:
        """Where the rows lie."""
        return "rows"

    def path(self, role: str, task: Task, digest: str) -> str:
        """One file a shard."""
        return f"{self.folder}/{role}-{digest[:16]}.parquet"


def write_shards(store: Store, shards: Iterable[tuple[int, pa.Table]], folder: Path) -> Outcome:
    """Write numbered shards of rows, each without what was taken down from the pool; the outcome has no facts yet."""
    stone, files, counts, reasons = dead(store), dict[str, Path](), Counter[str](), Counter[str]()
    for shard, rows in shards:
        table = blank(rows, stone) if stone else rows
        files[shard_name(shard)] = folder / f"{shard_name(shard)}.parquet"
        write_parquet(table, files[shard_name(shard)])
        told, why = account(table)
        counts.update(told)
        reasons.update(why)
    return Outcome(dict(sorted(files.items())), sum(counts.values()), counts, reasons)
