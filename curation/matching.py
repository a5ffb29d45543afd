"""Which metadata entries a text contains (MetaCLIP, arXiv 2309.16671, and MetaCLIP 2, arXiv 2507.22062; both section 3).

A text is spaced: one space before and after it, one on each side of the seven marks `, . ; : ? ! `` ` ``, and a space in
place of tab, newline and carriage return. An entry is wrapped: a space on each side, or in the worldwide form only on a side
that does not end in a character of a script written without spaces, or a punctuation mark. The entry matches if the wrapped
entry is a substring of the spaced text. Nothing is lower-cased, normalised or stripped.

The work is done on UTF-8 bytes: no character's bytes lie within another's, so substrings are the same, and lone surrogates,
which a Python string may hold, need no special case.
"""

from __future__ import annotations

import string
from collections.abc import Iterator, Sequence
from operator import itemgetter

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from ahocorasick_rs import BytesAhoCorasick

MARKS = (b",", b".", b";", b":", b"?", b"!", b"`")
BLANKS = bytes.maketrans(b"\t\n\r", b"   ")
BORDER = b"\xff"  # stands between texts: a byte that UTF-8 never uses, so no entry reaches over it
CHUNK_BYTES = 1 << 16  # of texts searched at once: the list of their matches, far larger, then stays in the cache

Numbers = npt.NDArray[np.int64]

#: Scripts written without spaces, as MetaCLIP 2 lists them: Han with its radicals and extensions, Thai, Lao, Burmese,
#: Khmer, Tibetan. Kana and hangul are not among them: their words match only where spaces or marks delimit them.
SPACE_FREE = (
    (0x4E00, 0x9FFF),
    (0x3400, 0x4DBF),
    (0x20000, 0x2A6DF),
    (0x2A700, 0x2B73F),
    (0x2B740, 0x2B81F),
    (0x2B820, 0x2CEAF),
    (0x2CEB0, 0x2EBEF),
    (0xF900, 0xFAFF),
    (0x2E80, 0x2EFF),
    (0x2F00, 0x2FDF),
    (0x2FF0, 0x2FFF),
    (0x0E00, 0x0E7F),
    (0x0E80, 0x0EFF),
    (0x1000, 0x109F),
    (0x1780, 0x17FF),
    (0x0F00, 0x0FFF),
)
PUNCTUATION = frozenset(string.punctuation + "，。、；：？！“”‘’（）【】《》〈〉「」『』～—")


def needs_no_space(character: str) -> bool:
    """Whether the worldwide form leaves out the space beside this character."""
    point = ord(character)
    return character in PUNCTUATION or any(low <= point <= high for low, high in SPACE_FREE)


def wrap(entry: str, space_free: bool = False) -> str:
    """The form of an entry that is looked for; `space_free` for the worldwide form. Empty entries stay empty."""
    if not entry:
        return ""
    before = "" if space_free and needs_no_space(entry[0]) else " "
    after = "" if space_free and needs_no_space(entry[-1]) else " "
    return f"{before}{entry}{after}"


def space(text: str) -> str:
    """The form of a text that is searched."""
    return _spaced(_binary(text)).decode("utf-8", "surrogatepass")


class Matcher:
    """One metadata set, ready to be found in texts.

    Args:
        entries: the ids are the places in this sequence. An empty entry never matches.
        space_free: whether the entries are wrapped in the worldwide form.
    """

    def __init__(self, entries: Sequence[str], space_free: bool = False) -> None:
        wrapped = [wrap(entry, space_free).encode("utf-8", "surrogatepass") for entry in entries]
        self._ids = np.flatnonzero([bool(pattern) for pattern in wrapped])
        self._span = max(len(wrapped), 1)
        self._automaton = BytesAhoCorasick([pattern for pattern in wrapped if pattern])

    def match_text(self, text: str) -> list[int]:
        """The ids of all entries that a text contains, each once, ascending."""
        found: list[int] = self.match(_binary(text))[0].as_py()
        return found

    def match(self, texts: pa.Array) -> pa.ListArray:
        """The ids of all entries that each text contains, each once a text, ascending.

        Args:
            texts: n strings (or UTF-8 in binary form), none null.

        Returns:
            `list<int32>`, n.
        """
        parts = [self._match_chunk(chunk) for chunk in _chunks(texts)]
        return pa.concat_arrays(parts) if parts else pa.array([], pa.list_(pa.int32()))

    def _match_chunk(self, texts: pa.Array) -> pa.ListArray:
        haystack = _spaced(texts.cast(pa.binary()))
        matches = self._automaton.find_matches_as_indexes(haystack, overlapping=True)
        pattern = np.fromiter(map(itemgetter(0), matches), np.int64, len(matches))
        start = np.fromiter(map(itemgetter(1), matches), np.int64, len(matches))
        borders = np.flatnonzero(np.frombuffer(haystack, np.uint8) == BORDER[0])
        pairs = _distinct(np.searchsorted(borders, start) * self._span + self._ids[pattern])
        text, entry = np.divmod(pairs, self._span)
        offsets = np.searchsorted(text, np.arange(len(texts) + 1))
        return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), pa.array(entry, pa.int32()))


def _distinct(numbers: Numbers) -> Numbers:
    """Sorted, each once; `np.unique` hashes, which took four times as long on numbers that are nearly in order."""
    numbers.sort()
    new = np.ones(len(numbers), dtype=bool)
    np.not_equal(numbers[1:], numbers[:-1], out=new[1:])
    distinct: Numbers = numbers[new]
    return distinct


def _binary(text: str) -> pa.BinaryArray:
    return pa.array([text.encode("utf-8", "surrogatepass")], pa.binary())


def _spaced(texts: pa.BinaryArray) -> bytes:
    """All texts spaced, with a border between each two."""
    lists = pa.ListArray.from_arrays(pa.array([0, len(texts)], pa.int32()), texts)
    spaced: bytes = b" " + pc.binary_join(lists, b" " + BORDER + b" ")[0].as_py() + b" "
    for mark in MARKS:
        spaced = spaced.replace(mark, b" " + mark + b" ")
    return spaced.translate(BLANKS)


def _chunks(texts: pa.Array) -> Iterator[pa.Array]:
    """Runs of texts of about CHUNK_BYTES each, and of one text at least."""
    ends = np.cumsum(pc.binary_length(texts).to_numpy(zero_copy_only=False), dtype=np.int64)
    start = 0
    while start < len(texts):
        done = ends[start - 1] if start else 0
        stop = max(start + 1, int(np.searchsorted(ends, done + CHUNK_BYTES, side="right")))
        yield texts.slice(start, stop - start)
        start = stop
