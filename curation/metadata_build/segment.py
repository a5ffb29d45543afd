"""Word segmentation of languages that are written without spaces: one tokenizer each, installed by the extra `segment`.

Used to build metadata only, never on the texts that are matched (as in MetaCLIP 2). What each gives was tried on a sentence.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from pipeline.errors import ConfigError

Cut = Callable[[str], Iterable[str]]


@dataclass(frozen=True)
class Segmenter:
    """A tokenizer.

    Attributes:
        package: the distribution that must be installed.
        adapter: imports it and gives a function from a phrase to its words.
        joiner: what stands between the words of a bigram.
    """

    package: str
    adapter: Callable[[], Cut]
    joiner: str = ""

    def load(self) -> Cut:
        """The function from a phrase to its words. Raises ConfigError where the package is missing."""
        try:
            return self.adapter()
        except ImportError as error:
            raise ConfigError(
                f"this language is written without spaces, and its tokenizer {self.package} is not installed ({error}). "
                "Install the extra: pip install '.[segment]'."
            ) from error


def _rjieba() -> Cut:
    import rjieba

    cut: Cut = rjieba.cut
    return cut


def _pycantonese() -> Cut:
    import pycantonese

    return lambda phrase: map(str, pycantonese.segment(phrase))


def _mecab() -> Cut:
    """MeCab with the IPA dictionary, which MetaCLIP 2 used."""
    import fugashi
    import ipadic

    tagger: Any = fugashi.GenericTagger(ipadic.MECAB_ARGS)
    return lambda phrase: [word.surface for word in tagger(phrase)]


def _pythainlp() -> Cut:
    from pythainlp.tokenize import word_tokenize

    return lambda phrase: word_tokenize(phrase, engine="newmm", keep_whitespace=False)


def _laonlp() -> Cut:
    from laonlp.tokenize import word_tokenize

    cut: Cut = word_tokenize
    return cut


def _khmercut() -> Cut:
    from khmercut import tokenize

    cut: Cut = tokenize
    return cut


def _icu() -> Cut:
    """The word breaks of ICU: by dictionary for Burmese and Han, by syllable for Tibetan script."""
    from icu4py.breakers import WordBreaker

    return lambda phrase: WordBreaker(phrase, "en")


#: Wikipedia code -> tokenizer. Tibetan and Dzongkha are cut into syllables, so most of their words are its bigrams: botok,
#: which knows words, fetches its dictionary at first use and cannot be had without that.
SEGMENTERS = {
    "bo": Segmenter("icu4py", _icu, "\u0f0b"),
    "dz": Segmenter("icu4py", _icu, "\u0f0b"),
    "ja": Segmenter("fugashi", _mecab),
    "km": Segmenter("khmercut", _khmercut),
    "lo": Segmenter("laonlp", _laonlp),
    "my": Segmenter("icu4py", _icu),
    "ryu": Segmenter("fugashi", _mecab),
    "th": Segmenter("pythainlp", _pythainlp),
    "zh": Segmenter("rjieba", _rjieba),
    "zh_classical": Segmenter("icu4py", _icu),
    "zh_yue": Segmenter("pycantonese", _pycantonese),
}
SAME = {"yue": "zh_yue", "lzh": "zh_classical", "wuu": "zh"}


def find(language: str) -> Segmenter | None:
    """The tokenizer of a language, or None where words stand between spaces. `zh-Hant` and `zh_TW` are `zh`."""
    name = language.lower().replace("-", "_")
    for code in (name, SAME.get(name, ""), name.partition("_")[0]):
        if code in SEGMENTERS:
            return SEGMENTERS[code]
    return None


def joiner(language: str) -> str:
    """What stands between the words of a bigram of a language."""
    found = find(language)
    return " " if found is None else found.joiner
