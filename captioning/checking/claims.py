"""From a caption to its claims, by rules over the words: objects, colours, numbers, attributes, and what is said not to be there.

Image Textualization (arXiv 2406.07502) has a language model list the objects that a caption states; these rules do so offline
and costs no model. They read plain English description: a noun phrase ends at a function
word, what stands before its noun speaks of it, and what follows it after "is" or a comma does too.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from captioning.checking.vocabulary import Vocabulary
from captioning.checking.words import (
    ARTICLES,
    ATTRIBUTES,
    COLOURS,
    FRAME,
    FUNCTION,
    GROUND,
    NEGATIONS,
    NUMBERS,
    is_verb,
    is_word,
    singular,
    tokens,
)

OBJECT, COLOUR, COUNT, ATTRIBUTE, ABSENCE = "object", "colour", "count", "attribute", "absence"
BACKGROUND = "background"  #: what a claim about the ground of the picture is about


@dataclass(frozen=True)
class Claim:
    """One thing that a caption says.

    Attributes:
        kind: object, colour, count, attribute or absence.
        value: the object's phrase, a colour word, a number in digits, or the attribute.
        about: the object of which it is said (for an object: its head, in the singular); `background` for the ground.
    """

    kind: str
    value: str
    about: str


def claims(text: str, vocabulary: Vocabulary) -> list[Claim]:
    """The claims of a caption, each once, in the order in which they are made."""
    reader = _Reader()
    found = [claim for sentence in _sentences(tokens(text)) for claim in reader.read(vocabulary.chunks(sentence))]
    return list(dict.fromkeys(found))


def _sentences(words: Sequence[str]) -> Iterator[list[str]]:
    start = 0
    for place, word in enumerate(words):
        if word in {".", "!", "?", ";"}:
            yield list(words[start:place])
            start = place + 1
    yield list(words[start:])


@dataclass
class _Reader:
    """Goes through a sentence with the modifiers that wait for their noun, and the noun that later ones speak of."""

    waiting: list[Claim] = field(default_factory=list)
    opened: bool = False  # whether an article or a number stands before what waits
    subject: str = ""

    def read(self, chunks: Sequence[str]) -> Iterator[Claim]:
        """The claims of one sentence, given as words and vocabulary entries. Its subject outlives it: "It is red."."""
        self.waiting, self.opened, negated = [], False, False
        for chunk in chunks:
            if chunk in NEGATIONS:
                negated = True
            elif chunk in ARTICLES:
                yield from self._settle(self.subject)
                self.opened = True
            elif chunk in COLOURS:
                self.waiting.append(Claim(COLOUR, chunk, ""))
            elif chunk in NUMBERS or chunk.isdecimal():
                self.waiting.append(Claim(COUNT, str(NUMBERS.get(chunk, chunk)), ""))
                self.opened = True
            elif chunk in ATTRIBUTES:
                self.waiting.append(Claim(ATTRIBUTE, chunk, ""))
            elif chunk in GROUND:
                yield from self._ground(negated)
                negated = False
            elif not is_word(chunk):
                yield from self._settle(self.subject) if not self.opened else ()
            elif chunk in FRAME or chunk in FUNCTION:
                if chunk in FRAME:  # "two objects", "the left half": said of no thing that could be looked for
                    self.waiting = [claim for claim in self.waiting if claim.kind == COLOUR]
            else:
                yield from self._noun(chunk, negated)
                negated = False
        yield from self._settle(self.subject)

    def _noun(self, phrase: str, negated: bool) -> Iterator[Claim]:
        about = head(phrase)
        if negated:
            self.waiting, self.opened = [], False
            yield Claim(ABSENCE, phrase, about)
            return
        self.subject = about
        yield Claim(OBJECT, phrase, about)
        yield from self._settle(about)

    def _ground(self, negated: bool) -> Iterator[Claim]:
        self.subject = BACKGROUND
        if negated:
            self.waiting, self.opened = [], False
            yield Claim(ABSENCE, BACKGROUND, BACKGROUND)
            return
        yield from self._settle(BACKGROUND)

    def _settle(self, about: str) -> Iterator[Claim]:
        """What waits is said of `about`."""
        if about:
            yield from (Claim(claim.kind, claim.value, about) for claim in self.waiting)
        self.waiting, self.opened = [], False


def head(phrase: str) -> str:
    """The word that names the thing: the last one before the first preposition or participle, in the singular."""
    words = phrase.split()
    ends = (place for place, word in enumerate(words) if place and (word in FUNCTION or is_verb(word)))
    stop = next(ends, len(words))
    return singular(words[stop - 1])
