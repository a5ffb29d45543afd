"""Texts to words: phrases of lower-case words between which a bigram may stand.

A phrase ends at a line end and at every character that is no letter, mark, number, space or apostrophe, hyphen and the like
within a word: the matcher would find no bigram across it. Words are lower-cased, as MetaCLIP's unigrams are, and lose
apostrophes and hyphens at their edges; those inside stay ("women's", "t-shirt"). Nothing is normalised, as the matcher
normalises nothing. In scripts without spaces a phrase also ends at a space.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable

import pyarrow as pa
import pyarrow.compute as pc

from curation.metadata_build.segment import Segmenter, find

#: Apostrophes, hyphen, the Catalan middle dot, Hebrew's geresh and gershayim, and the joiners of Persian and Indic words.
INSIDE = "'’-·׳״\u200c\u200d"
TSHEG = "\u0f0b"
#: Languages in which the capital of "i" keeps its dot.
DOTTED = frozenset({"tr", "az", "crh", "gag"})

#: A text -> its phrases, an Arrow array of lists of strings.
Cutter = Callable[[str], pa.Array]


class Phrases(dict[int, str]):
    """A table for `str.translate` that leaves words, spaces, and a line end for everything that ends a phrase."""

    def __init__(self, spaces: bool, kept: str = INSIDE) -> None:
        super().__init__()
        self._space, self._kept = " " if spaces else "\n", kept

    def __missing__(self, point: int) -> str:
        character = chr(point)
        kind = unicodedata.category(character)
        if kind[0] in "LMN" or character in self._kept:
            found = character
        elif kind == "Zs" or character == "\t":
            found = self._space
        else:
            found = "\n"
        self[point] = found
        return found


def cutter(language: str) -> Cutter:
    """How a language's texts are cut into words. Raises ConfigError where its tokenizer is not installed."""
    segmenter = find(language)
    if segmenter is None:
        return _spaced(language in DOTTED)
    return _segmented(segmenter)


def _spaced(dotted: bool) -> Cutter:
    table = Phrases(spaces=True)

    def cut(text: str) -> pa.Array:
        if dotted:
            text = text.replace("I", "ı").replace("İ", "i")
        lines = [line.translate(table) for line in text.lower().split("\n")]  # a line of ASCII is translated far faster
        phrases = "\n".join(lines).split("\n")
        return pc.ascii_split_whitespace(pa.array(phrases, pa.string()))

    return cut


def _segmented(segmenter: Segmenter) -> Cutter:
    table = Phrases(spaces=False, kept=INSIDE + TSHEG if segmenter.joiner == TSHEG else INSIDE)
    cut_phrase = segmenter.load()

    def cut(text: str) -> pa.Array:
        phrases = filter(None, text.lower().translate(table).split("\n"))
        words = [[word for word in map(str.strip, cut_phrase(phrase)) if word != TSHEG] for phrase in phrases]
        return pa.array(words, pa.list_(pa.string()))

    return cut
