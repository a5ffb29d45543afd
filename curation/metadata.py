"""Metadata: the lists of concepts, one set a language, that texts are matched against (MetaCLIP 2, arXiv 2507.22062, section 3).

Which set serves which text is a many-to-one map: curation/languages.py.
Where there is no set `other`, such texts match nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from curation.languages import OTHER, candidates, set_of_code
from pipeline.errors import ConfigError, DataError


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
        return next((name for name in candidates(label) if name in self._sources), OTHER)


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
