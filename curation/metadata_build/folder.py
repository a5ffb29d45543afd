"""The folder of a metadata set: `<code>.txt`, one entry a line, and `sources.json` and `README.md` that say where they are from."""

from __future__ import annotations

import json
import re
import shutil
import tempfile
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from pipeline.errors import ConfigError, DataError, MachineError

SOURCES, README = "sources.json", "README.md"
CODE = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,31}")
ORDER = ("total", "numbers", "wordnet", "unigrams", "bigrams", "titles", "imported")


def write(folder: Path, lists: Mapping[str, Iterable[str]], records: Mapping[str, Mapping[str, Any]]) -> None:
    """Add or replace languages of a metadata folder; everything is written beside it before anything is put in place.

    Args:
        lists: language code -> entries, in order.
        records: language code -> what is known of their making, for `sources.json`; `entries` maps source -> number.

    Raises:
        ConfigError: if a code cannot name a file, or the folder is something else.
        DataError: if an entry cannot stand on a line of UTF-8.
        MachineError: if the folder cannot be written.
    """
    for code in lists:
        if not CODE.fullmatch(code):
            raise ConfigError(f"{code!r} is no language code: letters, digits, - and _ are.")
    known = _known(folder)
    known.update(records)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _place(folder, lists, dict(sorted(known.items())))
    except OSError as error:
        raise MachineError(f"{folder} cannot be written ({error}). Name another folder with --out.") from error


def _place(folder: Path, lists: Mapping[str, Iterable[str]], known: Mapping[str, Any]) -> None:
    aside = Path(tempfile.mkdtemp(prefix=".building-", dir=folder))
    try:
        for code, entries in lists.items():
            _lines(aside / f"{code}.txt", code, entries)
        document = {"format": 1, "languages": known}
        (aside / SOURCES).write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        (aside / README).write_text(_readme(known), encoding="utf-8")
        for name in [*(f"{code}.txt" for code in lists), SOURCES, README]:
            (aside / name).replace(folder / name)
    finally:
        with suppress(OSError):
            shutil.rmtree(aside)


def _lines(path: Path, code: str, entries: Iterable[str]) -> None:
    with path.open("w", encoding="utf-8", newline="\n") as file:
        for entry in entries:
            if not entry or "\n" in entry or entry.endswith("\r"):
                raise DataError(f"{code}: the entry {entry[:60]!r} cannot stand on a line of its own. Take it out.")
            try:
                file.write(f"{entry}\n")
            except UnicodeEncodeError as error:
                raise DataError(f"{code}: the entry {entry[:60]!r} is not valid Unicode. Take it out.") from error


def _known(folder: Path) -> dict[str, Any]:
    """What the folder's `sources.json` says already."""
    path = folder / SOURCES
    if folder.exists() and not folder.is_dir():
        raise ConfigError(f"{folder} is a file. Name a folder with --out.")
    if not path.exists():
        return {}
    try:
        return dict(json.loads(path.read_bytes())["languages"])
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"{path} is not what this command writes ({error}). Move it away, or name another folder."
        ) from error


def _readme(known: Mapping[str, Mapping[str, Any]]) -> str:
    columns = [name for name in ORDER if any(name in record.get("entries", {}) for record in known.values())]
    rows = [
        f"| {code} | " + " | ".join(f"{record.get('entries', {}).get(name, 0):,}" for name in columns) + " |"
        for code, record in known.items()
    ]
    licences = [
        f"- {code}, {source}: {licence}"
        for code, record in known.items()
        for source, licence in sorted(record.get("licences", {}).items())
    ]
    return "\n".join(
        [
            "# Metadata",
            "",
            f"One file a language, one entry a line, in order. Rules, thresholds and digests of inputs: {SOURCES}.",
            "",
            f"| language | {' | '.join(columns)} |",
            "|---|" + "---:|" * len(columns),
            *rows,
            "",
            "Licences, as given by whoever built this:" if licences else "No licence was given for any source.",
            *licences,
            "",
        ]
    )
