"""One language's entries: the sources read, the rules applied, the order kept."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from curation.metadata_build import corpus, pmi, wordnet
from curation.metadata_build.choose import best
from curation.metadata_build.compose import compose, tally
from curation.metadata_build.rules import Rules
from curation.metadata_build.segment import joiner
from curation.metadata_build.streams import Watch, sums, unwatched
from curation.metadata_build.tally import Counts, Tally
from curation.metadata_build.views import Titles
from curation.metadata_build.words import cutter
from pipeline.errors import DataError


@dataclass(frozen=True)
class Inputs:
    """The files of one language, by source.

    Attributes:
        wordnet: folders of Princeton's files, or tab files.
        corpus: texts and dumps.
        frequencies: lists of `word<TAB>count`, which take the place of the corpus's unigrams.
        titles: lists of `title<TAB>views`.
    """

    wordnet: tuple[Path, ...] = ()
    corpus: tuple[Path, ...] = ()
    frequencies: tuple[Path, ...] = ()
    titles: tuple[Path, ...] = ()


@dataclass(frozen=True)
class Built:
    """A list of entries, and how it came about.

    Attributes:
        sources: source -> entries that it added, with `numbers` and `total`.
        facts: what was counted and where the thresholds came to lie.
    """

    entries: list[str]
    sources: Mapping[str, int]
    facts: Mapping[str, float] = field(default_factory=dict)


@dataclass
class Builder:
    """Builds one language.

    Args:
        scratch: an empty folder for what is counted on disk.
        memory: bytes that the counting takes, about.
        workers: processes that strip wikitext.
    """

    language: str
    inputs: Inputs
    rules: Rules
    scratch: Path
    memory: int = 512 << 20
    workers: int = 1
    watch: Watch = unwatched
    facts: dict[str, float] = field(default_factory=dict)

    def build(self, titles: Titles | None = None) -> Built:
        """The entries. Raises DataError where no source gives any."""
        counted = self._corpus()
        words = self._frequencies() or (counted.words if counted else None)
        sources = {
            "wordnet": [name for path in self.inputs.wordnet for name in wordnet.read(path, self.watch)],
            "unigrams": self._unigrams(words) if words else [],
            "bigrams": [],
            "titles": self._titles(titles) if titles else [],
        }
        if counted:
            sources["bigrams"] = self._bigrams(counted, len(sources["unigrams"]))
        entries = compose(*sources.values(), limit=self.rules.limit, worldwide=self.rules.worldwide)
        sizes = tally(entries, sources)
        if sizes["total"] == sizes["numbers"]:
            raise DataError(
                f"{self.language}: no source gave an entry{self._why()}. Lower a threshold, or give more texts."
            )
        return Built(entries, sizes, self.facts)

    def _why(self) -> str:
        return "".join(f"; {name.replace('_', ' ')} {value:,.0f}" for name, value in self.facts.items())

    def _corpus(self) -> corpus.Corpus | None:
        if not self.inputs.corpus:
            return None
        found = corpus.count(
            self.inputs.corpus,
            cutter(self.language),
            self.scratch / "corpus",
            memory=self.memory,
            workers=self.workers,
            watch=self.watch,
        )
        self.facts |= {"corpus_words": found.words.total, "different_words": found.words.distinct}
        self.facts |= {"different_pairs": found.pairs.distinct}
        return found

    def _frequencies(self) -> Counts | None:
        if not self.inputs.frequencies:
            return None
        folder = self.scratch / "frequencies"
        folder.mkdir()
        words = Tally(folder, self.memory // 8)
        for path in self.inputs.frequencies:
            for keys, numbers in sums(path, self.watch):
                words.add_counted(pa.array(keys, pa.string()), pa.array(numbers, pa.int64()))
        found = words.finish()
        self.facts["listed_words"] = found.distinct
        return found

    def _unigrams(self, words: Counts) -> list[str]:
        often = _at_least(words.tables(), "count", self.rules.min_count)
        return self._take("unigrams", often, self.rules.unigram_budget(words.distinct), "count")

    def _bigrams(self, counted: corpus.Corpus, unigrams: int) -> list[str]:
        budget = self.rules.bigram_budget(unigrams)
        often = _at_least(pmi.scored(counted), "count", self.rules.min_pairs)
        near = _at_least(often, "pmi", self.rules.min_pmi, above=self.rules.worldwide)
        between = joiner(self.language)
        return [pair.replace(corpus.BETWEEN, between) for pair in self._take("bigrams", near, budget, "pmi", "count")]

    def _titles(self, titles: Titles) -> list[str]:
        self.facts |= {"titles_seen": titles.views.distinct, "unreadable_titles": titles.unreadable}
        often = _at_least(titles.views.tables(), "count", self.rules.min_views)
        return self._take("titles", often, self.rules.title_budget(titles.views.distinct), "count")

    def _take(self, source: str, tables: Iterator[pa.Table], budget: int, *columns: str) -> list[str]:
        found = best(tables, budget, *columns)
        if found is None or not len(found):
            return []
        self.facts[f"lowest_{'pmi' if columns[0] == 'pmi' else 'count'}_of_{source}"] = pc.min(
            found[columns[0]]
        ).as_py()
        keys: list[str] = found["key"].to_pylist()
        return keys


def _at_least(tables: Iterator[pa.Table], column: str, least: float, above: bool = False) -> Iterator[pa.Table]:
    compare: Callable[..., pa.Array] = pc.greater if above else pc.greater_equal
    return (table.filter(compare(table[column], least)) for table in tables)
