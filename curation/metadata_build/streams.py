"""Files as streams of bytes and texts: compressed or not, whole or cut short, never read into memory at once."""

from __future__ import annotations

import bz2
import gzip
import lzma
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import pyarrow as pa

from pipeline.errors import ConfigError, DataError

#: Told the file, how many of its bytes were read, and how many it has.
Watch = Callable[[Path, int, int], None]
BLOCK = 4 << 20
MARK = b"\xef\xbb\xbf"  # of the byte order, which some editors put before UTF-8


class Source(Protocol):
    """What a reader needs of a file."""

    def read(self, size: int, /) -> bytes:
        """The next bytes; none at the end."""


def unwatched(_path: Path, _done: int, _total: int) -> None:
    """Nobody looks."""


def require(path: Path) -> Path:
    """The path, if it is a file that can be read. Raises ConfigError."""
    if not path.is_file():
        raise ConfigError(f"{path} is {'not a file' if path.exists() else 'not there'}. Check the path that was given.")
    return path


@contextmanager
def opened(path: Path, watch: Watch = unwatched) -> Iterator[Source]:
    """The content of a file: .gz, .bz2, .xz and .zst are decompressed, any other is read as it is.

    Raises:
        DataError: if the file cannot be read to its end, for example because it was cut short.
    """
    total = path.stat().st_size
    try:
        with path.open("rb") as raw:
            inner = _decompressed(path.suffix.lower(), raw)

            class Told:
                def read(self, size: int, /) -> bytes:
                    found: bytes = inner.read(size)
                    watch(path, raw.tell(), total)
                    return found

            yield Told()
    except (EOFError, zlib.error, lzma.LZMAError, OSError, pa.ArrowInvalid) as error:
        raise DataError(f"{path} cannot be read to its end ({error}). Fetch it again, or name another file.") from error


def _decompressed(suffix: str, raw):  # type: ignore[no-untyped-def]  # the libraries' readers share no type
    if suffix == ".gz":
        return gzip.GzipFile(fileobj=raw)
    if suffix == ".bz2":
        return bz2.BZ2File(raw)
    if suffix == ".xz":
        return lzma.LZMAFile(raw)
    if suffix == ".zst":
        return pa.CompressedInputStream(pa.PythonFile(raw, "r"), "zstd")
    return raw


def blocks(path: Path, watch: Watch = unwatched, size: int = BLOCK) -> Iterator[bytes]:
    """A file in pieces that end at line ends; a line longer than four pieces is cut at a space, or where it must be."""
    with opened(path, watch) as source:
        rest, first = b"", True
        while found := source.read(size):
            rest += found.removeprefix(MARK) if first else found
            first = False
            end = rest.rfind(b"\n") + 1
            if not end and len(rest) > 4 * size:
                end = _character_end(rest, rest.rfind(b" ") + 1 or len(rest))
            if end:
                yield rest[:end]
                rest = rest[end:]
        if rest:
            yield rest


def _character_end(text: bytes, end: int) -> int:
    """The last place not after `end` that lies between two characters of UTF-8."""
    while 0 < end < len(text) and text[end] & 0xC0 == 0x80:
        end -= 1
    if end == len(text):
        end -= next((k for k in (1, 2, 3) if text[-k] & 0xC0 == 0xC0), 0)
    return end or len(text)


def texts(path: Path, watch: Watch = unwatched, size: int = BLOCK) -> Iterator[str]:
    """A text file in pieces that end at line ends. Raises DataError if it is not UTF-8, naming the place."""
    before = 0
    for block in blocks(path, watch, size):
        try:
            yield block.decode("utf-8")
        except UnicodeDecodeError as error:
            raise DataError(
                f"{path} is not UTF-8: {error.reason} at byte {before + error.start}. Convert it, for example with iconv."
            ) from error
        before += len(block)


def sums(path: Path, watch: Watch = unwatched) -> Iterator[tuple[list[str], list[int]]]:
    """The keys and numbers of a list of `key<TAB>number` lines, in pieces. Raises DataError naming a line that is none."""
    before = 0
    for text in texts(path, watch):
        rows = text.split("\n")
        pairs = [_pair(path, before + place, row) for place, row in enumerate(rows, 1) if row.strip()]
        yield [key for key, _ in pairs], [number for _, number in pairs]
        before += len(rows) - 1


def _pair(path: Path, line: int, row: str) -> tuple[str, int]:
    key, _, number = row.removesuffix("\r").rpartition("\t")
    if not key or not number.isdecimal() or len(number) > 18:
        raise DataError(f"{path}, line {line}: {row[:60]!r} is not a text, a tab and a whole number.")
    return key, int(number)
