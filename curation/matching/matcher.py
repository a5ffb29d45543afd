"""One metadata set, ready to be found in texts."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from pipeline.errors import DataError
from pipeline.local import cache_root

if TYPE_CHECKING:
    from curation.matching.tables import Index

log = logging.getLogger(__name__)
WORTH_KEEPING = 10_000  # entries; fewer are indexed in milliseconds


class Matcher:
    """One metadata set, ready to be found in texts.

    Args:
        entries: the ids are the places in this sequence. An empty entry never matches; equal ones all do.
        space_free: whether the entries are wrapped in the worldwide form.
    """

    def __init__(self, entries: Sequence[str] = (), space_free: bool = False) -> None:
        from curation.matching.entries import build_index, pack

        self._use(build_index(pack(entries), space_free))

    def _use(self, index: Index) -> None:
        from curation.matching.tables import view

        self._index, self._view = index, view(index)

    @classmethod
    def open(cls, path: Path) -> Matcher:
        """A matcher over an index file, which all processes that open it share.

        Raises:
            DataError: if the file is no whole index.
        """
        from curation.matching.store import read_index

        made = cls.__new__(cls)
        made._use(read_index(path))
        return made

    @classmethod
    def cached(cls, entries: Sequence[str], space_free: bool = False, folder: Path | None = None) -> Matcher:
        """The matcher over the index that lies in the cache; built if it is not there, or is damaged.

        Few entries are indexed in memory; so are all where the cache cannot be written.

        Args:
            entries, space_free: as above.
            folder: of the index files; `matching` in pairpool's cache if none is named.
        """
        if len(entries) < WORTH_KEEPING:
            return cls(entries, space_free)
        from curation.matching.entries import build_index, digest, pack
        from curation.matching.store import read_index

        packed = pack(entries)
        path = (folder or cache_root() / "matching") / f"{digest(packed, space_free)}.index"
        made = cls.__new__(cls)
        try:
            made._use(read_index(path))
        except (OSError, DataError):
            made._use(build_index(packed, space_free))
            try:
                made.save(path)
                made._use(read_index(path))
            except OSError as error:
                log.warning("the index of %d entries stays in memory: %s", len(entries), error)
        return made

    def save(self, path: Path) -> None:
        """Write the index to a file that `open` takes."""
        from curation.matching.store import write_index

        write_index(self._index, path)

    @property
    def nbytes(self) -> int:
        """Of the index."""
        return sum(array.nbytes for array in self._index)

    def match_text(self, text: str) -> list[int]:
        """The ids of all entries that a text contains, each once, ascending."""
        found: list[int] = self.match(pa.array([text.encode("utf-8", "surrogatepass")], pa.binary()))[0].as_py()
        return found

    def match(self, texts: pa.Array) -> pa.ListArray:
        """The ids of all entries that each text contains, each once a text, ascending.

        Args:
            texts: n strings (or UTF-8 in binary form), none null.

        Returns:
            `list<int32>`, n.

        Raises:
            DataError: if there are more matches than one list array holds (2**31 - 1).
        """
        from curation.matching.search import search

        return search(self._view, texts)
