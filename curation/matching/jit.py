"""numba, behind types: functions that are compiled once a machine.

The compiled code is kept in pairpool's cache, in a folder named by the digest of these sources: numba itself looks only at
the file of the function that is called, and would not see that one which it calls has changed.
"""

from collections.abc import Callable
from hashlib import blake2b
from pathlib import Path
from typing import Any, TypeVar

import numba  # type: ignore[import-untyped]
from numba.core import config  # type: ignore[import-untyped]

from pipeline.local import cache_root

Function = TypeVar("Function", bound=Callable[..., Any])


def _sources() -> str:
    found = sorted(Path(__file__).parent.glob("*.py"))
    digest = blake2b(b"".join(path.read_bytes() for path in found), digest_size=8)
    return digest.hexdigest()


_FOLDER = cache_root() / "numba" / _sources()


def compiled(function: Function) -> Function:
    """Compile when first called, without the GIL; kept on disk wherever that can be written."""
    before, config.CACHE_DIR = config.CACHE_DIR, str(_FOLDER)
    try:
        return numba.njit(nogil=True, error_model="numpy", cache=True)(function)  # type: ignore[no-any-return]
    except RuntimeError:  # no place to write to
        return numba.njit(nogil=True, error_model="numpy")(function)  # type: ignore[no-any-return]
    finally:
        config.CACHE_DIR = before


def inlined(function: Function) -> Function:
    """Compile as a part of whatever calls it."""
    return numba.njit(forceinline=True, nogil=True, error_model="numpy")(function)  # type: ignore[no-any-return]
