"""The first step of a child: the kept rows of its parent, in their order, cut into full shards."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import ClassVar

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.errors import ConfigError, ContractError, DataError
from pipeline.parts import column_names, read_columns
from pipeline.recipe import recipe
from pipeline.rows import FAILED, FAILED_UPSTREAM, QUARANTINED, REMOVED, ROWS, key_of
from pipeline.source import Source, write_shards
from pipeline.step import Entry, Outcome, Task, Work
from pipeline.store import Store
from workflows.repack.origin import Origin

CHILD = ROWS.append(pa.field("parent_key", pa.string()))
LOST = r"^(failed|quarantined) at "  #: how a selection says of a row that it was lost, not judged


@recipe
class Repack(Source):
    """Stands where the intake stands, and is called `rows`.

    A child's shard is a stretch of its parent's kept rows: the parent's shards are random samples of it, so the child's are too, and
    each is made from few of the parent's. Only the last has fewer than `shard_rows`.

    Attributes:
        made: the digest of what the child is made of, as `pairpool repack` writes it.
        shard_rows: rows a shard has.
    """

    kind: ClassVar[str] = "repack"

    made: str
    shard_rows: int = 10_000

    def __post_init__(self) -> None:
        """Check the size."""
        if not 1 <= self.shard_rows <= 1_000_000:
            raise ConfigError(f"Step {self.name!r}: shard_rows {self.shard_rows} is not between 1 and 1,000,000.")

    @contextmanager
    def start(self, store: Store, tables: Mapping[str, Entry]) -> Iterator[Work]:
        """Give the function that takes the parent's rows."""
        yield partial(self._take, store)

    def _take(self, store: Store, task: Task, folder: Path) -> Outcome:
        origin, fates = Origin.read(store), Counter[str]()
        if origin.digest != self.made:
            raise ConfigError(f"The note of {store.root} is not the one that its config names. Restore one of the two.")
        shards = enumerate(_full(_kept(origin, fates), self.shard_rows))
        made = write_shards(store, ((shard, _renamed(shard, rows)) for shard, rows in shards), folder)
        _check(origin, fates)
        return replace(made, facts={"parent": dict(fates), "selection": origin.selection})


def _kept(origin: Origin, fates: Counter[str]) -> Iterator[pa.Table]:
    """The kept rows of each of the parent's shards; what became of all of its rows is counted."""
    for shard in range(origin.shards):
        rows = read_columns(origin.store, origin.parts("rows", shard), ROWS.names)
        decided = _decisions(origin, shard)
        if rows["uid"] != decided["uid"]:
            raise ContractError(
                f"{origin.selection} of {origin.pool}, shard {shard}: its uids are not those of the rows. Verify that pool."
            )
        keep = pc.fill_null(decided["keep"], False)
        fates["rows"] += rows.num_rows
        fates.update(_fates(rows["status"], decided, keep))
        yield rows.filter(keep)


def _decisions(origin: Origin, shard: int) -> pa.Table:
    """uid, status, keep and reject_reason of a shard; a selection without reasons has none."""
    parts = origin.parts(origin.selection, shard)
    there = column_names(origin.store, parts)
    if "keep" not in there:
        raise ConfigError(f"{origin.selection!r} has no column `keep`: it selects nothing. Name a selection.")
    reasons = ["reject_reason"] if "reject_reason" in there else []
    table = read_columns(origin.store, parts, ["uid", "status", "keep", *reasons])
    return table if reasons else table.append_column("reject_reason", pa.nulls(table.num_rows, pa.string()))


def _fates(status: pa.ChunkedArray, decided: pa.Table, keep: pa.ChunkedArray) -> Counter[str]:
    """kept, rejected, failed, removed -> rows. Failed are those that a step lost: the selection itself, or one before it."""
    taken = pc.or_(pc.equal(status, REMOVED), pc.equal(decided["status"], REMOVED))
    lost = pc.is_in(decided["status"], pa.array([FAILED, FAILED_UPSTREAM, QUARANTINED]))
    lost = pc.or_(lost, pc.equal(status, FAILED))
    lost = pc.or_(lost, pc.fill_null(pc.match_substring_regex(decided["reject_reason"], LOST), False))
    fate = pc.if_else(keep, "kept", pc.if_else(taken, "removed", pc.if_else(lost, "failed", "rejected")))
    return Counter({str(pair["values"]): int(pair["counts"]) for pair in pc.value_counts(fate).to_pylist()})


def _full(tables: Iterator[pa.Table], rows: int) -> Iterator[pa.Table]:
    """The same rows in tables of so many; the last may have fewer."""
    held, waiting = list[pa.Table](), 0
    for table in tables:
        held.append(table)
        waiting += table.num_rows
        if waiting >= rows:
            whole = pa.concat_tables(held)
            yield from (whole.slice(at, rows) for at in range(0, waiting - rows + 1, rows))
            held = [whole.slice(waiting - waiting % rows)]
            waiting %= rows
    if waiting:
        yield pa.concat_tables(held)


def _renamed(shard: int, rows: pa.Table) -> pa.Table:
    """The rows under keys of the child, and what they were called in the parent."""
    keys = pa.array([key_of(shard, row) for row in range(rows.num_rows)], pa.string())
    columns = {name: rows[name] for name in ROWS.names} | {"key": keys, "parent_key": rows["key"]}
    return pa.table(columns, schema=CHILD)


def _check(origin: Origin, fates: Counter[str]) -> None:
    """Parent = child + rejected + failed (+ removed), or nothing is committed."""
    if fates["rows"] != fates["kept"] + fates["rejected"] + fates["failed"] + fates["removed"]:
        raise ContractError(f"{origin.pool}: {dict(fates)} do not add up. Rows never vanish.")
    if not fates["kept"]:
        raise DataError(f"{origin.selection!r} keeps none of the {fates['rows']} rows of {origin.pool}. Loosen it.")
