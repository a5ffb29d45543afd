"""Balancing: common concepts are thinned, rare ones kept whole (MetaCLIP, arXiv 2309.16671, Algorithm 1; MetaCLIP 2, 2507.22062).

An entry with more than t texts keeps each with the chance t / count. A text is kept if any of its entries keeps it:
P = 1 - prod(1 - p) over its entries, nothing without an entry. Each text draws one number of its own, a hash of seed, uid and
text, so the selection is the same whatever the shards, the order and the workers, and a larger t only ever adds texts.
A row is kept if any of its texts is, once, with the list of those that are.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import ClassVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from curation.chances import Misses, any_of, row_misses
from curation.counts import MatchCounts, counts_by_set
from curation.draws import FUNCTION, uniforms
from curation.texts import Flat, flatten, flatten_texts
from curation.thresholds import Counts, Probabilities, language_thresholds, p_to_t
from pipeline.errors import ConfigError, ContractError, DataError
from pipeline.recipe import Identity, execution, recipe
from pipeline.stage import Annotate, Stage

PURPOSE = "balance"  # not the step's name: two thresholds over one pool then nest
NO_MATCH, BALANCED_OUT = "no_match", "balanced_out"
REASONS = pa.array([NO_MATCH, BALANCED_OUT])

__all__ = ["Balance", "MatchCounts"]


@recipe
class Balance(Stage):
    """The selection by balanced matches. Exactly one of `t_en`, `t` and `tail` is given.

    Attributes:
        texts: a column of texts.
        metadata: the set of each text.
        entries: the ids in it that the text contains.
        counts: the `match-counts` step.
        t_en: the threshold of `english`; each other set gets the one that leaves the same share of matches in its tail.
        t: one threshold for all sets.
        tail: the share of matches in the tail that every set's threshold is to leave, for pools without English.
        english: the set that `t_en` is for.
        seed: of the draws.
    """

    kind: ClassVar[str] = "balance"

    texts: str = "rows.texts"
    metadata: str = "match.metadata"
    entries: str = "match.entries"
    counts: str = "counts"
    t_en: int | None = None
    t: int | None = None
    tail: float | None = None
    english: str = "en"
    seed: int = 0
    batch_rows: int = execution(default=65536)

    def __post_init__(self) -> None:
        """Refuse thresholds that contradict each other.

        Raises:
            ConfigError: unless exactly one is given, at least 1 (or between 0 and 1 for `tail`).
        """
        given = [value for value in (self.t_en, self.t, self.tail) if value is not None]
        if len(given) != 1:
            raise ConfigError(f"Step {self.name!r} needs exactly one of t_en, t and tail, and has {len(given)}.")
        if given[0] <= 0 or (self.tail is not None and self.tail > 1):
            raise ConfigError(f"Step {self.name!r}: t_en and t are at least 1, and tail lies in (0, 1].")

    @property
    def reads(self) -> tuple[str, ...]:
        """The texts, which key the draws, and their matches."""
        return (self.texts, self.metadata, self.entries)

    @property
    def tables(self) -> tuple[str, ...]:
        """The counts."""
        return (self.counts,)

    @property
    def writes(self) -> pa.Schema:
        """The chance of the row and of each text, which of them are kept, and the selection."""
        return pa.schema(
            [
                pa.field("probability", pa.float32()),
                pa.field("text_probabilities", pa.list_(pa.float32())),
                pa.field("kept", pa.list_(pa.bool_())),
                pa.field("keep", pa.bool_()),
                pa.field("reject_reason", pa.string()),
            ]
        )

    def identity(self, inputs: Mapping[str, str]) -> Identity:
        """As of every step, and the function that draws."""
        return {**super().identity(inputs), "draws": FUNCTION}

    def thresholds(self, counts: Mapping[str, Counts]) -> dict[str, int]:
        """The threshold of every set, from its counts.

        Raises:
            DataError: if `t_en` is to be carried over from English, and no text matched any English entry.
        """
        if self.t is not None:
            return dict.fromkeys(counts, self.t)
        if self.tail is not None:
            return {name: p_to_t(self.tail, found) for name, found in counts.items()}
        if counts and self.english not in counts:
            raise DataError(
                f"Step {self.name!r}: no text matched an entry of the set {self.english!r}, so t_en={self.t_en} says nothing "
                f"about {', '.join(sorted(counts))}. Give `t` or `tail` instead."
            )
        return language_thresholds(self.t_en or 1, counts, self.english)

    @contextmanager
    def open(self, tables: Mapping[str, pa.Table]) -> Iterator[Annotate]:
        """Turn the counts into the chances of the entries."""
        counts = counts_by_set(tables[self.counts])
        misses = Misses.of(counts, self.thresholds(counts))

        def annotate(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
            for batch in batches:
                yield self._batch(batch, misses)

        yield annotate

    def _batch(self, batch: pa.RecordBatch, of_entries: Misses) -> pa.RecordBatch:
        texts = flatten_texts(batch[self.texts])
        names, entries = flatten(batch[self.metadata]), flatten(batch[self.entries])
        self._check(texts, names, entries)
        found = flatten(entries.values)
        misses = of_entries.of_texts(names.values, found)
        kept = self._draw(batch["uid"], texts, 1 - misses)
        keep = any_of(kept, texts.offsets)
        reason = pa.array(any_of(found.lengths > 0, texts.offsets).astype(np.int8), mask=keep)
        return pa.record_batch(
            [
                pa.array((1 - row_misses(texts, misses)).astype(np.float32)),
                texts.nest(pa.array((1 - misses).astype(np.float32))),
                texts.nest(pa.array(kept)),
                pa.array(keep),
                REASONS.take(reason),
            ],
            self.writes,
        )

    def _draw(self, uids: pa.Array, texts: Flat, chances: Probabilities) -> npt.NDArray[np.bool_]:
        """Whether each text's own number lies below its chance; a sure thing needs no number."""
        kept = chances >= 1
        open_ = np.flatnonzero((chances > 0) & ~kept)
        rows = np.searchsorted(texts.offsets, open_, side="right") - 1
        drawn = uniforms(self.seed, PURPOSE, uids.take(pa.array(rows)), texts.values.take(pa.array(open_)))
        kept[open_] = drawn < chances[open_]
        return kept

    def _check(self, texts: Flat, *others: Flat) -> None:
        if not all(np.array_equal(texts.offsets, other.offsets) for other in others):
            raise ContractError(
                f"Step {self.name!r}: {self.metadata} and {self.entries} are not about the texts of {self.texts}. "
                "Let `texts` name the column that was matched."
            )
