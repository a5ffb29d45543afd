"""Letters sorted into classes: what a letter says of the languages that a text can be in.

Two letters are of one class if they are of one script and the same labels write them (curation/alphabets.py). Han characters have
no alphabets, but the national character sets tell simplified, traditional and Japanese forms apart.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain

import numpy as np
import numpy.typing as npt
import regex  # type: ignore[import-untyped]

from curation.alphabets import LETTERS, ONE_LABEL

#: Languages that write Han characters, and a character set in which all of their common ones are.
HAN = {"ja": ("shift_jis",), "zh": ("gb2312", "big5"), "wuu": ("gb2312", "big5"), "yue": ("gb2312", "big5")}
#: Unicode's name of each script that a label is written in -> ours; letters of any other are of class OTHER.
SCRIPTS = {name.title(): name for name in [*ONE_LABEL, *LETTERS, "HAN"]} | {"Hiragana": "KANA", "Katakana": "KANA"}
OTHER = "OTHER"

#: Instead of a script's only label: it is no label's, or that of several.
NOBODY, SEVERAL = -1, -2
Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]
Key = tuple[str, frozenset[str] | None]


@dataclass(frozen=True)
class Classes:
    """The classes, numbered; 0 is that of all that is no letter.

    Attributes:
        of: the class of each code point.
        weights: of a letter of each class: its bytes in UTF-8, for a Chinese character says more than a Latin letter.
        foreign: (class, label) 1 where the label is not written in the script.
        strange: (class, label) 1 where it is, but without these letters.
        against: (class, label) whether it is either.
        owner: the index of the only label of the class's script; else NOBODY (no label's script) or SEVERAL.
        latin, han, kana: 1 for the classes of these scripts.
        unlatin: of each label, whether it is not written in Latin letters.
        japanese: of each label, whether it is.
    """

    of: npt.NDArray[np.uint16]
    weights: Floats
    foreign: Floats
    strange: Floats
    against: npt.NDArray[np.bool_]
    owner: Ints
    latin: Floats
    han: Floats
    kana: Floats
    unlatin: npt.NDArray[np.bool_]
    japanese: npt.NDArray[np.bool_]


@lru_cache(maxsize=4)
def classes(labels: tuple[str, ...]) -> Classes:
    """The classes of Unicode's letters, for a model of these labels; nothing speaks against labels that are in no table."""
    of, keys, weights = _number()
    written = {label: _scripts(label) for label in labels}
    foreign = _table(keys, labels, lambda script, _, label: bool(written[label]) and script not in written[label])
    strange = _table(
        keys,
        labels,
        lambda script, writers, label: writers is not None and script in written[label] and label not in writers,
    )
    latin, han, kana = (
        np.array([script == name for script, _ in keys], np.float32) for name in ("LATIN", "HAN", "KANA")
    )
    return Classes(
        of=of,
        weights=np.array(weights, np.float32),
        foreign=foreign,
        strange=strange,
        against=(foreign + strange) > 0,
        owner=np.array([_owner(script, labels) for script, _ in keys]),
        latin=latin,
        han=han,
        kana=kana,
        unlatin=np.array([bool(written[label]) and "LATIN" not in written[label] for label in labels]),
        japanese=np.array([label == "ja" for label in labels]),
    )


def _table(keys: list[Key], labels: Sequence[str], holds: Callable[[str, frozenset[str] | None, str], bool]) -> Floats:
    """(class, label) 1 where it holds; class 0 says nothing."""
    rows = [[script != "" and holds(script, writers, label) for label in labels] for script, writers in keys]
    return np.array(rows, np.float32)


def _number() -> tuple[npt.NDArray[np.uint16], list[Key], list[int]]:
    writers = _writers()
    of = np.zeros(0x110000, np.uint16)
    numbers: dict[Key, int] = {("", None): 0}
    weights = [0]
    for code, key in _letters(writers):
        if key not in numbers:
            numbers[key] = len(weights)
            weights.append(len(chr(code).encode()))
        of[code] = numbers[key]
    return of, list(numbers), weights


def _letters(writers: dict[str, Key]) -> Iterator[tuple[int, Key]]:
    """Each letter (and each mark of the tables) and the key of its class; those of no script (`µ`, `ー`) are left out."""
    every = "".join(map(chr, chain(range(0xD800), range(0xE000, 0x110000))))
    letters = "".join(regex.findall(r"[\p{L}--[\p{Zyyy}\p{Zinh}]]", every, regex.V1))
    yield from ((ord(letter), (OTHER, None)) for letter in letters)
    found = {name: regex.findall(rf"\p{{Script={name}}}", letters) for name in SCRIPTS}
    yield from ((ord(letter), (SCRIPTS[name], None)) for name in SCRIPTS for letter in found[name])
    han = "".join(found["Han"])
    sets = {label: {*chain(*(_within(name, han) for name in names))} for label, names in HAN.items()}
    yield from ((ord(letter), ("HAN", frozenset(label for label in HAN if letter in sets[label]))) for letter in han)
    yield from ((ord(letter), key) for letter, key in writers.items())


def _within(charset: str, letters: str) -> str:
    """Those of the letters that a character set has."""
    return letters.encode(charset, "ignore").decode(charset)


def _writers() -> dict[str, Key]:
    """The letters of the tables: script, and the labels that write it."""
    found: dict[tuple[str, str], set[str]] = defaultdict(set)
    for script, alphabets in LETTERS.items():
        for label, alphabet in alphabets.items():
            for letter in alphabet:
                for form in {letter, letter.upper() if len(letter.upper()) == 1 else letter}:
                    found[form, script].add(label)
    return {letter: (script, frozenset(labels)) for (letter, script), labels in found.items() if not letter.isascii()}


def _scripts(label: str) -> frozenset[str]:
    """The scripts that a label is written in; none if it is not in the tables."""
    lettered = {script for script, alphabets in LETTERS.items() if label in alphabets}
    owned = {script for script, owner in ONE_LABEL.items() if owner == label}
    han = {"HAN"} if label in HAN else set()
    return frozenset(lettered | owned | han | ({"KANA"} if label == "ja" else set()))


def _owner(script: str, labels: Sequence[str]) -> int:
    if script == OTHER:
        return NOBODY
    return labels.index(ONE_LABEL[script]) if ONE_LABEL.get(script) in labels else SEVERAL
