"""The letters of a batch of texts, and what they say against each language that a text could be in."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from curation.scripts import SEVERAL, Classes, Floats, Ints

Doubles = npt.NDArray[np.float64]

#: Characters of a text that are looked at: what a longer text is in, the model knows.
LOOKED_AT = 1000


@dataclass(frozen=True)
class Weights:
    """What letters cost a label, in nats of the model's log-probability.

    Attributes:
        foreign: times the share of the text that is in scripts which the label is not written in.
        latin: what Latin letters count for in that share; brands and loans are written so in every language.
        strange: for each letter that the label's script has and the label does not write, ...
        strange_most: ... of which so many count.
        no_kana: for each Han character of a text without kana, if the label is Japanese, ...
        no_kana_most: ... of which so many count.
        unseen: the probability, to weigh against the labels', of a language that the model has no label for. Nothing is known of
            its letters, so they do not speak against it.
    """

    foreign: float = 12.0
    latin: float = 0.3
    strange: float = 4.0
    strange_most: float = 3.0
    no_kana: float = 0.5
    no_kana_most: float = 6.0
    unseen: float = 0.03


@dataclass(frozen=True)
class Letters:
    """The characters of n texts, none of them empty, one after another.

    Attributes:
        classes: of each character.
        lengths: of each text, in characters.
        table: what the classes mean.
    """

    classes: npt.NDArray[np.uint16]
    lengths: Ints
    table: Classes

    @classmethod
    def of(cls, texts: pa.StringArray, table: Classes) -> Letters:
        """Read the texts' beginnings."""
        shown = pc.utf8_slice_codeunits(texts, 0, LOOKED_AT)
        codes = np.frombuffer("".join(shown.to_pylist()).encode("utf-32-le"), np.uint32)
        return cls(table.of[codes], pc.utf8_length(shown).to_numpy().astype(np.int64), table)

    @cached_property
    def starts(self) -> Ints:
        """Where each text starts."""
        return np.cumsum(self.lengths) - self.lengths

    @cached_property
    def weights(self) -> Floats:
        """Of each character: how much it says, 0 if it is no letter."""
        return self.table.weights[self.classes]

    @cached_property
    def sizes(self) -> Floats:
        """Of each text: the weight of its letters."""
        return self.total(self.weights)

    def each(self, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """A value of a text, for each of its characters."""
        return np.repeat(values, self.lengths)

    def total(self, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """The sum over the characters of each text."""
        return np.add.reduceat(values, self.starts) if len(self.starts) else values

    def settled(self) -> Ints:
        """Of each text: the only label of the script that half of it or more is in (or NOBODY), else SEVERAL."""
        owners = self.table.owner[self.classes]
        if not len(self.starts):
            return owners
        likeliest = np.maximum.reduceat(owners, self.starts)
        owned = self.total(self.weights * (owners == self.each(likeliest)))
        return np.where(2 * owned >= self.sizes, likeliest, SEVERAL)

    def contradicts(self, labels: Ints) -> npt.NDArray[np.bool_]:
        """Of each text: whether any of its letters, or the want of kana, speaks against the label."""
        against = self.table.against[self.classes, self.each(labels)]
        contradicted = self.total(against.astype(np.int32)) > 0
        japanese = self.table.japanese[labels]
        if japanese.any():
            kana, han = (self.total(mask[self.classes]) for mask in (self.table.kana, self.table.han))
            contradicted |= japanese & (kana == 0) & (han > 0)
        return contradicted

    def objections(self, cost: Weights) -> Doubles:
        """(text, label): what the letters say against it, in nats.

        All sums are of whole numbers, so a text's row does not depend on its batch.
        """
        table, counts = self.table, self._counts()
        latin = counts @ (table.weights * table.latin)[:, None]
        han, kana = counts @ table.han[:, None], counts @ table.kana[:, None]
        foreign = counts @ (table.weights[:, None] * table.foreign) - (1 - cost.latin) * latin * table.unlatin
        share = foreign / np.maximum(self.sizes, 1)[:, None]
        strange = np.minimum(counts @ table.strange, cost.strange_most)
        kanaless = np.where(kana > 0, 0, np.minimum(han, cost.no_kana_most))
        result: Doubles = cost.foreign * share + cost.strange * strange + cost.no_kana * kanaless * table.japanese
        return result

    def _counts(self) -> Any:
        """(text, class): 1 for each character; not a dense matrix, whose product would set the threads of a BLAS spinning."""
        from scipy.sparse import csr_array  # here, so that planning does not wait for it

        ends = np.append(self.starts, len(self.classes))
        ones = np.ones(len(self.classes))
        return csr_array(
            (ones, self.classes.astype(np.int32), ends), shape=(len(self.lengths), len(self.table.weights))
        )
