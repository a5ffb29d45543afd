"""Names of things: the word list that tells which words of a caption belong together, and which are no words at all."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from pathlib import Path

from captioning.checking.words import (
    ATTRIBUTES,
    COLOURS,
    FRAME,
    FUNCTION,
    GROUND,
    NUMBERS,
    is_verb,
    is_word,
    singular,
)
from pipeline.errors import ConfigError, DataError

LONGEST = 6  # words of an entry that are looked for in a text
#: No name begins with these; but one may with "no": "no entry" is a sign.
_OPENING = (FUNCTION - {"no"}) | frozenset(NUMBERS)
_CLOSED = frozenset(COLOURS) | frozenset(NUMBERS) | ATTRIBUTES | GROUND | FRAME | FUNCTION


class Vocabulary:
    """A list of names, such as metadata/en.txt of the matching (WordNet, titles). Without entries every phrase is a name.

    Args:
        entries: names in any case; those of one word of a closed class (colours, numbers, prepositions) mean nothing here.
    """

    def __init__(self, entries: Iterable[str] = ()) -> None:
        plain = (" ".join(entry.casefold().split()) for entry in entries)
        self._names = frozenset(entry for entry in plain if entry and entry not in _CLOSED)

    def __len__(self) -> int:
        return len(self._names)

    def __contains__(self, phrase: str) -> bool:
        """Whether a phrase is a name, in the singular or plural."""
        before, _, last = phrase.rpartition(" ")
        return phrase in self._names or f"{before} {singular(last)}".strip() in self._names

    def knows(self, phrase: str) -> bool:
        """Whether every content word of a phrase is a word of the list; always true without a list."""
        return not self._names or phrase in self or all(w in self or w in _CLOSED for w in phrase.split())

    def chunks(self, words: Sequence[str]) -> list[str]:
        """A sentence as single words of the closed classes, marks, and phrases that name things.

        The longest name is taken first, from the left ("man in motorized wheelchair"); content words between names that no
        name covers make a phrase together, with `of` between them ("flag of nowhere").
        """
        found: list[str] = []
        place, run = 0, False
        while place < len(words):
            size = self._name_at(words, place)
            word = " ".join(words[place : place + size]) if size else words[place]
            content = size > 0 or (is_word(word) and word not in _CLOSED)
            if run and not size and is_verb(word):  # "people riding bicycles" are two things
                place, run = place + 1, False
                continue
            if content and run:
                found[-1] += f" {word}"
            elif content and len(found) > 1 and found[-1] == "of" and _is_content(found[-2]):
                found[-2:] = [f"{found[-2]} of {word}"]
            else:
                found.append(word)
            place, run = place + max(size, 1), content
        return found

    def _name_at(self, words: Sequence[str], place: int) -> int:
        """How many words from here on are one name: 0 for none. Names of one word need no list."""
        if not is_word(words[place]) or words[place] in _OPENING:
            return 0
        for size in range(min(LONGEST, len(words) - place), 1, -1):
            part = words[place : place + size]
            if part[-1] not in FUNCTION and all(map(is_word, part)) and " ".join(part) in self and not _frame(part):
                return size
        return 0


def _is_content(chunk: str) -> bool:
    return is_word(chunk) and chunk not in _CLOSED


def _frame(words: Sequence[str]) -> bool:
    """ "clip art", "white background", "red and blue": names in some list, but not of a thing."""
    return all(word in _CLOSED for word in words) or words[-1] in GROUND | FRAME or words[0] in COLOURS


@lru_cache(maxsize=4)
def read_vocabulary(path: Path | None) -> Vocabulary:
    """The list in a file of one entry a line; without a path the empty one.

    Raises:
        ConfigError: if the file is not there.
        DataError: if it is not UTF-8.
    """
    if path is None:
        return Vocabulary()
    if not path.is_file():
        raise ConfigError(f"There is no vocabulary {path}. Name a file of one entry a line, such as metadata/en.txt.")
    try:
        return Vocabulary(path.read_text("utf-8-sig").split("\n"))
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not UTF-8 ({error}). Save the vocabulary as UTF-8, one entry a line.") from error
