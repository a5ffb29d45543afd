"""The order of entries, and which are fit to be one."""

from __future__ import annotations

import re
import string
from collections.abc import Iterable, Mapping
from itertools import islice

from curation.matching import PUNCTUATION
from curation.metadata_build.rules import LONGEST, NUMBERS

#: A mark that touches something other than a space, or shares one with another mark: in every text that the matcher sees,
#: each mark has a space of its own on both sides.
TOUCHED = re.compile(r"[^ ][,.;:?!`]|[,.;:?!`][^ ]|[,.;:?!`] [,.;:?!`]|[\t\n\r]")


def compose(*sources: Iterable[str], limit: int = 500_000, worldwide: bool = False) -> list[str]:
    """Entries in MetaCLIP's order: the numbers 0 to 99, then the sources one after another; the first of equal ones stays.

    Args:
        sources: WordNet, unigrams, bigrams, titles, in this order.
        limit: how many entries there may be.
        worldwide: drop entries that are all punctuation or longer than 256 characters (MetaCLIP 2); otherwise single ASCII
            punctuation marks alone (MetaCLIP). Empty ones are always dropped.
    """
    kept = _worldwide if worldwide else _english
    ordered = dict.fromkeys(entry for source in (NUMBERS, *sources) for entry in source if kept(entry))
    return list(islice(ordered, limit))


def tally(entries: Iterable[str], sources: Mapping[str, Iterable[str]]) -> dict[str, int]:
    """How many entries each source gave (the first that has an entry gave it), the numbers apart, and all together."""
    left = set(entries)
    counts = {"total": len(left), "numbers": len(left.intersection(NUMBERS))}
    left.difference_update(NUMBERS)
    for source, theirs in sources.items():
        mine = left.intersection(theirs)
        counts[source] = len(mine)
        left -= mine
    return counts


def never_matches(entry: str) -> bool:
    """Whether no text can contain the entry, because of a mark or a line end in it ("St. Louis")."""
    return TOUCHED.search(entry) is not None


def _english(entry: str) -> bool:
    return len(entry) > 1 or entry not in string.punctuation


def _worldwide(entry: str) -> bool:
    return 0 < len(entry) <= LONGEST and not PUNCTUATION.issuperset(entry)
