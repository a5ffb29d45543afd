"""The peer: substring matching as MetaCLIP publishes it, an Aho-Corasick automaton of pyahocorasick over spaced texts."""

from collections.abc import Iterable, Sequence

import ahocorasick

from curation.matching import wrap


def spaced(text: str) -> str:
    """A space before and after the text and its marks, and for each tab and line end."""
    text = f" {text} "
    for mark in (",", ".", ";", ":", "?", "!", "`"):
        text = text.replace(mark, f" {mark} ")
    return text.replace("\t", " ").replace("\n", " ").replace("\r", " ")


def automaton(entries: Sequence[str], space_free: bool) -> ahocorasick.Automaton:
    """Over the wrapped entries."""
    made = ahocorasick.Automaton()
    for number, entry in enumerate(entries):
        made.add_word(wrap(entry, space_free), (number, entry))
    made.make_automaton()
    return made


def match(made: ahocorasick.Automaton, texts: Iterable[str]) -> list[list[int]]:
    """The ids of each text, each once, in no order."""
    found = []
    for text in texts:
        ids = set()
        for _, (number, _) in made.iter(spaced(text)):
            ids.add(number)
        found.append(list(ids))
    return found
