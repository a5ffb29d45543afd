"""How many entries each source may give: MetaCLIP's thresholds and MetaCLIP 2's budgets.

MetaCLIP (arXiv 2309.16671, Table 1), for English: all WordNet synsets, unigrams of 100 occurrences, bigrams of a PMI of at
least 30, titles of 70 views; 500,000 entries. MetaCLIP 2 (arXiv 2507.22062), for every other language: the share of the
language's unigrams and titles that those numbers made of English Wikipedia, never more than there were in English.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

NUMBERS = tuple(map(str, range(100)))
LONGEST = 256


@dataclass(frozen=True)
class Rules:
    """What is taken of each source.

    Attributes:
        worldwide: MetaCLIP 2's form: entries longer than 256 characters or of nothing but punctuation are dropped, and the PMI
            must be above its threshold; else (MetaCLIP) single punctuation marks are dropped, and the PMI may equal it.
        min_count: occurrences of a unigram.
        unigrams: at most so many of them. `unigram_share`: at most this share of all different ones.
        min_pmi: of a bigram, in bits; minus infinity where the budget alone decides.
        min_pairs: occurrences of a bigram. MetaCLIP has no such floor, but by PMI alone the rarest pairs come first.
        bigrams: at most so many. `bigram_share`: at most so many for each unigram taken.
        min_hourly: views in one line of an hourly file, below which the line does not count.
        min_views: of a title, over all files given.
        titles: at most so many. `title_share`: at most this share of all titles seen.
        limit: entries in all.
    """

    worldwide: bool = False
    min_count: int = 100
    unigrams: int = 500_000
    unigram_share: float = 1.0
    min_pmi: float = 30.0
    min_pairs: int = 1
    bigrams: int = 500_000
    bigram_share: float = math.inf
    min_hourly: int = 50
    min_views: int = 70
    titles: int = 500_000
    title_share: float = 1.0
    limit: int = 500_000

    def unigram_budget(self, distinct: int) -> int:
        """How many unigrams may be taken of so many different ones."""
        return min(self.unigrams, int(self.unigram_share * distinct))

    def bigram_budget(self, taken: int) -> int:
        """How many bigrams may be taken beside so many unigrams."""
        return self.bigrams if math.isinf(self.bigram_share) else min(self.bigrams, int(self.bigram_share * taken))

    def title_budget(self, distinct: int) -> int:
        """How many titles may be taken of so many."""
        return min(self.titles, int(self.title_share * distinct))


ENGLISH = Rules()
WORLDWIDE = Rules(
    worldwide=True,
    min_count=1,
    unigrams=251_465,
    unigram_share=0.1,
    bigrams=100_646,
    bigram_share=0.4,
    min_hourly=1,
    min_views=1,
    titles=61_235,
    title_share=0.76,
)


def rules_of(language: str) -> Rules:
    """The published rules for a language."""
    return ENGLISH if language == "en" else WORLDWIDE


def within(bigrams: int) -> dict[str, Any]:
    """The changes that let a number of bigrams decide, and not the PMI.

    30 bits need a corpus of more than 2^30 words. By PMI alone the rarest pairs come first, which in a small corpus are
    chance: they must occur five times.
    """
    return {"bigrams": bigrams, "bigram_share": math.inf, "min_pmi": -math.inf, "min_pairs": 5}
