"""DataComp's subset files: the uids of the selected rows as sorted pairs of 64-bit numbers (its `resharder.py` reads them)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pipeline.errors import DataError
from pipeline.rows import uid_of

HEX128 = re.compile(r"[0-9a-f]{32}")
PAIRS = np.dtype("u8,u8")


def uid_subset(uids: Iterable[str]) -> npt.NDArray[np.void]:
    """The uids as DataComp's sorted array of (high, low) halves; `np.save` makes its file.

    Args:
        uids: of 32 hex digits.

    Raises:
        DataError: if one has another form.
    """
    listed = list(uids)
    try:
        raw = bytes.fromhex("".join(listed))
    except ValueError as error:
        raise _malformed(listed) from error
    if any(len(uid) != 32 for uid in listed):
        raise _malformed(listed)
    halves = np.frombuffer(raw, ">u8").astype("u8").reshape(-1, 2)
    ordered = np.ascontiguousarray(halves[np.lexsort((halves[:, 1], halves[:, 0]))])
    return ordered.view(PAIRS).reshape(-1)


def read_uids(path: Path) -> list[str]:
    """The uids that a file names: one uid or URL a line, or a DataComp subset file (.npy).

    Raises:
        DataError: if it cannot be read, is empty, or has a line that is neither.
    """
    if not path.is_file():
        raise DataError(f"{path} does not exist. Name a file of uids, one a line.")
    if path.suffix == ".npy":
        return [f"{high:016x}{low:016x}" for high, low in np.load(path)]
    lines = [line.strip() for line in path.read_text("utf-8", "replace").splitlines()]
    found = [_uid_of_line(line, path) for line in lines if line]
    if not found:
        raise DataError(f"{path} names no row. Write uids or URLs, one a line.")
    return found


def _uid_of_line(line: str, path: Path) -> str:
    if HEX128.fullmatch(line):
        return line
    if "://" not in line:
        raise DataError(f"{path}: {line[:60]!r} is neither a uid (32 hex digits) nor a URL. Correct the line.")
    return uid_of(line)


def _malformed(uids: list[str]) -> DataError:
    first = next((uid for uid in uids if len(uid) != 32 or set(uid.lower()) - set("0123456789abcdef")), uids[0])
    return DataError(f"The uid {first[:40]!r} is not of 32 hex digits, so it cannot stand in a DataComp subset file.")
