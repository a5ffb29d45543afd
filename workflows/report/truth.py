"""What was planted in a demo pool: the truth of each row, for judging the recipe. A real pool has none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.errors import ConfigError

#: Faults that a good recipe survives: the row is to be kept as if nothing had happened.
HARMLESS = frozenset({"redirect", "other_format", "same_url"})
NEEDED = ("uid", "fault")
WANTED = (*NEEDED, "url", "detail", "true_name", "langs", "same_as")


class Truth:
    """The truth by uid; of two lines of one row the one with a fault counts."""

    def __init__(self, path: Path) -> None:
        """Read a truth.parquet.

        Raises:
            ConfigError: if it is not there, or has no `uid` and `fault`.
        """
        lines = _read(path)
        self.lines = len(lines)
        self._by_uid: dict[str, dict[str, Any]] = {}
        self._by_url: dict[str | None, dict[str, Any]] = {}
        for line in sorted(lines, key=lambda line: line["fault"] is not None):
            if line["uid"] is None:
                self._by_url[line["url"]] = line
            else:
                self._by_uid[line["uid"]] = line
        self.copies = {line["same_as"] for line in lines if line.get("same_as")}

    def of(self, uid: str, url: str | None) -> dict[str, Any] | None:
        """The truth of a row; of one that is no pair (it has no URL that a uid could come from) by what stands there."""
        return self._by_uid.get(uid) or self._by_url.get(url)

    def knows(self, uid: str) -> bool:
        """Whether anything is known of a row."""
        return uid in self._by_uid

    def fault(self, uid: str) -> str | None:
        """What is wrong with a row; None for a clean or unknown one."""
        fault: str | None = self._by_uid.get(uid, {}).get("fault")
        return fault

    def language(self, uid: str) -> str:
        """The language of a row's first text, as planted."""
        spoken = self._by_uid.get(uid, {}).get("langs") or [""]
        return spoken[0] or "none"


def _read(path: Path) -> list[dict[str, Any]]:
    try:
        table = pq.read_table(path)
    except (OSError, pa.ArrowInvalid) as error:
        raise ConfigError(
            f"The truth {path} cannot be read ({error}). Name a truth.parquet, or leave `truth` out."
        ) from error
    missing = [name for name in NEEDED if name not in table.column_names]
    if missing:
        raise ConfigError(f"The truth {path} has no column {missing[0]!r}. It has: {', '.join(table.column_names)}.")
    lines: list[dict[str, Any]] = table.select([name for name in WANTED if name in table.column_names]).to_pylist()
    empty = dict.fromkeys(WANTED)
    return [empty | line for line in lines]
