"""Duplicates: rows whose images are the same bytes, or look the same, grouped over the whole pool.

The process that merges holds all rows with an image: about 300 bytes and 5 microseconds of one core a row (measured on one and
on three million random hashes), so 100 million rows want 30 GB and ten minutes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import ClassVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from curation.hamming import Rows, near_pairs
from pipeline.errors import ConfigError
from pipeline.recipe import recipe
from pipeline.reduce import Reduce
from pipeline.stage import Annotate, Stage

PARTIAL = pa.schema(
    [
        pa.field("uid", pa.string()),
        pa.field("sha256", pa.string()),
        pa.field("phash", pa.uint64()),
        pa.field("colour", pa.uint32()),
    ]
)
GROUPS = pa.schema(
    [
        pa.field("uid", pa.string()),
        pa.field("group", pa.int64()),
        pa.field("representative", pa.string()),
        pa.field("kind", pa.string()),
    ]
)
UNIQUE = pa.schema(
    [
        pa.field("group", pa.int64()),
        pa.field("representative", pa.string()),
        pa.field("keep", pa.bool_()),
        pa.field("reject_reason", pa.string()),
    ]
)
EXACT, NEAR = "exact", "near"
Edges = tuple[Rows, Rows]
Labels = npt.NDArray[np.int32]


@recipe
class Duplicates(Reduce):
    """Groups of rows with the same image: a table of `uid`, `group`, `representative`, `kind`, for rows that have a twin.

    Groups are connected: A near B and B near C puts A and C together. The representative is the smallest uid, so it is the
    same however the pool is cut into shards; `kind` tells what a row is to it. Blank pictures have no near twins.

    Attributes:
        sha256: digest of the downloaded bytes.
        phash, blank, colour: of the image-quality stage.
        hamming: bits in which two perceptual hashes may differ, up to 16; -1 for equal bytes alone.
        colour_distance: largest difference of two mean colours in any channel, of 255. The hash sees brightness alone: to it
            a red and a green heart are twins.
    """

    kind: ClassVar[str] = "duplicates"

    sha256: str = "download.sha256"
    phash: str = "look.phash"
    blank: str = "look.blank"
    colour: str = "look.colour"
    hamming: int = 4
    colour_distance: int = 24

    def __post_init__(self) -> None:
        """Check what would be slow beyond use."""
        if not -1 <= self.hamming <= 16:
            raise ConfigError(
                f"Step {self.name!r}: hamming {self.hamming} is not between -1 and 16. Hashes of unrelated pictures differ in "
                "about 32 bits; 4 is usual."
            )

    @property
    def reads(self) -> tuple[str, ...]:
        """Digest, hash, blankness and colour."""
        return (self.sha256, self.phash, self.blank, self.colour)

    def partial(self, rows: pa.Table) -> pa.Table:
        """The rows of a shard that have an image; blank ones without their hash."""
        seen = pc.if_else(pc.fill_null(rows[self.blank], True), pa.scalar(None, pa.uint64()), rows[self.phash])
        table = pa.table([rows["uid"], rows[self.sha256], seen, rows[self.colour]], schema=PARTIAL)
        return table.filter(pc.is_valid(table["sha256"]))

    def combine(self, partials: Iterator[pa.Table]) -> pa.Table:
        """The groups of the pool, by representative and uid."""
        rows = pa.concat_tables([PARTIAL.empty_table(), *partials]).sort_by("uid").combine_chunks()
        digests = _codes(rows["sha256"])
        edges = [_neighbours(digests, np.arange(rows.num_rows)), *self._near(rows)]
        return _groups(rows["uid"], digests, _components(edges, rows.num_rows))

    def _near(self, rows: pa.Table) -> Iterator[Edges]:
        """Pairs of rows that look the same; of rows with one hash and one colour only the first is compared with others."""
        if self.hamming < 0:
            return
        place = np.flatnonzero(rows["phash"].is_valid().to_numpy())
        hashes = rows["phash"].take(pa.array(place)).to_numpy()
        colours = rows["colour"].take(pa.array(place)).to_numpy()
        order = np.lexsort((place, colours, hashes))
        changes = (np.diff(hashes[order]) != 0) | (np.diff(colours[order]) != 0)
        codes = np.concatenate([np.zeros(min(len(order), 1), np.int64), np.cumsum(changes)])
        yield _neighbours(codes, place[order])
        first_of = order[np.flatnonzero(np.diff(codes, prepend=-1))]
        place, hashes, colours = place[first_of], hashes[first_of], colours[first_of]
        for one, other in near_pairs(hashes, self.hamming):
            alike = _colour_distance(colours[one], colours[other]) <= self.colour_distance
            yield place[one[alike]], place[other[alike]]


def _codes(column: pa.ChunkedArray) -> Rows:
    """A number for each value, equal for equal values."""
    codes: Rows = column.combine_chunks().dictionary_encode().indices.to_numpy().astype(np.int64)
    return codes


def _neighbours(codes: Rows, rows: Rows) -> Edges:
    """Edges that chain the rows of equal code."""
    order = np.argsort(codes, kind="stable")
    same = np.flatnonzero(np.diff(codes[order]) == 0)
    return rows[order[same]], rows[order[same + 1]]


def _colour_distance(one: npt.NDArray[np.uint32], other: npt.NDArray[np.uint32]) -> npt.NDArray[np.int64]:
    """The largest difference of any channel of 0xRRGGBB."""
    shifts = np.array([[16], [8], [0]])
    channels = [(colours.astype(np.int64) >> shifts) & 255 for colours in (one, other)]
    distance: npt.NDArray[np.int64] = np.abs(channels[0] - channels[1]).max(axis=0)
    return distance


def _components(edges: list[Edges], rows: int) -> Labels:
    """A number for each row, equal for rows that edges connect."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    first, second = (np.concatenate(ends) for ends in zip(*edges, strict=True))
    graph = coo_array((np.ones(len(first), np.int8), (first, second)), shape=(rows, rows))
    labels: Labels = connected_components(graph, directed=False)[1]
    return labels


def _groups(uids: pa.ChunkedArray, digests: Rows, labels: Labels) -> pa.Table:
    """The groups of two and more; rows come in the order of uid, so the first of each label represents it."""
    order = np.argsort(labels, kind="stable")
    _, start, size = np.unique(labels[order], return_index=True, return_counts=True)
    first = np.repeat(order[start], size)
    members = pa.table(
        {
            "uid": uids.take(pa.array(order)),
            "group": pa.nulls(len(order), pa.int64()),
            "representative": uids.take(pa.array(first)),
            "kind": pa.array(np.where(digests[order] == digests[first], EXACT, NEAR), pa.string()),
        }
    )
    table = members.filter(pa.array(np.repeat(size > 1, size))).sort_by(
        [("representative", "ascending"), ("uid", "ascending")]
    )
    numbers = table["representative"].combine_chunks().dictionary_encode().indices.cast(pa.int64())
    return table.set_column(1, "group", numbers).cast(GROUPS)


@recipe
class Unique(Stage):
    """The selection of one row of each group.

    Attributes:
        groups: the `duplicates` step.
        image: any column of the download, so that rows without an image are known to be none.
    """

    kind: ClassVar[str] = "unique"

    groups: str = "twins"
    image: str = "download.sha256"

    @property
    def reads(self) -> tuple[str, ...]:
        """The rows that have an image."""
        return (self.image,)

    @property
    def tables(self) -> tuple[str, ...]:
        """The groups."""
        return (self.groups,)

    @property
    def writes(self) -> pa.Schema:
        """`group` and `representative` are null for a row without a twin."""
        return UNIQUE

    @contextmanager
    def open(self, tables: Mapping[str, pa.Table]) -> Iterator[Annotate]:
        """Sort the groups by uid, once; a last row of nulls stands for every row without a twin."""
        groups = tables[self.groups].sort_by("uid")
        uids = _fixed(groups["uid"])
        nobody = pa.table({field.name: pa.nulls(1, field.type) for field in GROUPS})
        padded = pa.concat_tables([groups, nobody]).combine_chunks()
        yield lambda batches: (_decide(padded, _find(uids, _fixed(batch["uid"]))) for batch in batches)


def _fixed(uids: pa.Array | pa.ChunkedArray) -> npt.NDArray[np.bytes_]:
    return np.asarray(uids.to_numpy(zero_copy_only=False), dtype="S32")


def _find(known: npt.NDArray[np.bytes_], asked: npt.NDArray[np.bytes_]) -> Rows:
    """Where each uid stands among the sorted known ones; behind the last where it does not."""
    place = np.searchsorted(known, asked)
    beyond = np.append(known, b"")[place] != asked
    found: Rows = np.where(beyond, len(known), place)
    return found


def _decide(groups: pa.Table, place: Rows) -> pa.RecordBatch:
    found = {name: groups[name].combine_chunks().take(pa.array(place)) for name in GROUPS.names}
    rejected = pc.fill_null(pc.not_equal(found["uid"], found["representative"]), False)
    reasons = pc.binary_join_element_wise(found["kind"], "duplicate", "_")
    return pa.record_batch(
        {
            "group": found["group"],
            "representative": found["representative"],
            "keep": pc.invert(rejected),
            "reject_reason": pc.if_else(rejected, reasons, pa.scalar(None, pa.string())),
        }
    )
