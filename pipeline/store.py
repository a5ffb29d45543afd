"""Where parts and ledger entries lie: a put-if-absent object store, a local folder or a bucket by its URL.

`s3://bucket/prefix` takes its endpoint and keys from the environment, as every tool of that world does: AWS_ENDPOINT_URL,
AWS_REGION, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, and AWS_ALLOW_HTTP=true for a server without TLS.
"""

import os
import re
import shutil
from functools import cached_property
from pathlib import Path
from uuid import uuid4

import obstore
from obstore.exceptions import AlreadyExistsError
from obstore.store import LocalStore, ObjectStore, from_url

from pipeline.cache import Cache
from pipeline.errors import BrokenPart

REMOTE = re.compile(r"(s3|s3a|gs|az|abfs):/+(.*)")


class Store:
    """Objects under one root. Every path is relative to it, with forward slashes.

    `create` is the only operation that decides anything: of two writers of one path exactly one gets True.

    Attributes:
        root: the absolute folder, or the URL of a bucket and prefix.
    """

    def __init__(self, root: Path | str) -> None:
        remote = REMOTE.fullmatch(str(root))  # a config's Path has lost one of the two slashes
        self.root: Path | str = f"{remote[1]}://{remote[2].rstrip('/')}" if remote else Path(root).absolute()

    def __reduce__(self) -> tuple[type["Store"], tuple[str]]:
        return Store, (str(self.root),)  # workers open their own connection

    @cached_property
    def _objects(self) -> ObjectStore:
        if isinstance(self.root, Path):
            return LocalStore(self.root, mkdir=True)
        opened: ObjectStore = from_url(self.root)
        return opened

    @cached_property
    def _cache(self) -> Cache:
        return Cache.of(str(self.root))

    def create(self, path: str, data: bytes) -> bool:
        """Write an object unless it exists; True if this call wrote it. Atomic on POSIX and on S3."""
        try:
            obstore.put(self._objects, path, data, mode="create")
        except AlreadyExistsError:
            return False
        return True

    def put(self, path: str, data: bytes | Path) -> None:
        """Write an object under its final name at once: readers see all of it or nothing.

        A file may become the object itself, without a copy: do not write to it afterwards. On POSIX it is on the disk
        (fsync) before it has its name.
        """
        if isinstance(data, Path) and isinstance(self.root, Path):
            _place(data, self.root / path)
        else:
            obstore.put(self._objects, path, data)

    def get(self, path: str) -> bytes:
        """The bytes of an object.

        Raises:
            BrokenPart: if it is not there.
        """
        if isinstance(self.root, Path):
            return self.fetch(path).read_bytes()
        try:
            return bytes(obstore.get(self._objects, path).bytes())
        except FileNotFoundError as error:
            raise self._missing(path) from error

    def fetch(self, path: str) -> Path:
        """A local file with the object's bytes; of a bucket, its copy in a cache.

        Raises:
            BrokenPart: if it is not there.
        """
        try:
            file = self.root / path if isinstance(self.root, Path) else self._cache.fetch(self._objects, path)
        except FileNotFoundError as error:
            raise self._missing(path) from error
        if not file.is_file():
            raise self._missing(path)
        return file

    def list(self, prefix: str) -> list[str]:
        """The paths of all objects below a prefix, sorted."""
        found = [item["path"] for batch in obstore.list(self._objects, prefix) for item in batch]
        return sorted(found)

    def delete(self, path: str) -> None:
        """Remove an object; no error if it is gone."""
        if isinstance(self.root, Path):
            (self.root / path).unlink(missing_ok=True)
        else:
            obstore.delete(self._objects, path)
            self._cache.forget(path)

    def _missing(self, path: str) -> BrokenPart:
        return BrokenPart(f"{path} is missing from {self.root}. Restore it, or delete its ledger entry and run again.")


def _place(source: Path, target: Path) -> None:
    """Give a file its name in the store: by a link where one file system holds both, else by a copy."""
    target.parent.mkdir(parents=True, exist_ok=True)
    staged = target.with_name(f".{target.name}.{uuid4().hex}")
    try:
        os.link(source, staged)
    except OSError:  # another file system, or one without links
        shutil.copyfile(source, staged)
    with staged.open("rb") as file:
        os.fsync(file.fileno())
    staged.replace(target)
