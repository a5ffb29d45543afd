"""Metadata: the lists of concepts, one set a language, that texts are matched against (MetaCLIP 2, arXiv 2507.22062, section 3).

Which set serves which text is a many-to-one map, in two halves that meet in the labels of fastText's lid.176:
- a list's code (a Wikipedia or CLDR code, the name of its file) joins the set of one label: `CODES`, else the code itself,
  else the code without its region or script (`pt_BR`, `sr-Latn`). Lists of one set are merged. A list in a language that no
  label covers joins `other`.
- a text's label takes the set of its name, else that of a close relative (`RELATIVES`), else `other`; so do unknown texts.
Where there is no set `other`, such texts match nothing.
"""

from __future__ import annotations

import json
import string
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path

from curation.matching import PUNCTUATION
from pipeline.errors import ConfigError, DataError

OTHER = "other"

#: The labels of lid.176.
_LABELS = """
af als am an ar arz as ast av az azb ba bar bcl be bg bh bn bo bpy br bs bxr ca cbk ce ceb ckb co cs cv cy da de diq dsb
dty dv el eml en eo es et eu fa fi fr frr fy ga gd gl gn gom gu gv he hi hif hr hsb ht hu hy ia id ie ilo io is it ja
jbo jv ka kk km kn ko krc ku kv kw ky la lb lez li lmo lo lrc lt lv mai mg mhr min mk ml mn mr mrj ms mt mwl my myv mzn
nah nap nds ne new nl nn no oc or os pa pam pfl pl pms pnb ps pt qu rm ro ru rue sa sah sc scn sco sd sh si sk sl so sq
sr su sv sw ta te tg th tk tl tr tt tyv ug uk ur uz vec vep vi vls vo wa war wuu xal xmf yi yo yue zh
"""
LABELS = frozenset(_LABELS.split())

#: Codes that mean the language of a label but are written otherwise, or look like one that they do not mean.
CODES = {
    "nb": "no",
    "simple": "en",
    "fil": "tl",
    "gsw": "als",
    "bho": "bh",
    "iw": "he",
    "in": "id",
    "ji": "yi",
    "jw": "jv",
    "mo": "ro",
    "zh_yue": "yue",
    "zh_min_nan": OTHER,
}

#: Labels of varieties that are written like a larger language, or that the model often gives to short texts in it.
RELATIVES = {
    "wuu": "zh",
    "yue": "zh",
    "nn": "no",
    "no": "nn",
    "als": "de",
    "bar": "de",
    "pfl": "de",
    "arz": "ar",
    "bs": "hr",
    "sh": "hr",
    "vls": "nl",
    "sco": "en",
    "mzn": "fa",
}


def set_of_code(code: str) -> str:
    """The metadata set that a list of this Wikipedia or CLDR code joins."""
    plain = code.lower().replace("-", "_")
    for name in (plain, plain.partition("_")[0]):
        known = CODES.get(name, name)
        if known in LABELS or known == OTHER:
            return known
    return OTHER


class MetadataSets:
    """The sets of one metadata source; each is read when it is first asked for.

    Args:
        sources: code -> its entries, or a file of one entry a line.
    """

    def __init__(self, sources: Mapping[str, Sequence[str] | Path]) -> None:
        self._sources: dict[str, list[Sequence[str] | Path]] = {}
        for code in sorted(sources, key=lambda code: (code != set_of_code(code), code)):
            self._sources.setdefault(set_of_code(code), []).append(sources[code])
        self._read: dict[str, tuple[str, ...]] = {}

    @classmethod
    def load(cls, path: Path) -> MetadataSets:
        """Read a folder of `<code>.txt`, or a JSON file: MetaCLIP's list (English) or MetaCLIP 2's code -> list.

        Raises:
            ConfigError: if nothing of that kind is there.
            DataError: if a file does not say what it should.
        """
        if path.is_file():
            return cls(_read_json(path))
        files = {file.stem: file for file in sorted(path.glob("*.txt"))}
        if not files:
            raise ConfigError(
                f"{path} holds no metadata. Name a folder of <language>.txt files, one entry a line, or a metadata.json."
            )
        return cls(files)

    @property
    def names(self) -> tuple[str, ...]:
        """The sets that there are, sorted."""
        return tuple(sorted(self._sources))

    def entries(self, name: str) -> tuple[str, ...]:
        """The entries of a set, each once, in the order of their ids; none for a set that is not there.

        The list whose code is the set's name comes first, the others after it by code; the first of equal entries stays.
        """
        if name not in self._read:
            lists = (_lines(source) if isinstance(source, Path) else source for source in self._sources.get(name, ()))
            self._read[name] = tuple(dict.fromkeys(entry for entries in lists for entry in entries if entry))
        return self._read[name]

    def set_of(self, label: str | None) -> str:
        """The set that serves texts of a language label, of whatever name; never fails."""
        for name in (label, RELATIVES.get(label or "")):
            if name is not None and name in self._sources:
                return name
        return OTHER


def compose(*sources: Iterable[str], limit: int = 500_000, worldwide: bool = False) -> list[str]:
    """Entries in MetaCLIP's order: the numbers 0 to 99, then the sources one after another; the first of equal ones stays.

    Args:
        sources: WordNet, unigrams, bigrams, titles, in this order.
        limit: how many entries there may be.
        worldwide: drop entries that are all punctuation or longer than 256 characters (MetaCLIP 2); otherwise single ASCII
            punctuation marks alone (MetaCLIP). Empty ones are always dropped.
    """
    kept = _worldwide if worldwide else _english
    numbers = map(str, range(100))
    ordered = dict.fromkeys(entry for source in (numbers, *sources) for entry in source if kept(entry))
    return list(islice(ordered, limit))


def _english(entry: str) -> bool:
    return len(entry) > 1 or entry not in string.punctuation


def _worldwide(entry: str) -> bool:
    return 0 < len(entry) <= 256 and not PUNCTUATION.issuperset(entry)


def _lines(path: Path) -> Iterator[str]:
    """The lines of a file, ended by newlines alone: entries may hold the characters that Python also takes for line ends."""
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not UTF-8 ({error}). Save the metadata as UTF-8, one entry a line.") from error
    return (line.removesuffix("\r") for line in text.split("\n"))


def _read_json(path: Path) -> Mapping[str, Sequence[str]]:
    try:
        found = json.loads(path.read_bytes())
    except ValueError as error:
        raise DataError(
            f"{path} is not JSON ({error}). Metadata files hold a list of entries, or code -> list."
        ) from error
    sets = {"en": found} if isinstance(found, list) else found
    if not isinstance(sets, dict) or not all(_is_entries(entries) for entries in sets.values()):
        raise DataError(f"{path} must hold a list of texts, or an object of language code -> list of texts.")
    return sets


def _is_entries(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(entry, str) for entry in value)
