"""How many texts match each entry of the metadata: counted shard by shard, summed over the pool."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

import numpy as np
import pyarrow as pa

from curation.texts import flatten
from curation.thresholds import Counts
from pipeline.recipe import recipe
from pipeline.reduce import Reduce

COUNTS = pa.schema([pa.field("metadata", pa.string()), pa.field("entry", pa.int32()), pa.field("count", pa.int64())])


@recipe
class MatchCounts(Reduce):
    """How many texts match each entry: a table of `metadata`, `entry`, `count`, sorted; entries without a match are left out.

    Attributes:
        metadata: the set of each text.
        entries: the ids in it that the text contains, each once.
    """

    kind: ClassVar[str] = "match-counts"

    metadata: str = "match.metadata"
    entries: str = "match.entries"

    @property
    def reads(self) -> tuple[str, ...]:
        """The matches."""
        return (self.metadata, self.entries)

    def partial(self, rows: pa.Table) -> pa.Table:
        """The counts of one shard; rows that failed count nothing. Memory: 8 bytes for each entry up to a set's highest."""
        names = flatten(rows[self.metadata].combine_chunks()).values.dictionary_encode()
        entries = flatten(flatten(rows[self.entries].combine_chunks()).values)
        codes, found = names.indices.to_numpy(), entries.values.to_numpy()
        of_match, matched = np.repeat(codes, entries.lengths), entries.lengths > 0
        sizes = np.zeros(len(names.dictionary), np.int64)
        np.maximum.at(
            sizes, codes[matched], found[entries.offsets[1:][matched] - 1] + 1
        )  # they ascend: a text's last is its highest
        begin = np.cumsum(sizes) - sizes
        counts = np.bincount(begin[of_match] + found, minlength=int(sizes.sum()))
        sums = zip(names.dictionary.to_pylist(), begin, begin + sizes, strict=True)
        return counts_table({name: counts[start:stop] for name, start, stop in sums})

    def combine(self, partials: Iterator[pa.Table]) -> pa.Table:
        """The sums over all shards. Memory: 8 bytes for each entry up to the highest that was met in its set."""
        sums: dict[str, Counts] = {}
        for partial in partials:
            add_counts(sums, partial)
        return counts_table(sums)


def counts_by_set(table: pa.Table) -> dict[str, Counts]:
    """A table of match-counts as one dense array a set, indexed by entry; entries that it lacks have 0."""
    found: dict[str, Counts] = {}
    add_counts(found, table)
    return found


def add_counts(sums: dict[str, Counts], table: pa.Table) -> None:
    """Add a table of match-counts (each entry once) to dense sums, which grow to the highest entry of each set."""
    names = table["metadata"].combine_chunks().dictionary_encode()
    codes = names.indices.to_numpy()
    order = np.argsort(codes, kind="stable")
    bounds = np.searchsorted(codes[order], np.arange(len(names.dictionary) + 1))
    entries, counts = table["entry"].to_numpy()[order], table["count"].to_numpy()[order]
    for name, start, stop in zip(names.dictionary.to_pylist(), bounds[:-1], bounds[1:], strict=True):
        part = slice(start, stop)
        sums[name] = _padded(sums.get(name, counts[:0]), int(entries[part].max()) + 1)
        sums[name][entries[part]] += counts[part]


def counts_table(sums: dict[str, Counts]) -> pa.Table:
    """Dense sums as a table of match-counts, without the entries of count 0."""
    parts = [COUNTS.empty_table()]
    for name in sorted(sums):
        entries = np.flatnonzero(sums[name])
        names = pa.repeat(pa.scalar(name, pa.string()), len(entries))
        parts.append(pa.table([names, entries.astype(np.int32), sums[name][entries]], COUNTS))
    return pa.concat_tables(parts).combine_chunks()


def _padded(counts: Counts, length: int) -> Counts:
    return counts if len(counts) >= length else np.concatenate([counts, np.zeros(length - len(counts), np.int64)])
