"""Where parts and ledger entries lie: a put-if-absent object store (a local folder now; S3-compatible by its URL)."""

from functools import cached_property
from pathlib import Path

from obstore.exceptions import AlreadyExistsError
from obstore.store import LocalStore

from pipeline.errors import BrokenPart


class Store:
    """Objects under one root. Every path is relative to it, with forward slashes.

    `create` is the only operation that decides anything: of two writers of one path exactly one gets True.
    """

    def __init__(self, root: Path | str) -> None:
        self.root = Path(root).absolute()

    def __reduce__(self) -> tuple[type["Store"], tuple[str]]:
        return Store, (str(self.root),)  # workers open their own connection

    @cached_property
    def _objects(self) -> LocalStore:
        return LocalStore(self.root, mkdir=True)

    def create(self, path: str, data: bytes) -> bool:
        """Write an object unless it exists; True if this call wrote it. Atomic on POSIX and on S3."""
        try:
            self._objects.put(path, data, mode="create")
        except AlreadyExistsError:
            return False
        return True

    def put(self, path: str, data: bytes | Path) -> None:
        """Write an object under its final name at once: readers see all of it or nothing."""
        self._objects.put(path, data)

    def get(self, path: str) -> bytes:
        """The bytes of an object.

        Raises:
            BrokenPart: if it is not there.
        """
        return self.fetch(path).read_bytes()

    def fetch(self, path: str) -> Path:
        """A local file with the object's bytes.

        Raises:
            BrokenPart: if it is not there.
        """
        file = self.root / path
        if not file.is_file():
            raise BrokenPart(
                f"{path} is missing from {self.root}. Restore it, or delete its ledger entry and run again."
            )
        return file

    def list(self, prefix: str) -> list[str]:
        """The paths of all objects below a prefix, sorted."""
        found = [item["path"] for batch in self._objects.list(prefix) for item in batch]
        return sorted(found)

    def delete(self, path: str) -> None:
        """Remove an object; no error if it is gone."""
        (self.root / path).unlink(missing_ok=True)
