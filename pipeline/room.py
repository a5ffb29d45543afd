"""A disk that is full: told as what it is, wherever in a unit of work it was met."""

from __future__ import annotations

import errno
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline.errors import MachineError

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
SAID = (
    "No space left on device",
    "Disk quota exceeded",
    "File too large",
)  # libraries that wrap the error keep its text


@contextmanager
def room_for(what: str, root: Path | str) -> Iterator[None]:
    """Turn an error of a full disk into one that says what to do; any other passes.

    Args:
        what: is being worked on.
        root: of the pool.

    Raises:
        MachineError: if the disk, the quota or the limit on the size of files is exhausted.
    """
    try:
        yield
    except Exception as error:
        if getattr(error, "errno", None) not in FULL and not any(text in str(error) for text in SAID):
            raise
        raise MachineError(
            f"There is no room for {what} ({error}). Make room in {root} or in {tempfile.gettempdir()} (TMPDIR), and run again: "
            "what is committed stays, and nothing of this unit was kept."
        ) from error
