"""What a download process did, line by line: its progress while it runs, and its testament when it dies.

A line is a JSON list: ["fetch", row], ["fetched", row], ["decode", row], ["done", row] or ["failed", row, status, message].
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

NAME = "journal.jsonl"


class Journal:
    """The writing end. One `write` a line: many threads may share it, and nothing waits in a buffer to be lost."""

    def __init__(self, folder: Path) -> None:
        self._file = os.open(folder / NAME, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)

    def note(self, event: str, row: int, *more: str) -> None:
        """Add a line."""
        os.write(self._file, json.dumps([event, row, *more]).encode() + b"\n")


@dataclass
class Testament:
    """What a journal says about the rows.

    Attributes:
        failed: row -> (status, message).
        fetching, decoding: rows that were begun and not ended.
    """

    failed: dict[int, tuple[str, str]] = field(default_factory=dict)
    fetching: set[int] = field(default_factory=set)
    decoding: set[int] = field(default_factory=set)


def read(folder: Path) -> Testament:
    """Read a journal; a last line cut short by a kill is left out."""
    found = Testament()
    for event, row, *more in _lines(folder / NAME):
        found.fetching.discard(row)
        found.decoding.discard(row)
        if event == "failed":
            found.failed[row] = (more[0], more[1])
        elif event == "fetch":
            found.fetching.add(row)
        elif event == "decode":
            found.decoding.add(row)
    return found


def size(folder: Path) -> int:
    """Bytes written so far: it grows as long as the process gets on."""
    path = folder / NAME
    return path.stat().st_size if path.exists() else 0


def _lines(path: Path) -> Iterator[list[Any]]:
    if path.exists():
        yield from (json.loads(line) for line in path.read_bytes().split(b"\n")[:-1])
