"""Rows that a selection keeps: a window of shards at a time, in the keyed order in which they are exported."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from types import MappingProxyType
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from curation.texts import flatten
from pipeline.errors import ContractError
from pipeline.parts import Members, read_shard
from pipeline.rows import uniform
from pipeline.step import Task
from pipeline.store import Store
from workflows.export.sample import Field, Value

MISSING_TEXT, MISSING_NUMBER = "", -1  #: what stands for null: JSON of fixed types has none, and NaN is not JSON


@dataclass(frozen=True)
class Gatherer:
    """Reads what an export needs of the pool.

    Attributes:
        images: the step whose tars hold the images.
        selection: the step whose `keep` says which rows.
        refs: the further columns to read.
        lists: those that hold a list a row.
        also: columns that are not written: rows have them as they are.
        seed: of the order.
    """

    store: Store
    images: str
    selection: str
    refs: tuple[str, ...]
    lists: tuple[str, ...]
    seed: int
    also: tuple[str, ...] = ()

    def windows(self, task: Task, shards: int) -> Iterator[tuple[int, list[Row]]]:
        """For each window of so many shards: how many rows it has, and those that are kept, shuffled."""
        for start in range(0, len(task.shards), shards):
            yield self._window(task, task.shards[start : start + shards])

    def _window(self, task: Task, shards: Sequence[int]) -> tuple[int, list[Row]]:
        """Rows lie in shards by the hash of their uid, so shuffling within a window is as good as over the pool."""
        rows, kept = 0, list[Row]()
        for shard in shards:
            table = read_shard(self.store, task, shard, self._columns())
            rows += table.num_rows
            kept += self._kept(table, Members(self.store, task.inputs[self.images][shard]))
        kept.sort(key=lambda row: (uniform(self.seed, row.uid, "export"), row.uid))
        return rows, kept

    def kinds(self, task: Task) -> dict[str, pa.DataType]:
        """The type that the values of each written column have as JSON."""
        shard = task.shards[0]
        found = read_shard(self.store, task, shard, [*self.refs, *self.lists]).schema
        return {name: json_type(found.field(name).type) for name in found.names}

    def _columns(self) -> tuple[str, ...]:
        return ("rows.uid", "rows.key", f"{self.selection}.keep", *self.refs, *self.lists, *self.also)

    def _kept(self, table: pa.Table, images: Members) -> Iterator[Row]:
        kept = table.filter(pc.fill_null(table[f"{self.selection}.keep"], False))
        columns: dict[str, Sequence[Value]] = {ref: plain_values(kept[ref], ref) for ref in self.refs}
        columns |= {ref: plain_lists(kept[ref], ref) for ref in self.lists}
        also = {ref: kept[ref].to_pylist() for ref in self.also}
        keys = zip(kept["rows.uid"].to_pylist(), kept["rows.key"].to_pylist(), strict=True)
        for place, (uid, key) in enumerate(keys):
            raw = {ref: values[place] for ref, values in also.items()}
            yield Row(uid, key, {ref: values[place] for ref, values in columns.items()}, images, raw)


class Row(NamedTuple):
    """A row to export: its columns by reference, and where its image lies. Bytes are read when they are written.

    `raw` has the columns that are not written, as they are, nulls and all.
    """

    uid: str
    key: str
    columns: dict[str, Value]
    images: Members
    raw: Mapping[str, Any] = MappingProxyType({})


def plain_values(column: pa.ChunkedArray, ref: str) -> Sequence[Value]:
    """A column as JSON values: as `plain`, and a struct, such as the caption weights of a row, as an object of plain values.

    Raises:
        ContractError: as `plain`, of the column or of a field of the struct.
    """
    if not pa.types.is_struct(column.type):
        return plain(column, ref)
    whole = column.combine_chunks()
    fields = {
        field.name: plain(pa.chunked_array([pc.struct_field(whole, field.name)]), f"{ref}.{field.name}")
        for field in whole.type
    }
    return [dict(zip(fields, values, strict=True)) for values in zip(*fields.values(), strict=True)]


def plain(column: pa.ChunkedArray, ref: str) -> Sequence[Field]:
    """A column as JSON values of one type: nulls become "" or -1, NaN and infinities -1.0, null booleans false.

    Raises:
        ContractError: for lists, structs and unsigned 64-bit numbers, which readers do not agree on.
    """
    kind = column.type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return _filled(column, MISSING_TEXT)
    if pa.types.is_boolean(kind):
        return _filled(column, False)
    if pa.types.is_floating(kind):
        return [_finite(value) for value in _shortest(column).to_pylist()]
    if pa.types.is_integer(kind) and not pa.types.is_uint64(kind):
        return _filled(column, MISSING_NUMBER)
    raise ContractError(f"{ref} is of type {kind}. An export writes texts, numbers and booleans: name another column.")


def plain_lists(column: pa.ChunkedArray, ref: str) -> Sequence[Sequence[Field]]:
    """A column about texts as one JSON list a row: of the texts themselves, or of what is said of each. A null is an empty list.

    Raises:
        ContractError: for a column without lists, and as `plain` of what they hold.
    """
    if not (pa.types.is_list(column.type) or pa.types.is_large_list(column.type)):
        raise ContractError(f"{ref} is of type {column.type}. `lists` takes columns about texts: move it to `columns`.")
    values, offsets = flatten(column.combine_chunks())
    if pa.types.is_struct(values.type):
        values = pc.struct_field(values, "text")
    held = plain(pa.chunked_array([values]), ref)
    return [held[start:stop] for start, stop in pairwise(offsets.tolist())]


def json_type(kind: pa.DataType) -> pa.DataType:
    """The one type that `plain_values` and `plain_lists` turn a column into."""
    if pa.types.is_struct(kind):
        return pa.struct([pa.field(field.name, json_type(field.type)) for field in kind])
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        held = kind.value_type
        return pa.list_(pa.string() if pa.types.is_struct(held) else json_type(held))
    if pa.types.is_boolean(kind):
        return pa.bool_()
    if pa.types.is_floating(kind):
        return pa.float64()
    return pa.int64() if pa.types.is_integer(kind) else pa.string()


def _filled(column: pa.ChunkedArray, missing: Field) -> Sequence[Field]:
    values: Iterable[Field | None] = column.to_pylist()
    return [missing if value is None else value for value in values]


def _shortest(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """float32 0.3 as 0.3, not as 0.30000001192092896: its shortest decimal form is exact enough to give it back."""
    return column.cast(pa.string()).cast(pa.float64()) if pa.types.is_float32(column.type) else column


def _finite(value: float | None) -> float:
    return value if value is not None and math.isfinite(value) else float(MISSING_NUMBER)
