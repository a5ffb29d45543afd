"""What balancing was expected to keep, by its own chances, beside what it kept: draws that are as they should be agree."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from curation.texts import flatten
from workflows.report.sources import Numbers, Sources, View

NEEDED = ("probability", "text_probabilities", "kept", "keep")
Chances = npt.NDArray[np.float64]


@dataclass
class Sum:
    """Draws so far: how many, how many with a chance at all, and the mean and variance of the number that is kept."""

    drawn: int = 0
    matched: int = 0
    kept: int = 0
    expected: float = 0.0
    variance: float = 0.0

    def add(self, chances: Chances, kept: Chances) -> None:
        """Take draws in: the chance of each, and whether it was kept."""
        self.drawn += len(chances)
        self.matched += int((chances > 0).sum())
        self.kept += int(kept.sum())
        self.expected += float(chances.sum())
        self.variance += float((chances * (1 - chances)).sum())

    def numbers(self) -> Numbers:
        """As JSON, with the standard deviation and how many of them the kept number lies off; null where nothing was open."""
        deviation = math.sqrt(self.variance)
        z = (self.kept - self.expected) / deviation if deviation > 1e-6 else None
        return {
            "drawn": self.drawn,
            "matched": self.matched,
            "kept": self.kept,
            "expected": round(self.expected, 3),
            "deviation": round(deviation, 3),
            "z": None if z is None else round(z, 3),
        }


class Balancing:
    """Sums the chances of rows, and of texts by their metadata set, and what was kept of them."""

    def __init__(self, sources: Sources) -> None:
        self._there = "balance" in sources.by_row
        self._rows, self._texts = Sum(), Sum()
        self._sets: dict[str, Sum] = {}

    def add(self, view: View) -> None:
        """Take one shard in."""
        table = view.tables.get("balance")
        if table is None or not set(NEEDED) <= set(table.column_names):
            return
        decided = table["keep"].is_valid()
        table = table.filter(decided)
        self._rows.add(_numbers(table["probability"]), _numbers(table["keep"]))
        chances, kept = (_numbers(flatten(table[n].combine_chunks()).values) for n in ("text_probabilities", "kept"))
        self._texts.add(chances, kept)
        if "match" in view.tables:
            names = flatten(view.tables["match"].filter(decided)["metadata"].combine_chunks()).values
            self._add_sets(names.dictionary_encode(), chances, kept)

    def _add_sets(self, names: pa.DictionaryArray, chances: Chances, kept: Chances) -> None:
        codes = names.indices.to_numpy()
        for code, name in enumerate(names.dictionary.to_pylist()):
            self._sets.setdefault(name, Sum()).add(chances[codes == code], kept[codes == code])

    def numbers(self) -> Numbers | None:
        """The rows, all texts, and a line a set, the largest first; None where nothing was balanced."""
        if not self._there or not self._rows.drawn:
            return None
        lines: Sequence[Numbers] = [{"set": name, **told.numbers()} for name, told in self._sets.items()]
        return {
            "rows": self._rows.numbers(),
            "texts": self._texts.numbers(),
            "sets": sorted(lines, key=lambda line: (-line["drawn"], line["set"])),
        }


def _numbers(column: pa.Array | pa.ChunkedArray) -> Chances:
    """Chances, or flags as 0 and 1."""
    found: Chances = np.asarray(column).astype(np.float64)
    return found
