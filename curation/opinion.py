"""A second opinion on the language of short texts: the letters', where they contradict fastText's first choice.

A label's score is its log-probability by the model less what the letters say against it (`curation.letters.Weights`). Nothing
speaks for a label, so a first choice that no letter contradicts stands, and the model is asked for more than its first choice only
where one does. A text that is half or more in a script of one label alone is not shown to the model at all.

The weights were chosen on names and keywords of CLDR's emoji, and are as good as any near them on one half of the emoji
(`python -m benchmarks.langid --tune`); the benchmark's table is about the other half.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from curation.letters import Letters, Weights
from curation.scripts import SEVERAL, Floats, Ints, classes

LABEL = "__label__"
#: fastText's choices for lines that end in a line feed: lines, k -> labels and probabilities, likeliest first.
Predict = Callable[[list[str], int], tuple[list[list[str]], list[Floats]]]
Mask = npt.NDArray[np.bool_]

#: Who decided.
NONE, MODEL, SCRIPT, LETTERS = range(4)
METHODS = pa.array([None, "model", "script", "letters"], pa.string())
#: How many of the model's labels are weighed; the others share what probability is left.
CANDIDATES = 10
_LEAST = 1e-6


class Verdict(NamedTuple):
    """Of each text: the index of its label (-1 for none), its probability in [0, 1] and who decided."""

    labels: Ints
    probabilities: Floats
    methods: npt.NDArray[np.int8]

    @classmethod
    def blank(cls, many: int) -> Verdict:
        """No language for any text."""
        return cls(np.full(many, -1), np.zeros(many, np.float32), np.zeros(many, np.int8))

    def put(self, where: Ints, labels: Ints, probabilities: Floats | float, method: int) -> None:
        """Decide some."""
        self.labels[where], self.probabilities[where], self.methods[where] = labels, probabilities, method


class Judge:
    """Says what language texts are in.

    Args:
        predict: of a fastText model.
        labels: all that it can give, without prefix.
        weights: of the letters; None to trust the model alone.
    """

    def __init__(self, predict: Predict, labels: Sequence[str], weights: Weights | None) -> None:
        self._predict, self._weights = predict, weights
        self.labels = tuple(sorted(labels))
        self._index = {LABEL + label: k for k, label in enumerate(self.labels)}

    def __call__(self, texts: pa.StringArray) -> Verdict:
        """The verdict on texts of valid UTF-8, each one line with its line feed."""
        verdict = Verdict.blank(len(texts))
        if self._weights is None:
            self._ask(texts, np.flatnonzero(pc.match_substring_regex(texts, r"\p{L}")), verdict)
        else:
            self._weigh(texts, verdict, self._weights)
        return verdict

    def _ask(self, texts: pa.StringArray, where: Ints, verdict: Verdict) -> None:
        """Take the model's first choices for some texts."""
        if not len(where):
            return
        found, scores = self._predict(texts.take(pa.array(where)).to_pylist(), 1)
        labels = np.array([self._index[row[0]] for row in found])
        verdict.put(
            where, labels, np.minimum(np.concatenate(scores), 1), MODEL
        )  # its softmax table gives up to 1.00003

    def _weigh(self, texts: pa.StringArray, verdict: Verdict, weights: Weights) -> None:
        plain = pc.string_is_ascii(texts).to_numpy(zero_copy_only=False)
        ascii_letters = pc.not_equal(pc.ascii_lower(texts), pc.ascii_upper(texts)).to_numpy(zero_copy_only=False)
        others = np.flatnonzero(~plain)
        letters = Letters.of(texts.take(pa.array(others)), classes(self.labels))
        settled = letters.settled()
        verdict.put(others[settled >= 0], settled[settled >= 0], 1.0, SCRIPT)
        verdict.methods[others[(settled != SEVERAL) & (settled < 0)]] = SCRIPT
        ask = plain & ascii_letters
        ask[others] = (settled == SEVERAL) & (letters.sizes > 0)
        self._ask(texts, np.flatnonzero(ask), verdict)
        doubted = plain & ask & letters.table.unlatin[verdict.labels]
        doubted[others] = ask[others] & letters.contradicts(verdict.labels[others])
        self._rank(texts, np.flatnonzero(doubted), verdict, weights)

    def _rank(self, texts: pa.StringArray, where: Ints, verdict: Verdict, weights: Weights) -> None:
        """Weigh the model's likeliest labels against the letters."""
        if not len(where):
            return
        doubted = texts.take(pa.array(where))
        letters = Letters.of(doubted, classes(self.labels))
        scores = self._logs(doubted.to_pylist()) - letters.objections(weights)
        odds = np.exp(scores)
        probabilities = odds.max(axis=1) / (odds.sum(axis=1) + weights.unseen)
        verdict.put(where, scores.argmax(axis=1), probabilities.astype(np.float32), LETTERS)

    def _logs(self, lines: list[str]) -> npt.NDArray[np.float64]:
        """(text, label): the model's log-probability."""
        found, scores = self._predict(lines, min(CANDIDATES, len(self.labels)))
        rows = np.repeat(np.arange(len(lines)), [len(row) for row in found])
        known = np.concatenate(scores).astype(np.float64)
        rest = np.maximum(1 - np.bincount(rows, known, len(lines)), _LEAST) / len(self.labels)
        table = np.repeat(rest[:, None], len(self.labels), axis=1)
        table[rows, [self._index[label] for row in found for label in row]] = np.maximum(
            known, _LEAST / len(self.labels)
        )
        return np.log(table)
