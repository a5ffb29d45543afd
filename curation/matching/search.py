"""Arrow arrays of texts through the inner loop."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from curation.matching.kernels import DONE, FEW, MORE_FOUND, PADDING, Buffers, match_texts
from curation.matching.tables import Bytes, Index, Places, View, view
from pipeline.errors import DataError


class Room:
    """The buffers of one search, which grow as they must."""

    def __init__(self, index: Index, offsets: Places) -> None:
        self.offsets = offsets
        longest, depth = int(np.diff(offsets).max(initial=0)), int(index.facts[2])
        self.text = np.empty(3 * longest + 4 * PADDING, np.uint8)
        self.active = np.empty(depth + 1, np.uint64)
        self.found = np.empty(8 * (depth + 64), np.int32)
        self.out = np.empty(8 * len(offsets) + FEW, np.int32)
        self.ends = np.zeros(len(offsets), np.int64)

    def buffers(self) -> Buffers:
        """Where they are now."""
        return Buffers(
            text=self.text.ctypes.data,
            active=self.active.ctypes.data,
            found=self.found.ctypes.data,
            found_room=len(self.found) - 16,
            out=self.out.ctypes.data,
            out_room=len(self.out),
            ends=self.ends.ctypes.data,
        )

    def grow(self, reason: int, written: int) -> None:
        """Make the buffer larger that was too small."""
        if reason == MORE_FOUND:
            self.found = np.empty(2 * len(self.found), np.int32)
        else:
            larger = np.empty(2 * len(self.out) + len(self.found), np.int32)
            larger[:written] = self.out[:written]
            self.out = larger


def search(index: Index, texts: pa.Array) -> pa.ListArray:
    """`Matcher.match`."""
    offsets, data = unpack(texts)
    room = Room(index, offsets)
    # The texts that have a whole block behind them are read where they are, the last ones from a copy.
    count = len(offsets) - 1
    inner = max(0, int(np.searchsorted(offsets, len(data) - PADDING, side="right")) - 1)
    tail = np.zeros(offsets[count] - offsets[inner] + PADDING, np.uint8)
    tail[:-PADDING] = data[offsets[inner] : offsets[count]]
    seen = view(index)
    written = _run(seen, room, data.ctypes.data, (0, inner), 0)
    written = _run(seen, room, tail.ctypes.data - int(offsets[inner]), (inner, count), written)
    if written > np.iinfo(np.int32).max:
        raise DataError(f"{count} texts have {written} matches, more than one array holds. Match fewer at once.")
    ends = pa.array(room.ends.astype(np.int32))
    return pa.ListArray.from_arrays(ends, pa.array(room.out[:written].copy()))


def _run(seen: View, room: Room, data: int, span: tuple[int, int], written: int) -> int:
    """Do the texts of a span; gives how many ids are written then."""
    done, last = span
    while done < last:
        done, written, why = match_texts(seen, data, room.offsets.ctypes.data, (done, last), written, room.buffers())
        if why != DONE:
            room.grow(why, written)
    return written


def unpack(texts: pa.Array) -> tuple[Places, Bytes]:
    """Where each text begins (n + 1), and the bytes of all, which are not copied."""
    if isinstance(texts, pa.ChunkedArray):
        texts = texts.combine_chunks()
    large = pa.types.is_large_string(texts.type) or pa.types.is_large_binary(texts.type)
    if not (large or pa.types.is_string(texts.type) or pa.types.is_binary(texts.type)):
        texts = texts.cast(pa.string())
    _, places, data = texts.buffers()
    if not len(texts) or places is None:
        return np.zeros(1, np.int64), np.zeros(0, np.uint8)
    offsets = np.frombuffer(places, np.int64 if large else np.int32)[texts.offset : texts.offset + len(texts) + 1]
    return offsets.astype(np.int64), np.frombuffer(data or b"", np.uint8)
