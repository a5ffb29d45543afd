"""Reading shards by position. Only members of known suffixes are read, and nothing is ever unpickled."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from pipeline.errors import DataError

IMAGES = ("jpg", "jpeg", "png", "webp")
SUFFIXES = frozenset((*IMAGES, "txt", "json"))
MEMBER_BYTES = 64 << 20  #: a member larger than this is not read


class Unreadable(Exception):  # noqa: N818 - the state of a sample, not a fault of the program
    """Why a sample cannot be used. The training goes on without it and counts the reason."""


@dataclass(frozen=True)
class Raw:
    """A sample as it lies in its shard.

    Attributes:
        key: of the sample.
        image: encoded bytes.
        texts: `txt` and every top-level string of the json.
        fields: the whole json.
    """

    key: str
    image: bytes
    texts: Mapping[str, str]
    fields: Mapping[str, Any] = field(default_factory=dict)

    @property
    def uid(self) -> str:
        """Of the json; the key where it has none."""
        return self.texts.get("uid", self.key)


@dataclass(frozen=True)
class Members:
    """Where the members of one sample lie in their tar: suffix -> (offset, bytes)."""

    key: str
    places: Mapping[str, tuple[int, int]]


@dataclass
class Shards:
    """Tars of samples, addressed by (shard, position). Each tar is indexed when it is first read, in each process."""

    paths: Sequence[Path]
    _indices: dict[int, Sequence[Members]] = field(default_factory=dict)

    @classmethod
    def of(cls, folder: Path) -> Shards:
        """All tars of a folder, by name.

        Raises:
            DataError: if there are none.
        """
        paths = sorted(folder.glob("*.tar"))
        if not paths:
            raise DataError(f"No tar lies in {folder}. Give the folder of an export, where 00000000.tar is.")
        return cls(paths)

    @cached_property
    def sizes(self) -> tuple[int, ...]:
        """Samples of each shard: from `sizes.json` beside the tars, else by reading them."""
        noted = {folder: _noted(folder) for folder in {path.parent for path in self.paths}}
        counts = (noted[path.parent].get(path.name) for path in self.paths)
        return tuple(len(self._index(n)) if count is None else count for n, count in enumerate(counts))

    def read(self, shard: int, position: int) -> Raw:
        """One sample.

        Raises:
            Unreadable: if it lacks its image or its json is broken, or the tar is gone, damaged or ends before it.
        """
        try:
            index = self._index(shard)
        except DataError:
            index = self._indices[shard] = ()
        if position >= len(index):
            raise Unreadable("the shard is gone, damaged, or shorter than sizes.json says")
        members = index[position]
        data = _load(self.paths[shard], members)
        image = next((data[suffix] for suffix in IMAGES if suffix in data), None)
        if image is None:
            raise Unreadable("the sample has no image")
        return Raw(members.key, image, *_texts(data))

    def _index(self, shard: int) -> Sequence[Members]:
        if shard not in self._indices:
            self._indices[shard] = index_tar(self.paths[shard])
        return self._indices[shard]


def index_tar(path: Path) -> Sequence[Members]:
    """The samples of a tar in order. What lies behind a damaged header is lost; what lies before it is not.

    Raises:
        DataError: if the file is not there or is no tar at all.
    """
    found: dict[str, dict[str, tuple[int, int]]] = {}
    try:
        with tarfile.open(path, "r:") as tar:
            _collect(tar, found)
    except (tarfile.ReadError, OSError) as error:
        raise DataError(f"{path} cannot be read as a tar ({error}). Export it again, or leave it out.") from error
    return [Members(key, places) for key, places in found.items()]


def _collect(tar: tarfile.TarFile, found: dict[str, dict[str, tuple[int, int]]]) -> None:
    while member := _next(tar):
        key, _, suffix = member.name.rpartition("/")[2].partition(".")
        if member.isreg() and key and suffix.lower() in SUFFIXES and member.size <= MEMBER_BYTES:
            found.setdefault(key, {})[suffix.lower()] = (member.offset_data, member.size)


def _next(tar: tarfile.TarFile) -> tarfile.TarInfo | None:
    try:
        return tar.next()
    except tarfile.ReadError:
        return None


def _load(path: Path, members: Members) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    try:
        with path.open("rb") as file:
            for suffix, (offset, size) in members.places.items():
                file.seek(offset)
                found[suffix] = file.read(size)
    except OSError as error:
        raise Unreadable(f"the shard cannot be read ({type(error).__name__})") from error
    if any(len(found[suffix]) < size for suffix, (_, size) in members.places.items()):
        raise Unreadable("the shard ends in the middle of the sample")
    return found


def _texts(data: Mapping[str, bytes]) -> tuple[dict[str, str], dict[str, Any]]:
    try:
        fields = json.loads(data.get("json", b"{}"))
        text = data.get("txt", b"").decode()
    except ValueError as error:
        raise Unreadable(f"its json or txt is broken ({type(error).__name__})") from error
    if not isinstance(fields, dict):
        raise Unreadable("its json is not an object")
    return {"txt": text, **{name: value for name, value in fields.items() if isinstance(value, str)}}, fields


def _noted(folder: Path) -> Mapping[str, int]:
    path = folder / "sizes.json"
    if not path.is_file():
        return {}
    try:
        return {str(name): int(count) for name, count in json.loads(path.read_bytes()).items()}
    except (ValueError, AttributeError, TypeError) as error:
        raise DataError(f"{path} does not map tar names to counts ({error}). Correct or delete it.") from error
