"""Samples to shards: numbered tars up to a number of samples or bytes, and the small files that readers look for beside them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from pipeline.errors import ConfigError
from workflows.export.sample import Sample, Suffix, laid
from workflows.export.sink import Sink
from workflows.export.ustar import BLOCK, closing

SIZES = "sizes.json"  #: {"00000000.tar": samples}: open_clip_train reads the number of samples from it


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
        digests: file name -> sha256 of the tars, once they are closed.
    """

    folder: Path
    suffix: Suffix = "jpg"
    samples: int = 10_000
    limit: int | None = None
    sizes: dict[str, int] = field(default_factory=dict)
    bytes: int = 0
    digests: dict[str, str] = field(default_factory=dict)
    _name: str = ""
    _sink: Sink | None = None
    _last: tuple[str, Sink] | None = None
    _at: int = 0

    def add(self, sample: Sample) -> Place:
        """Append a sample, in a new shard if it does not fit in the last one; where it lies."""
        pieces = laid(sample, self.suffix)
        size = BLOCK + len(sample.image) + len(pieces[2])
        if self._sink is None or self._full(size):
            self._open()
        assert self._sink is not None
        place = Place(self._name, self.sizes[self._name], self._at + BLOCK, len(sample.image))
        self._sink.write(pieces, size)
        self._at += size
        self.sizes[self._name] += 1
        return place

    def close(self) -> dict[str, Path]:
        """Finish, and give every file of the export by its name: tars, `sizes.json` and one `_stats.json` a shard."""
        self._finish()
        self._settle()
        found = {name: self.folder / name for name in self.sizes}
        found[SIZES] = _json(self.folder / SIZES, self.sizes)
        for name, samples in self.sizes.items():
            stats = name.replace(".tar", "_stats.json")
            found[stats] = _json(self.folder / stats, _statistics(samples))
        return found

    def _full(self, coming: int) -> bool:
        size = self._at + coming
        return self.sizes[self._name] == self.samples or (
            self.limit is not None and size + len(closing(size)) > self.limit
        )

    def _open(self) -> None:
        self._finish()
        self._name = f"{len(self.sizes):08d}.tar"
        self.sizes[self._name] = 0
        self._sink, self._at = Sink(self.folder / self._name), 0

    def _finish(self) -> None:
        """End the shard; it goes to the disk while the next is written, but no third one begins before."""
        if self._sink is None:
            return
        end = closing(self._at)
        self._sink.write((end,), len(end))
        self._sink.close()
        self.bytes += self._at + len(end)
        self._settle()
        self._last, self._sink = (self._name, self._sink), None

    def _settle(self) -> None:
        """Wait for the shard that was ended last."""
        if self._last:
            name, sink = self._last
            self.digests[name], self._last = sink.digest(), None

    def drop(self) -> None:
        """Let go of whatever is open."""
        for sink in [self._sink, *([self._last[1]] if self._last else [])]:
            if sink:
                sink.drop()


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
        writer.drop()


def _statistics(samples: int) -> dict[str, int]:
    """img2dataset's account of a shard: DataComp's resharder reads `successes`."""
    return {"count": samples, "successes": samples, "failed_to_download": 0, "failed_to_resize": 0}


def _json(path: Path, value: object) -> Path:
    path.write_text(json.dumps(value, indent=1) + "\n", encoding="utf-8")
    return path
