"""Arrow arrays of texts through the inner loop."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from curation.matching.kernels import DONE, FEW, MORE_FOUND, PADDING, Buffers, match_texts
from curation.matching.tables import Places, View
from curation.matching.texts import unpack
from pipeline.errors import DataError


class Room:
    """The buffers of one search, which grow as they must."""

    def __init__(self, view: View, offsets: Places) -> None:
        longest = int((offsets[1:] - offsets[:-1]).max(initial=0))
        self.offsets = offsets
        self.text = np.empty(3 * longest + 4 * PADDING, np.uint8)
        self.active = np.empty(view.depth + 1, np.uint64)
        self.found = np.empty(8 * (view.depth + 64), np.int32)
        self.out = np.empty(16 * len(offsets) + FEW, np.int32)
        self.ends = np.zeros(len(offsets), np.int64)
        self.buffers = self._buffers()

    def _buffers(self) -> Buffers:
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
        self.buffers = self._buffers()


def search(view: View, texts: pa.Array) -> pa.ListArray:
    """`Matcher.match`; the index that is viewed must live as long."""
    offsets, data = unpack(texts)
    room = Room(view, offsets)
    # The texts that have a whole block behind them are read where they are, the last ones from a copy.
    count = len(offsets) - 1
    inner = max(0, int(np.searchsorted(offsets, len(data) - PADDING, side="right")) - 1)
    tail = np.zeros(offsets[count] - offsets[inner] + PADDING, np.uint8)
    tail[:-PADDING] = data[offsets[inner] : offsets[count]]
    written = _run(view, room, data.ctypes.data, (0, inner), 0)
    written = _run(view, room, tail.ctypes.data - int(offsets[inner]), (inner, count), written)
    if written > np.iinfo(np.int32).max:
        raise DataError(f"{count} texts have {written} matches, more than one array holds. Match fewer at once.")
    ends = pa.array(room.ends.astype(np.int32))
    return pa.ListArray.from_arrays(ends, pa.array(room.out[:written].copy()))


def _run(view: View, room: Room, data: int, span: tuple[int, int], written: int) -> int:
    """Do the texts of a span; gives how many ids are written then."""
    done, last, offsets = *span, room.offsets.ctypes.data
    while done < last:
        done, written, why = match_texts(view, data, offsets, (done, last), written, room.buffers)
        if why != DONE:
            room.grow(why, written)
    return written
