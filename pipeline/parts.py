"""Reading committed parts back: columns of a shard with their supplements merged, tables, and members of image tars."""

import tarfile
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from mmap import ACCESS_READ, mmap
from pathlib import Path
from struct import Struct
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline.errors import ContractError, UnknownStep
from pipeline.rows import FAILED, SUCCESS
from pipeline.step import Entry, Task
from pipeline.store import Store

IMAGE = "image"  #: the column that stands for the bytes of the row's member in the part's tar
IMAGES = frozenset({"jpg", "jpeg", "png", "webp"})  #: suffixes of image members
BLOCK = 512  #: of a tar
HEADER = Struct("100s24x11s21xc188xc")  #: of a member: name, size, kind, and whether the name goes on elsewhere


class ColumnRef(NamedTuple):
    """A column of a step's part, written `step.column`."""

    step: str
    column: str

    @classmethod
    def parse(cls, text: str) -> "ColumnRef":
        """Read `step.column`.

        Raises:
            UnknownStep: if the text has no dot.
        """
        step, dot, column = text.partition(".")
        if not (step and dot and column):
            raise UnknownStep(f"{text!r} is not a column. Columns are written step.column, for example rows.caption.")
        return cls(step, column)


def column_names(store: Store, parts: Sequence[Entry]) -> list[str]:
    """The columns that the parts of a shard have."""
    first = next(part for part in parts if "parquet" in part.files)
    names: list[str] = pq.read_schema(store.fetch(first.files["parquet"][0])).names
    return names


def read_columns(store: Store, parts: Sequence[Entry], columns: Iterable[str]) -> pa.Table:
    """The given columns of one shard, in row order; of several parts the last one that worked on a row gives its values.

    Raises:
        ContractError: if a column does not exist, naming those that do.
    """
    wanted = list(dict.fromkeys(columns))
    tables = [_read(store, part, wanted) for part in parts if "parquet" in part.files]
    merged = tables[0]
    for table in tables[1:]:
        merged = _overlay(merged, table)
    return merged.select(wanted)


def _read(store: Store, part: Entry, columns: list[str]) -> pa.Table:
    file = pq.ParquetFile(store.fetch(part.files["parquet"][0]))
    missing = [name for name in columns if name not in file.schema_arrow.names]
    if missing:
        raise ContractError(
            f"Step {part.step!r} has no column {missing[0]!r}. It has: {', '.join(file.schema_arrow.names)}. Correct the reference."
        )
    return file.read(columns=list(dict.fromkeys([*columns, "status"])))


def _overlay(below: pa.Table, above: pa.Table) -> pa.Table:
    """Rows of `above` that were worked on, else rows of `below`."""
    worked = pc.is_in(above["status"], pa.array([SUCCESS, FAILED]))
    rows = pa.array(range(below.num_rows))
    index = pc.if_else(worked.combine_chunks(), pc.add(rows, below.num_rows), rows)
    return pa.concat_tables([below, above]).take(index)


def read_table(store: Store, entry: Entry) -> pa.Table:
    """The table that a reduce committed."""
    return pq.read_table(store.fetch(entry.files["parquet"][0]))


def read_shard(store: Store, task: Task, shard: int, refs: Iterable[str]) -> pa.Table:
    """Columns of several steps side by side, each named by its full reference; images are left to `members`."""
    found: dict[str, pa.ChunkedArray] = {}
    for step, columns in _by_step(refs).items():
        table = read_columns(store, task.inputs[step][shard], columns)
        found |= {f"{step}.{column}": table[column] for column in columns}
    return pa.table(found)


def _by_step(refs: Iterable[str]) -> dict[str, list[str]]:
    grouped: dict[str, list[str]] = {}
    for ref in map(ColumnRef.parse, refs):
        if ref.column != IMAGE:
            grouped.setdefault(ref.step, []).append(ref.column)
    return grouped


class Members:
    """The image members of the tars of one shard, read by key. Maps each tar once; holds no bytes."""

    def __init__(self, store: Store, parts: Sequence[Entry]) -> None:
        tars = [_index_tar(store.fetch(part.files["tar"][0])) for part in parts if "tar" in part.files]
        self._index = {key: (data, *place) for data, index in tars for key, place in index.items()}

    def get(self, key: str) -> bytes | None:
        """The encoded bytes of the image of a key, or None where the shard has none."""
        view = self.view(key)
        return None if view is None else bytes(view)

    def view(self, key: str) -> memoryview | None:
        """As `get`, without a copy: the mapped tar stays as long as the view does."""
        place = self._index.get(key)
        if place is None:
            return None
        data, start, size = place
        return data[start : start + size]


@lru_cache(maxsize=8)
def _index_tar(path: Path) -> tuple[memoryview, Mapping[str, tuple[int, int]]]:
    """A tar, mapped, and where the image of each key lies in it."""
    with path.open("rb") as file:
        data = mmap(file.fileno(), 0, access=ACCESS_READ) if path.stat().st_size else b""
    index: dict[str, tuple[int, int]] = {}
    for name, start, size in _plain_members(data) or _any_members(path):
        key, _, suffix = name.partition(".")
        if suffix in IMAGES:
            index[key] = (start, size)
    return memoryview(data), index


def _plain_members(data: mmap | bytes) -> list[tuple[str, int, int]]:
    """Name, offset and size of the files of a USTAR archive; none if it has anything else, or is damaged.

    tarfile makes an object of each header, which takes ten times as long.
    """
    found, at = list[tuple[str, int, int]](), 0
    while at + BLOCK <= len(data) and data[at]:
        name, octal, kind, prefix = HEADER.unpack_from(data, at)
        if kind != b"0" or prefix != b"\0" or not octal.isdigit():
            return []
        size = int(octal, 8)
        at += BLOCK
        found.append((name.partition(b"\0")[0].decode("utf-8", "surrogateescape"), at, size))
        at += size + -size % BLOCK
    return found if at < len(data) else []


def _any_members(path: Path) -> list[tuple[str, int, int]]:
    with tarfile.open(path, "r:") as tar:
        return [(member.name, member.offset_data, member.size) for member in tar if member.isreg()]
