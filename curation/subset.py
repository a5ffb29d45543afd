"""DataComp's subset files: the uids of the selected rows as sorted pairs of 64-bit numbers (its `resharder.py` reads them)."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from pipeline.errors import DataError

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


def _malformed(uids: list[str]) -> DataError:
    first = next((uid for uid in uids if len(uid) != 32 or set(uid.lower()) - set("0123456789abcdef")), uids[0])
    return DataError(f"The uid {first[:40]!r} is not of 32 hex digits, so it cannot stand in a DataComp subset file.")
