"""Samples to shards: numbered tars up to a number of samples or bytes, and the small files that readers look for beside them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, NamedTuple

from pipeline.errors import ConfigError
from workflows.export.sample import Sample, Suffix, members
from workflows.export.ustar import BLOCK, closing, header, padding

SIZES = "sizes.json"  #: {"00000000.tar": samples}: open_clip_train reads the number of samples from it
BUFFER = 1 << 20


class Place(NamedTuple):
    """Where a sample lies: its shard, its position in it, and the offset and length of its image in bytes."""

    shard: str
    position: int
    offset: int
    bytes: int


@dataclass
class ShardWriter:
    """Writes `00000000.tar`, `00000001.tar`, ... of `samples` each; the last may have fewer. None is ever empty.

    Attributes:
        folder: where they go.
        suffix: of the image members.
        samples: how many samples a shard holds at most.
        limit: how many bytes it has at most, its end included, if one sample alone has not more.
        sizes: file name -> samples, as far as written.
        bytes: of all tars so far.
    """

    folder: Path
    suffix: Suffix = "jpg"
    samples: int = 10_000
    limit: int | None = None
    sizes: dict[str, int] = field(default_factory=dict)
    bytes: int = 0
    _file: BinaryIO | None = None
    _at: int = 0

    def add(self, sample: Sample) -> Place:
        """Append a sample, in a new shard if it does not fit in the last one; where it lies."""
        data = b"".join(
            piece
            for name, held in members(sample, self.suffix)
            for piece in (header(name, len(held)), held, padding(len(held)))
        )
        if self._file is None or self._full(len(data)):
            self._open()
        assert self._file is not None
        place = Place(self._name, self.sizes[self._name], self._at + BLOCK, len(sample.image))
        self._file.write(data)
        self._at += len(data)
        self.sizes[self._name] += 1
        return place

    def close(self) -> dict[str, Path]:
        """Finish, and give every file of the export by its name: tars, `sizes.json` and one `_stats.json` a shard."""
        self._finish()
        found = {name: self.folder / name for name in self.sizes}
        found[SIZES] = _json(self.folder / SIZES, self.sizes)
        for name, samples in self.sizes.items():
            stats = name.replace(".tar", "_stats.json")
            found[stats] = _json(self.folder / stats, _statistics(samples))
        return found

    @property
    def _name(self) -> str:
        return f"{len(self.sizes) - 1:08d}.tar"

    def _full(self, coming: int) -> bool:
        size = self._at + coming
        return self.sizes[self._name] == self.samples or (
            self.limit is not None and size + len(closing(size)) > self.limit
        )

    def _open(self) -> None:
        self._finish()
        self.sizes[f"{len(self.sizes):08d}.tar"] = 0
        self._file, self._at = (self.folder / self._name).open("wb", buffering=BUFFER), 0

    def _finish(self) -> None:
        if self._file is None:
            return
        self._file.write(closing(self._at))
        self.bytes += self._at + len(closing(self._at))
        self._file.close()
        self._file = None


@contextmanager
def writing(
    folder: Path, suffix: Suffix = "jpg", samples: int = 10_000, limit: int | None = None
) -> Iterator[ShardWriter]:
    """A writer whose file is closed whatever happens; call `close` on it for the list of files.

    Raises:
        ConfigError: if a shard may hold no sample.
    """
    if samples < 1:
        raise ConfigError(f"A shard of {samples} samples cannot be written. Set shard_samples to 1 or more.")
    folder.mkdir(parents=True, exist_ok=True)
    writer = ShardWriter(folder, suffix, samples, limit)
    try:
        yield writer
    finally:
        writer._finish()


def _statistics(samples: int) -> dict[str, int]:
    """img2dataset's account of a shard: DataComp's resharder reads `successes`."""
    return {"count": samples, "successes": samples, "failed_to_download": 0, "failed_to_resize": 0}


def _json(path: Path, value: object) -> Path:
    path.write_text(json.dumps(value, indent=1) + "\n", encoding="utf-8")
    return path
