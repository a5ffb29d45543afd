"""Where pairpool keeps what can be built again, and how a file is put there."""

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import IO


def cache_root() -> Path:
    """$PAIRPOOL_CACHE, else $XDG_CACHE_HOME/pairpool, else ~/.cache/pairpool."""
    chosen = os.environ.get("PAIRPOOL_CACHE") or Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "pairpool"
    return Path(chosen).expanduser()


def write_whole(path: Path, write: Callable[[IO[bytes]], None]) -> None:
    """Write a file so that no reader ever sees a part of it.

    Raises:
        OSError: if it cannot be written; nothing is then left behind.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    try:
        with os.fdopen(handle, "wb") as file:
            write(file)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
