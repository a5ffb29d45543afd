"""The images of a shard, from img2dataset's tars to one of ours: our keys, row order, and bytes that never vary.

img2dataset writes members as they complete, keyed by their place in one attempt, stamped with the time. A tar that was cut
short by a kill gives up every sample that is whole in it.
"""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Meta = dict[str, Any]


@dataclass(frozen=True)
class Sample:
    """A downloaded image where it lies, and what img2dataset says about it."""

    tar: Path
    offset: int
    size: int
    meta: Meta

    def read(self) -> bytes:
        """The encoded image."""
        with self.tar.open("rb") as file:
            file.seek(self.offset)
            return file.read(self.size)


def harvest(path: Path, suffix: str) -> dict[int, Sample]:
    """Every sample that is whole in a tar of img2dataset's, by the number of its row."""
    found: dict[int, Sample] = {}
    for members in _groups(path):
        image, meta = members.get(suffix), members.get("json")
        if image and meta and "txt" in members:
            with path.open("rb") as file:
                file.seek(meta.offset_data)
                told = json.loads(file.read(meta.size))
            found[told["row"]] = Sample(path, image.offset_data, image.size, told)
    return found


def _groups(path: Path) -> Iterator[dict[str, tarfile.TarInfo]]:
    """The members of each key, by suffix. Members of one key stand together."""
    key, group = "", dict[str, tarfile.TarInfo]()
    for member in _members(path):
        stem, _, suffix = member.name.partition(".")
        if stem != key:
            yield group
            key, group = stem, {}
        group[suffix] = member
    yield group


def _members(path: Path) -> Iterator[tarfile.TarInfo]:
    if not path.exists() or not path.stat().st_size:
        return
    length = path.stat().st_size
    with tarfile.open(path, "r:") as tar:
        try:
            yield from (member for member in tar if member.offset_data + member.size <= length)
        except tarfile.ReadError:
            return  # cut short by a kill


def write_tar(path: Path, samples: Iterable[tuple[str, Sample, Meta]], suffix: str) -> list[tuple[str, int]]:
    """Write (key, sample, json) as a USTAR archive in img2dataset's layout: `<key>.<suffix>`, `<key>.json`, `<key>.txt`.

    Returns:
        sha256 and length of each stored image.
    """
    stored = []
    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as tar:
        for key, sample, meta in samples:
            image = sample.read()
            stored.append((hashlib.sha256(image).hexdigest(), len(image)))
            _add(tar, f"{key}.{suffix}", image)
            _add(tar, f"{key}.json", json.dumps(meta, indent=4).encode())
            _add(tar, f"{key}.txt", (meta["caption"] or "").encode("utf-8", "replace"))
    return stored


def _add(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    member = tarfile.TarInfo(name)  # its time, owner and group are 0 and empty unless they are set
    member.size, member.mode = len(data), 0o444
    tar.addfile(member, io.BytesIO(data))
