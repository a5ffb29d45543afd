"""The chance of a text to be kept: P = 1 - prod(1 - p) over its entries, worked out for a batch of texts at once.

Misses (prod(1 - p)) rather than chances are passed on: they multiply.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from curation.texts import Flat, Offsets
from curation.thresholds import Counts, Probabilities, entry_probabilities
from pipeline.errors import ContractError


@dataclass(frozen=True)
class Misses:
    """1 - p of every entry of every set, laid one set behind the other.

    Attributes:
        places: set -> its place in the two arrays.
        starts: where each set begins in `table`; one more for a set that is not known.
        sizes: how many entries each set has; 0 for one that is not known.
        table: 1 - p; NaN for an entry that no text was counted for.
    """

    places: Mapping[str, int]
    starts: Counts
    sizes: Counts
    table: Probabilities

    @classmethod
    def of(cls, counts: Mapping[str, Counts], thresholds: Mapping[str, int]) -> Misses:
        """From the counts and the threshold of each set."""
        tables = [
            np.where(found > 0, 1 - entry_probabilities(thresholds[name], found), np.nan)
            for name, found in counts.items()
        ]
        sizes = np.array([*map(len, tables), 0], dtype=np.int64)
        places = {name: place for place, name in enumerate(counts)}
        return cls(places, np.cumsum(sizes) - sizes, sizes, np.concatenate([*tables, np.empty(0)]))

    def of_texts(self, names: pa.StringArray, entries: Flat) -> Probabilities:
        """The chance of each of n texts that none of its entries keeps it; 1 for a text without an entry.

        Args:
            names: the metadata set of each text.
            entries: the ids that each text contains.

        Raises:
            ContractError: for an entry that was never counted.
        """
        sets = names.dictionary_encode()
        known = np.array([self.places.get(name, -1) for name in sets.dictionary.to_pylist()], dtype=np.int64)
        owner = np.repeat(known[sets.indices.to_numpy()], entries.lengths)
        ids = entries.values.to_numpy()
        counted = ids < self.sizes[owner]
        misses = self.table[self.starts[owner] + ids] if counted.all() else np.full(1, np.nan)
        if np.isnan(misses).any():
            raise ContractError("Texts match entries that the counts do not have. Count the matches that are balanced.")
        return products(misses, entries.offsets)


def row_misses(texts: Flat, misses: Probabilities) -> Probabilities:
    """The chance of each row that none of its texts is kept. Equal texts of a row share one draw, so only the likeliest counts."""
    once = misses.copy()
    once[_repeats(texts, misses)] = 1
    return products(once, texts.offsets)


def _repeats(texts: Flat, misses: Probabilities) -> npt.NDArray[np.int64]:
    """The places of texts that stand in their row more than once, but for the one of each that is missed the least."""
    several = texts.lengths > 1
    places = np.flatnonzero(np.repeat(several, texts.lengths))
    rows = np.repeat(np.flatnonzero(several), texts.lengths[several])
    codes = texts.values.take(pa.array(places)).dictionary_encode().indices.to_numpy()
    key = rows << 32 | codes
    order = np.lexsort((misses[places], key))
    again: npt.NDArray[np.int64] = places[order][1:][key[order][1:] == key[order][:-1]]
    return again


def products(factors: Probabilities, offsets: Offsets) -> Probabilities:
    """The product of each run of factors, taken from left to right; 1 for an empty run."""
    found = np.ones(len(offsets) - 1)
    filled = np.diff(offsets) > 0
    if filled.any():
        found[filled] = np.multiply.reduceat(factors, offsets[:-1][filled])
    return found


def any_of(flags: npt.NDArray[np.bool_], offsets: Offsets) -> npt.NDArray[np.bool_]:
    """Whether each run has a true flag; an empty one has none."""
    before = np.concatenate([[0], np.cumsum(flags)])
    found: npt.NDArray[np.bool_] = before[offsets[1:]] > before[offsets[:-1]]
    return found
