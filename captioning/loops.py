"""Repetition loops: the way in which captioners most often break, told from their text alone."""

from __future__ import annotations

import re
import zlib
from collections import Counter

REPEATS = 4  # a phrase that stands four times in a row is no caption
LOOP_CHARACTERS = 30  # shorter runs ("ha ha ha ha", a row of dashes) may be legible text in the picture
#: Bytes after zlib over bytes before: of 2,617 paragraphs of English software documentation, the most repetitive stood at .30.
SQUEEZED = 0.28
SQUEEZED_BYTES = 240
SAME_SENTENCES = 3  # times that a sentence may not stand, wherever
SENTENCE_CHARACTERS = 20  # of sentences that are counted

PHRASE = 160  # characters of the longest phrase that is looked for
SEED = 12  # any run of a phrase repeats so many characters within the length of a phrase

_RUN = re.compile(rf"(.{{2,{PHRASE}}}?)\1{{{REPEATS - 1},}}", re.DOTALL)

_STUTTER = re.compile(r"([^\W\d_]{3,20}?)\1{3,}")  # within one word: "vernvernvernvern"
_SENTENCE = re.compile(r"(?<=[.!?;])\s+|(?<=[。！？；])")


def loops(text: str) -> bool:
    """Whether a phrase repeats back to back, a sentence comes again and again, or the text compresses like nothing people write."""
    if _STUTTER.search(text) or says_again(text):
        return True
    if _echoes(text) and any(len(run.group()) >= LOOP_CHARACTERS for run in _RUN.finditer(text)):
        return True
    raw = text.encode("utf-8", "replace")
    return len(raw) >= SQUEEZED_BYTES and len(zlib.compress(raw, 9)) < SQUEEZED * len(raw)


def says_again(text: str) -> bool:
    """Whether one of its sentences stands three times or more, with others between them or not."""
    parts = (part.strip(" .!?;。！？；").casefold() for part in _SENTENCE.split(text))
    counts = Counter(part for part in parts if len(part) >= SENTENCE_CHARACTERS)
    return max(counts.values(), default=0) >= SAME_SENTENCES


def _echoes(text: str) -> bool:
    """Whether some characters come again soon after: without that no phrase runs, and the search for runs is slow."""
    last: dict[str, int] = {}
    for at in range(len(text) - SEED + 1):
        some = text[at : at + SEED]
        if at - last.get(some, -PHRASE - 1) <= PHRASE:
            return True
        last[some] = at
    return False
