"""The columns and images of one step of the parent, of the rows that the child has. Bytes are copied, nothing is done again."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import BinaryIO, ClassVar

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.errors import ContractError, DataError
from pipeline.parts import column_names, read_columns, read_shard
from pipeline.recipe import Identity, recipe
from pipeline.rows import write_parquet
from pipeline.stage import account
from pipeline.step import Entry, Outcome, Step, Task, Work
from pipeline.store import Store
from pipeline.tombstones import Stone, blank, dead
from workflows.export.ustar import closing, header, padding
from workflows.repack.origin import Origin

STATS = "stats.json"


@recipe
class Carried(Step):
    """A step of the parent under its own name: whatever reads it reads it here as there.

    Attributes:
        of: the fingerprint of its recipe in the parent, whose identity lies in the child's ledger as `<name>@parent`.
        images: whether it has images.
    """

    kind: ClassVar[str] = "carried"

    of: str
    images: bool = False

    @property
    def inputs(self) -> tuple[str, ...]:
        """The child's rows."""
        return ("rows",)

    @property
    def folder(self) -> str:
        """Images lie apart from columns."""
        return f"{'images' if self.images else 'columns'}/{self.name}/{self.version}"

    def identity(self, inputs: Mapping[str, str]) -> Identity:
        """What it rests on is the parent's step as well, so that the lineage of an export goes on into the parent."""
        return super().identity({**inputs, f"{self.name}@parent": self.of})

    @contextmanager
    def start(self, store: Store, tables: Mapping[str, Entry]) -> Iterator[Work]:
        """Give the function that copies one shard."""
        yield partial(self._carry, store, Origin.read(store))

    def _carry(self, store: Store, origin: Origin, task: Task, folder: Path) -> Outcome:
        source = origin.steps[self.name]
        if source.fingerprint != self.of:
            raise DataError(f"Step {self.name!r} is not the one that {store.root} was begun with. Use another folder.")
        rows = read_shard(store, task, task.shards[0], ["rows.uid", "rows.key", "rows.parent_key"])
        alive = pc.is_valid(rows["rows.parent_key"])  # a row that was taken down here has only its uid and key
        stretches = list(_stretches(rows.filter(alive)))
        copied = stretches or [(0, rows.slice(0, 0))]
        table = pa.concat_tables([self._columns(origin, shard, part) for shard, part in copied])
        if table.num_rows < rows.num_rows:
            table = _blanked(table, rows["rows.uid"], alive, dead(store))
        write_parquet(table, folder / "part.parquet")
        files = {"parquet": folder / "part.parquet"}
        if self.images:
            files |= _images(origin, self.name, stretches, folder)
        return Outcome(files, table.num_rows, *account(table))

    def _columns(self, origin: Origin, shard: int, rows: pa.Table) -> pa.Table:
        """All columns of some rows of one of the parent's shards."""
        parts = origin.parts(self.name, shard)
        names = column_names(origin.store, parts)
        table = read_columns(origin.store, parts, names)
        table = table.take(pa.array([int(key[8:]) for key in rows["rows.parent_key"].to_pylist()], pa.int64()))
        if table["uid"] != rows["rows.uid"]:
            raise ContractError(f"{self.name} of {origin.pool}, shard {shard}: its uids are not those of the rows.")
        return table.set_column(names.index("key"), "key", rows["rows.key"]) if "key" in names else table


def _blanked(table: pa.Table, uids: pa.ChunkedArray, alive: pa.ChunkedArray, stone: Stone) -> pa.Table:
    """The carried rows in their places among all of the shard; the others say that they were taken down."""
    places = pc.if_else(alive, pc.subtract(pc.cumulative_sum(pc.cast(alive, pa.int64())), 1), None)
    spread = table.take(places)
    named = spread.set_column(table.column_names.index("uid"), table.schema.field("uid"), uids)
    return blank(named, stone)


def _stretches(rows: pa.Table) -> Iterator[tuple[int, pa.Table]]:
    """The rows by the parent's shard, which the first eight digits of their keys there say; they lie together."""
    at = 0
    for shard, keys in groupby(rows["rows.parent_key"].to_pylist(), lambda key: int(key[:8])):
        many = len(list(keys))
        yield shard, rows.slice(at, many)
        at += many


def _images(origin: Origin, step: str, stretches: Sequence[tuple[int, pa.Table]], folder: Path) -> dict[str, Path]:
    """The members of the rows' keys in the parent's tars, under the child's keys, and img2dataset's account of them."""
    found = set[str]()
    with (folder / "images.tar").open("wb") as target:
        for shard, rows in stretches:
            keys = dict(zip(rows["rows.parent_key"].to_pylist(), rows["rows.key"].to_pylist(), strict=True))
            for part in reversed([part for part in origin.parts(step, shard) if "tar" in part.files]):
                there = _copy(origin.store.fetch(part.files["tar"][0]), keys, target)
                keys = {old: new for old, new in keys.items() if old not in there}
                found |= there
        target.write(closing(target.tell()))
    many = sum(rows.num_rows for _, rows in stretches)
    failed = {"failed_to_download": many - len(found), "failed_to_resize": 0}
    (folder / STATS).write_text(json.dumps({"count": many, "successes": len(found), **failed}, indent=4))
    return {"tar": folder / "images.tar", STATS: folder / STATS}


def _copy(source: Path, keys: Mapping[str, str], target: BinaryIO) -> set[str]:
    """Copy the members of `keys` under their new names; which keys had any."""
    found = set[str]()
    with tarfile.open(source, "r:") as tar:
        for member in tar:
            old, _, suffix = member.name.partition(".")
            held = tar.extractfile(member) if old in keys else None
            if held is None:
                continue
            data = _rekeyed(held.read(), keys[old]) if suffix == "json" else held.read()
            target.write(header(f"{keys[old]}.{suffix}", len(data)) + data + padding(len(data)))
            found.add(old)
    return found


def _rekeyed(told: bytes, key: str) -> bytes:
    """The JSON of a sample with another key, written as downloads write it."""
    return json.dumps(json.loads(told) | {"key": key}, indent=4).encode()
