"""Entries as bytes, and the index of them."""

from collections.abc import Sequence
from hashlib import blake2b
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from curation.matching.forms import PUNCTUATION, SPACE_FREE
from curation.matching.store import FORMAT
from curation.matching.tables import FOURS, LAST_ID, PAIRS, Bytes, Ids, Index, Places
from curation.matching.texts import unpack
from pipeline.errors import DataError

BLOCK = 1 << 16  # entries that are Arrow's at a time
PADDING = 64


class Packed(NamedTuple):
    """n texts as bytes: text i lies from `offsets[i]` to `offsets[i + 1]`, and PADDING bytes follow the last."""

    data: Bytes
    offsets: Places


def pack(entries: Sequence[str]) -> Packed:
    """Entries in UTF-8; lone surrogates as three bytes each."""
    blocks, lengths = [], [np.zeros(1, np.int64)]
    for start in range(0, len(entries), BLOCK):
        column = _binary(entries[start : start + BLOCK])
        offsets, data = unpack(column)
        blocks.append(data[offsets[0] : offsets[-1]])
        lengths.append(np.diff(offsets))
    blocks.append(np.zeros(PADDING, np.uint8))
    data = np.concatenate(blocks)
    data.flags.writeable = False
    return Packed(data, np.cumsum(np.concatenate(lengths)))


def _binary(entries: Sequence[str]) -> pa.Array:
    try:
        return pa.array(entries, pa.string())
    except (UnicodeEncodeError, pa.ArrowInvalid):
        return pa.array([entry.encode("utf-8", "surrogatepass") for entry in entries], pa.binary())


def digest(packed: Packed, space_free: bool) -> str:
    """Of entries, their order, the form in which they are wrapped, and the format of the index."""
    made = blake2b(f"{FORMAT} {space_free} {np.little_endian}".encode(), digest_size=16)
    made.update(packed.offsets.data)
    made.update(packed.data.data)
    return made.hexdigest()


def build_index(packed: Packed, space_free: bool) -> Index:
    """The index of entries, whose ids are their places.

    Raises:
        DataError: if they are more than the index can number (4 billion beginnings of entries).
    """
    from curation.matching import building

    data, offsets = packed
    count = len(offsets) - 1
    kinds, depths = np.zeros(count, np.uint8), np.zeros(count, np.int32)
    longest = building.survey(data, offsets, _bare(space_free), kinds, depths)
    state = np.array([0, 0, 0, count], np.int64)
    twins = np.full(count, -1, np.int32)
    tables = (np.zeros(1 << 11, np.uint64), np.zeros(1 << 11, np.uint64), np.zeros(1 << 12, np.uint8))
    spaced = _by_depth(np.flatnonzero(kinds == building.SPACED), depths)
    words, edges, pool = building.build_spaced(data, offsets, spaced, depths, tables, state, twins)
    starts, pairs, fours = np.zeros(256, np.uint8), np.zeros(PAIRS, np.uint64), np.zeros(FOURS, np.uint64)
    bare = _by_depth(np.flatnonzero(kinds >= building.BARE), depths)
    edges = building.build_bare(data, offsets, bare, kinds, depths, edges, state, twins, starts, pairs, fours)
    if state[3] > LAST_ID:
        raise DataError(
            f"{count} entries have too many beginnings to be numbered. Split the metadata into several sets."
        )
    hints = np.zeros(1 << max(0, int(state[1]).bit_length() - 3), np.uint64)
    building.fill_hints(edges, hints)
    behind = int((kinds == building.BEHIND).sum())
    facts = np.array([count, longest, max(1, depths.max(initial=1)), len(bare), behind], np.int64)
    known = twins if (twins >= 0).any() else twins[:0].copy()
    return Index(words, edges, hints, pool[: state[2] + PADDING].copy(), known, starts, pairs, fours, facts)


def _by_depth(chosen: Places, depths: Ids) -> Places:
    return chosen[np.argsort(depths[chosen], kind="stable")]


def _bare(space_free: bool) -> Bytes:
    """For each code point, whether the worldwide form has no space beside it; nothing for MetaCLIP's form."""
    bare = np.zeros(0x110000, np.uint8)
    if space_free:
        for low, high in SPACE_FREE:
            bare[low : high + 1] = 1
        bare[[ord(mark) for mark in PUNCTUATION]] = 1
    return bare
