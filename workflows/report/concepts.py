"""Head and tail of the concepts: how many texts match each metadata entry in the pool, after balancing, and in what is kept."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from curation.balance import Balance
from curation.counts import COUNTS, MatchCounts, counts_by_set
from curation.metadata import MetadataSets
from curation.texts import flatten
from pipeline.parts import read_table
from pipeline.rows import uniform
from workflows.report.fates import KEPT
from workflows.report.sources import Numbers, Sources, View

STAGES = ("before", "after", "kept")
TOP, EXAMPLES, CURVE = 25, 24, 400  # entries shown of the head and of the tail, points of a curve
AFTER = 12  # entries shown of the head after balancing
Counts = npt.NDArray[np.int64]


class Concepts:
    """Sums the matches of all texts, of the texts that balancing kept, and of those among them whose row is kept."""

    def __init__(self, sources: Sources, metadata: Path | None) -> None:
        self._sources = sources
        self._sets = MetadataSets.load(metadata) if metadata else None
        self._reduce = MatchCounts(name="report", metadata="match.metadata", entries="match.entries")
        self._sums: dict[str, pa.Table] = {stage: COUNTS.empty_table() for stage in STAGES}

    def add(self, view: View) -> None:
        """Take one shard in; memory grows with the entries that are met, not with the rows."""
        if "match" not in view.tables:
            return
        texts = _texts(view)
        self._merge("before", texts)
        if "balance" in view.tables:
            self._merge("after", texts.filter(texts["kept"]))
        self._merge("kept", texts.filter(pa.compute.and_(texts["kept"], texts["final"])))

    def _merge(self, stage: str, texts: pa.Table) -> None:
        part = self._reduce.partial(texts)
        self._sums[stage] = self._reduce.combine(iter([self._sums[stage], part]))

    def numbers(self) -> Numbers | None:
        """Curves, the most frequent entries, a line a metadata set, and whether the counts agree; None without matches."""
        if "match" not in self._sources.by_row:
            return None
        if "balance" not in self._sources.by_row:
            self._sums["after"] = self._sums["before"]
        counts = {stage: counts_by_set(table) for stage, table in self._sums.items()}
        limits = self._thresholds(counts["before"])
        return {
            "curves": {stage: _curve(table["count"].to_numpy()) for stage, table in self._sums.items()},
            "matched": {stage: table.num_rows for stage, table in self._sums.items()},
            "matches": {stage: int(table["count"].to_numpy().sum()) for stage, table in self._sums.items()},
            "head": self._head(counts, limits),
            "unmatched": self._unmatched(),
            "top": [self._named(key, counts) for key in self._top("before", TOP)],
            "top_after": [self._named(key, counts) for key in self._top("after", AFTER)],
            "tail": self._tail(counts, limits),
            "sets": [self._set(name, counts, limits.get(name)) for name in sorted(counts["before"])],
            "named": self._sets is not None,
            "agree": self._agree(),
        }

    def _top(self, stage: str, number: int) -> list[tuple[str, int]]:
        table = self._sums[stage].sort_by([("count", "descending"), ("metadata", "ascending"), ("entry", "ascending")])
        return _keys(table.slice(0, number))

    def _head(self, counts: Mapping[str, Mapping[str, Counts]], limits: Mapping[str, int]) -> Numbers | None:
        """The entries with more texts than their threshold: how many, and their matches at every stage."""
        if not limits:
            return None
        heads = {name: found > limits[name] for name, found in counts["before"].items()}
        told: Numbers = {"concepts": int(sum(head.sum() for head in heads.values()))}
        for stage in STAGES:
            padded = {name: _padded(counts[stage].get(name), len(head)) for name, head in heads.items()}
            told[stage] = int(sum(padded[name][head].sum() for name, head in heads.items()))
        return told

    def _unmatched(self) -> Numbers | None:
        """How many entries of all sets no text matches, of how many; None where the metadata is not named."""
        if self._sets is None:
            return None
        entries = sum(len(self._sets.entries(name)) for name in self._sets.names)
        return {"entries": entries, "none": entries - self._sums["before"].num_rows}

    def _tail(self, counts: Mapping[str, Mapping[str, Counts]], limits: Mapping[str, int]) -> list[Numbers]:
        """A few entries that are rare enough to be kept whole, drawn by hash."""
        keys = _keys(self._sums["before"])
        rare = [(name, entry) for name, entry in keys if counts["before"][name][entry] <= limits.get(name, 1)]
        rare.sort(key=lambda key: (uniform(0, f"{key[0]} {key[1]}", "report tail"), key))
        return [self._named(key, counts) for key in rare[:EXAMPLES]]

    def _named(self, key: tuple[str, int], counts: Mapping[str, Mapping[str, Counts]]) -> Numbers:
        name, entry = key
        word = self._sets.entries(name)[entry] if self._sets and entry < len(self._sets.entries(name)) else f"#{entry}"
        return {"set": name, "entry": word} | {stage: _at(counts[stage], name, entry) for stage in STAGES}

    def _thresholds(self, counts: Mapping[str, Counts]) -> dict[str, int]:
        """The thresholds that balancing used: worked out from its recorded recipe and these counts, as it does itself."""
        if "balance" not in self._sources.by_row:
            return {}
        told = self._sources.identity("balance")
        if told.get("kind") != Balance.kind:
            return {}
        fields = {name: told["recipe"].get(name) for name in ("t_en", "t", "tail", "english")}
        return Balance(name="report", **fields).thresholds(counts) if counts else {}

    def _set(self, name: str, counts: Mapping[str, Mapping[str, Counts]], limit: int | None) -> Numbers:
        """One metadata set: entries, how many matched nothing, and what share of all matches its tail has."""
        before = counts["before"][name]
        entries = len(self._sets.entries(name)) if self._sets else None
        matched = int((before > 0).sum())
        line: Numbers = {"set": name, "entries": entries, "matched": matched, "threshold": limit}
        line["unmatched"] = entries - matched if entries is not None else None
        line["head"] = int((before > limit).sum()) if limit else None
        for stage in STAGES:
            found = _padded(counts[stage].get(name), len(before))
            line[stage] = int(found.sum())
            line[f"tail_{stage}"] = float(found[before <= limit].sum() / found.sum()) if limit and found.sum() else None
        return line

    def _agree(self) -> bool | None:
        """Whether the counts that were balanced on are those that are found here; None where the recipe has no such step."""
        entry = self._sources.pooled("counts")
        return read_table(self._sources.store, entry).equals(self._sums["before"]) if entry else None


def _texts(view: View) -> pa.Table:
    """One row a text: its set, its entries, whether balancing kept it, and whether its row is kept in the end."""
    match = view.tables["match"]
    names, entries = flatten(match["metadata"].combine_chunks()), flatten(match["entries"].combine_chunks())
    final = np.repeat([fate.how == KEPT for fate in view.fates], names.lengths)
    kept: Any = np.ones(len(final), dtype=bool)
    if "balance" in view.tables and "kept" in view.tables["balance"].column_names:
        kept = _aligned(view.tables["balance"]["kept"].to_pylist(), names.lengths.tolist())
    alone = pa.ListArray.from_arrays(pa.array(np.arange(len(final) + 1, dtype=np.int32)), entries.values)
    columns = {"match.metadata": names.values, "match.entries": alone, "kept": kept, "final": final}
    return pa.table({name: pa.array(values) for name, values in columns.items()})


def _aligned(kept: Iterable[Sequence[bool] | None], lengths: Iterable[int]) -> list[bool]:
    """The flags of all texts; rows that balancing did not work on kept none."""
    return [flag for flags, n in zip(kept, lengths, strict=True) for flag in (flags or [False] * n)]


def _keys(table: pa.Table) -> list[tuple[str, int]]:
    return list(zip(table["metadata"].to_pylist(), table["entry"].to_pylist(), strict=True))


def _at(counts: Mapping[str, Counts], name: str, entry: int) -> int:
    found = counts.get(name)
    return int(found[entry]) if found is not None and entry < len(found) else 0


def _padded(counts: Counts | None, length: int) -> Counts:
    found = np.zeros(length, dtype=np.int64)
    if counts is not None:
        found[: len(counts)] = counts
    return found


def _curve(counts: Counts) -> list[tuple[int, int]]:
    """(rank, texts) of the entries from the most frequent on, thinned evenly in the logarithm of the rank."""
    ordered = np.sort(counts)[::-1]
    if not len(ordered):
        return []
    ranks = np.unique(np.geomspace(1, len(ordered), CURVE).round().astype(int))
    return [(int(rank), int(ordered[rank - 1])) for rank in ranks]
