"""The chance of a text to be kept: P = 1 - prod(1 - p) over its entries, worked out for a batch of texts at once.

Misses (prod(1 - p)) rather than chances are passed on: they multiply.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from curation.texts import Flat, Offsets
from curation.thresholds import Counts, Probabilities
from pipeline.errors import ContractError


def counts_by_set(table: pa.Table) -> dict[str, Counts]:
    """A table of match-counts as one dense array a set, indexed by entry; entries that it lacks have 0."""
    found: dict[str, Counts] = {}
    for name in table["metadata"].unique().to_pylist():
        rows = table.filter(pc.equal(table["metadata"], name))
        entries = rows["entry"].to_numpy()
        found[name] = np.zeros(entries.max() + 1, dtype=np.int64)
        found[name][entries] = rows["count"].to_numpy()
    return found


def text_misses(names: pa.StringArray, entries: Flat, chances: Mapping[str, Probabilities]) -> Probabilities:
    """The chance of each of n texts that none of its entries keeps it; 1 for a text without an entry.

    Args:
        names: the metadata set of each text.
        entries: the ids that each text contains.
        chances: set -> p of each of its entries.

    Raises:
        ContractError: for an entry that was never counted.
    """
    sets = names.dictionary_encode()
    tables = [chances.get(name, np.empty(0)) for name in sets.dictionary.to_pylist()]
    table, starts, sizes = _one_behind_the_other(tables)
    owner = np.repeat(sets.indices.to_numpy(), entries.lengths)
    ids = entries.values.to_numpy()
    if (ids >= sizes[owner]).any():
        raise ContractError("Texts match entries that the counts do not have. Count the matches that are balanced.")
    return products(1 - table[starts[owner] + ids], entries.offsets)


def _one_behind_the_other(tables: Sequence[Probabilities]) -> tuple[Probabilities, Counts, Counts]:
    sizes = np.array([len(table) for table in tables], dtype=np.int64)
    return np.concatenate([*tables, np.empty(0)]), np.cumsum(sizes) - sizes, sizes


def row_misses(texts: Flat, misses: Probabilities) -> Probabilities:
    """The chance of each row that none of its texts is kept. Equal texts of a row share one draw, so they count once."""
    once = misses.copy()
    for row in np.flatnonzero(texts.lengths > 1):
        start, stop = texts.offsets[row : row + 2]
        seen: set[str] = set()
        for place, text in enumerate(texts.values.slice(start, stop - start).to_pylist(), start):
            if text in seen:
                once[place] = 1
            seen.add(text)
    return products(once, texts.offsets)


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
