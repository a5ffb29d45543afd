"""Local copies of a bucket's objects, for everything that wants a file.

Under `cache_root()`, by the bucket's URL and the object's path, so that what lies side by side there does so here. A copy holds as
long as the object's ETag does.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import obstore
from obstore.store import ObjectStore

from pipeline.local import cache_root

GIGABYTE = 1_000_000_000
IN_USE = 3600  #: seconds for which a copy that was asked for is not evicted


@dataclass(frozen=True)
class Cache:
    """The copies of one bucket.

    Attributes:
        folder: where they lie.
        limit: bytes above which the copies that were not asked for longest are deleted, if nobody uses them.
    """

    folder: Path
    limit: int

    @classmethod
    def of(cls, url: str) -> Cache:
        """The cache of a bucket; PAIRPOOL_CACHE_GB (100) is its limit."""
        name = hashlib.sha256(url.encode()).hexdigest()[:16]
        limit = float(os.environ.get("PAIRPOOL_CACHE_GB", "100")) * GIGABYTE
        return cls(cache_root() / name, int(limit))

    def fetch(self, objects: ObjectStore, path: str) -> Path:
        """The copy of an object, downloaded if there is none or the object has changed.

        Raises:
            FileNotFoundError: if there is no such object.
        """
        file, tag = self.folder / "objects" / path, self.folder / "tags" / path
        version = str(obstore.head(objects, path)["e_tag"])
        if file.is_file() and tag.is_file() and tag.read_text() == version:
            os.utime(file)
            return file
        self._download(objects, path, file)
        tag.parent.mkdir(parents=True, exist_ok=True)
        staged = tag.with_name(f".{tag.name}.{uuid4().hex}")
        staged.write_text(version)
        staged.replace(tag)
        self._evict()
        return file

    def forget(self, path: str) -> None:
        """Delete the copy of an object."""
        (self.folder / "tags" / path).unlink(missing_ok=True)
        (self.folder / "objects" / path).unlink(missing_ok=True)

    def _download(self, objects: ObjectStore, path: str, file: Path) -> None:
        """Beside its place first: of two processes that fetch one object the later one replaces equal bytes."""
        file.parent.mkdir(parents=True, exist_ok=True)
        staged = file.with_name(f".{file.name}.{uuid4().hex}")
        with staged.open("wb") as out:
            for chunk in obstore.get(objects, path).stream(min_chunk_size=4 << 20):
                out.write(chunk)
        staged.replace(file)

    def _evict(self) -> None:
        found = list(self._copies())
        total = sum(status.st_size for status, _ in found)
        for status, item in sorted(found, key=lambda one: one[0].st_mtime):
            if total <= self.limit or status.st_mtime > time.time() - IN_USE:
                return
            item.unlink(missing_ok=True)
            total -= status.st_size

    def _copies(self) -> Iterator[tuple[os.stat_result, Path]]:
        """Every copy that is there; what another process deletes or renames meanwhile is not."""
        for item in (self.folder / "objects").rglob("*"):
            with suppress(FileNotFoundError):
                if item.is_file():
                    yield item.stat(), item
