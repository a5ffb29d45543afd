"""A file that is hashed as it comes, and written and put on the disk by a thread of its own, while the next samples are made.

The thread only makes system calls, few and large: hashing there would ask for Python's lock at every piece and wait for it.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

BATCH = 1 << 20  #: bytes that go to the thread at a time
WAITING = 4  #: batches that may wait for it
PIECES = 512  #: of a batch that one system call takes


class Sink:
    """An open file. What is written to it must not change afterwards: nothing is copied.

    An error of the thread is raised by a later `write`, or by `digest`.
    """

    def __init__(self, path: Path) -> None:
        self._file = path.open("wb", buffering=0)
        self._hash = hashlib.sha256()
        self._thread = ThreadPoolExecutor(1)
        self._running: list[Future[None]] = []
        self._held: list[bytes | memoryview] = []
        self._size = 0

    def write(self, pieces: Sequence[bytes | memoryview], size: int) -> None:
        """Append pieces of `size` bytes together."""
        for piece in pieces:
            self._hash.update(piece)
        self._held += pieces
        self._size += size
        if self._size >= BATCH:
            self._send()

    def close(self) -> None:
        """Nothing comes any more; the thread goes on until all is on the disk."""
        self._send()
        self._running.append(self._thread.submit(self._finish))
        self._thread.shutdown(wait=False)

    def digest(self) -> str:
        """sha256 of the whole file, 64 hex digits, once it is closed and on the disk."""
        for running in self._running:
            running.result()
        return self._hash.hexdigest()

    def drop(self) -> None:
        """Let go of the file as it is; no error if it is closed."""
        self._thread.shutdown(wait=True, cancel_futures=True)
        self._file.close()

    def _send(self) -> None:
        if len(self._running) > WAITING:
            self._running.pop(0).result()
        self._running.append(self._thread.submit(self._put, self._held))
        self._held, self._size = [], 0

    def _put(self, pieces: list[bytes | memoryview]) -> None:
        for start in range(0, len(pieces), PIECES):
            _write(self._file.fileno(), pieces[start : start + PIECES])

    def _finish(self) -> None:
        os.fsync(self._file.fileno())
        self._file.close()


def _write(file: int, pieces: list[bytes | memoryview]) -> None:
    """Write all of the pieces; a disk may take fewer bytes at a time."""
    written, size = os.writev(file, pieces), sum(map(len, pieces))
    while written < size:
        rest = b"".join(pieces)[written:]
        written += os.write(file, rest)
