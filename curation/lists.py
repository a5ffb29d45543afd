"""Reading URL lists as people have them: parquet, csv, tsv and jsonl, with the column names of img2dataset and DataComp."""

from __future__ import annotations

import csv
import gzip
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.errors import DataError

#: Our name -> the names that lists of the field use for it, the most specific first.
KNOWN: Mapping[str, tuple[str, ...]] = {
    "url": ("url", "URL", "image_url", "img_url", "contentUrl"),
    "caption": ("caption", "text", "TEXT", "alt_text", "alt", "raw_caption"),
    "texts": ("texts",),
    "uid": ("uid", "UID"),
    "source": ("source",),
    "sha256": ("sha256",),
}
SUFFIXES = (".parquet", ".csv", ".csv.gz", ".tsv", ".tsv.gz", ".jsonl", ".jsonl.gz")


@dataclass(frozen=True)
class Line:
    """One line of a list: its fields under our names, or why it could not be read."""

    place: str
    fields: Mapping[str, Any] = field(default_factory=dict)
    error: str | None = None


def list_files(path: Path) -> list[Path]:
    """The list files at `path`: itself, or all below it, sorted.

    Raises:
        DataError: if there is none.
    """
    found = (
        [path] if path.is_file() else sorted(f for f in path.rglob("*") if f.is_file() and f.name.endswith(SUFFIXES))
    )
    wrong = [file for file in found if not file.name.endswith(SUFFIXES)]
    if not found or wrong:
        what = f"{wrong[0]} is none of {', '.join(SUFFIXES)}" if wrong else f"{path} holds no URL list"
        raise DataError(f"{what}. Give a parquet, csv, tsv or jsonl file with a `url` column, or a folder of them.")
    return found


def read_list(path: Path, columns: Mapping[str, str]) -> Iterator[Line]:
    """Every line of one list file, streamed.

    Args:
        path: of the file.
        columns: our name -> the list's name, for names that `KNOWN` does not have.

    Raises:
        DataError: if the file cannot be read at all, or has no URL column.
    """
    reader = _parquet if path.suffix == ".parquet" else _json if ".jsonl" in path.name else _csv
    try:
        yield from reader(path, columns)
    except (OSError, pa.ArrowException, UnicodeDecodeError, csv.Error) as error:
        raise DataError(
            f"{path} cannot be read: {error}. Check that the file is whole and of the type of its suffix."
        ) from error


def count_lines(path: Path, columns: Mapping[str, str]) -> int:
    """How many lines `read_list` gives; a parquet file says so itself.

    Raises:
        DataError: as `read_list`.
    """
    if path.suffix != ".parquet":
        return sum(1 for _ in read_list(path, columns))
    try:
        return int(pq.read_metadata(path).num_rows)
    except (OSError, pa.ArrowException) as error:
        raise DataError(f"{path} cannot be read: {error}. Check that the file is whole and a parquet file.") from error


def _names(found: list[str], columns: Mapping[str, str], path: Path) -> dict[str, str]:
    """Our name -> the list's name, for the columns that the list has."""
    absent = [theirs for theirs in columns.values() if theirs not in found]
    names = {ours: next((n for n in theirs if n in found), None) for ours, theirs in KNOWN.items()} | dict(columns)
    if absent or not names["url"]:
        missing = f"column {absent[0]!r}" if absent else "URL column"
        raise DataError(
            f"{path} has no {missing}; it has {', '.join(found)}. Say which is which: `columns: {{url: THEIR_NAME}}`."
        )
    return {ours: theirs for ours, theirs in names.items() if theirs}


def _parquet(path: Path, columns: Mapping[str, str]) -> Iterator[Line]:
    with pq.ParquetFile(path) as file:
        names = _names(file.schema_arrow.names, columns, path)
        number = 0
        for batch in file.iter_batches(columns=list(dict.fromkeys(names.values()))):
            for row in batch.to_pylist():
                number += 1
                yield Line(f"{path.name}:{number}", {ours: row[theirs] for ours, theirs in names.items()})


def _csv(path: Path, columns: Mapping[str, str]) -> Iterator[Line]:
    with _text(path) as file:
        reader = csv.reader(file, delimiter="\t" if ".tsv" in path.name else ",")
        header = next(reader, [])
        names = _names(header, columns, path)
        for number, row in enumerate(reader, 2):
            place = f"{path.name}:{number}"
            if len(row) != len(header):
                yield Line(place, error=f"{len(row)} columns instead of {len(header)}")
            else:
                by_name = dict(zip(header, row, strict=True))
                yield Line(place, {ours: by_name[theirs] for ours, theirs in names.items()})


def _json(path: Path, columns: Mapping[str, str]) -> Iterator[Line]:
    with _text(path) as file:
        for number, line in enumerate(file, 1):
            place = f"{path.name}:{number}"
            try:
                row = json.loads(line)
            except ValueError:
                row = None
            yield Line(place, _known(row, columns)) if isinstance(row, dict) else Line(place, error="not a JSON object")


def _known(row: Mapping[str, Any], columns: Mapping[str, str]) -> dict[str, Any]:
    """The fields of a JSON object under our names; unlike in a table, each line may have its own."""
    names = {ours: next((n for n in (columns.get(ours), *theirs) if n in row), None) for ours, theirs in KNOWN.items()}
    return {ours: row[theirs] for ours, theirs in names.items() if theirs}


def _text(path: Path) -> IO[str]:
    if path.suffix == ".gz":
        return gzip.open(path, "rt", encoding="utf-8", errors="replace", newline="")
    return path.open(encoding="utf-8", errors="replace", newline="")
