"""The index is built: entries are looked over, then put into the tables in the order of their length.

The order is what lets a node take the id of the entry that ends there: that entry comes before all that go on from it.
"""

# ruff: noqa: PLR0917  (compiled code has no objects to hold its state)

import numpy as np

from curation.matching.jit import compiled, inlined
from curation.matching.machine import peek32, peek64, poke64, signed
from curation.matching.tables import (
    ANYWHERE,
    BEHIND_SPACE,
    FOURS,
    HALF,
    HIGH,
    INNER,
    LAST_ID,
    LENGTH,
    LENGTHS,
    LOW,
    MORE,
    NOTHING,
    PAIRS,
    SHORT,
    USED,
    Bytes,
    Ids,
    Places,
    Words,
    find_edge,
    find_long,
    find_short,
    first_bytes,
    four_bit,
    hash_word,
    hint,
    mixed,
    set_bit,
    width,
)

NEVER, SPACED, BARE, BEHIND = 0, 1, 2, 3  # the kinds of entries; BEHIND has a space in front but none behind


@inlined
def code_point(data: Bytes, start: int) -> int:
    """Of the character that begins here, in well-formed UTF-8 or a surrogate so written."""
    first = signed(data[start])
    size = width(first)
    point = first if size == 1 else first & (0x7F >> size)
    for k in range(1, size):
        point = point << 6 | (signed(data[start + k]) & 0x3F)
    return int(point)


@inlined
def is_mark(byte: int) -> bool:
    """One of `, . ; : ? ! `` ` ``."""
    return byte in (44, 46, 59, 58, 63, 33, 96)


@inlined
def can_match(data: Bytes, start: int, stop: int) -> bool:
    """Whether a spaced text may hold these bytes: no tab, newline or carriage return, and spaces around every mark."""
    for k in range(start, stop):
        byte = data[k]
        if byte in (9, 10, 13):
            return False
        if is_mark(byte) and ((k > start and data[k - 1] != 32) or (k + 1 < stop and data[k + 1] != 32)):
            return False
    return True


@compiled
def survey(data: Bytes, offsets: Places, bare: Bytes, kinds: Bytes, depths: Ids) -> int:
    """Write the kind of each entry and how many words or characters it has; gives the bytes of the longest word.

    `bare` says of each code point whether it needs no space beside it; all zeros for MetaCLIP's form.
    """
    longest = 0
    for entry in range(len(offsets) - 1):
        start, stop = offsets[entry], offsets[entry + 1]
        if start == stop:
            continue
        last = stop - 1
        while last > start and data[last] & 0xC0 == 0x80:
            last -= 1
        left, right = bare[code_point(data, start)], bare[code_point(data, last)]
        # A mark at the edge of an entry has the entry's own space beside it, or the text's where the entry needs none.
        if not can_match(data, start, stop):
            continue
        kinds[entry] = BARE if left else BEHIND if right else SPACED
        if kinds[entry] == SPACED:
            depths[entry] = 1
            begun = start
            for k in range(start, stop):
                if data[k] == 32:
                    depths[entry] += 1
                    longest = max(longest, k - begun)
                    begun = k + 1
            longest = max(longest, stop - begun)
        else:
            for k in range(start, stop):
                depths[entry] += data[k] & 0xC0 != 0x80
            depths[entry] += 0 if right else 1
    return longest


@inlined
def shift_for(table: Words) -> int:
    """How far a hash is shifted to give a slot of this table."""
    slots, shift = len(table) // 2, 64
    while slots > 1:
        slots //= 2
        shift -= 1
    return shift


@inlined
def crowded(table: Words, slots: int) -> bool:
    """Whether more than three of five slots of a table would be taken."""
    return slots * 5 > len(table) // 2 * 3


@compiled
def wider(table: Words, words: bool) -> Words:
    """The same table with twice the slots."""
    made = np.zeros(2 * len(table), np.uint64)
    shift, last = np.uint64(shift_for(made)), len(table) - 1
    for old in range(len(table) // 2):
        key, value = table[2 * old], table[2 * old + 1]
        if value == NOTHING:
            continue
        length = (value & LENGTHS & ~USED) >> LENGTH if words else NOTHING
        hashed = key & HIGH if length > np.uint64(SHORT) else key
        slot = signed(mixed(hashed, length) >> shift)
        while made[2 * slot + 1] != NOTHING:
            slot = (slot + 1) & last
        made[2 * slot], made[2 * slot + 1] = key, value
    return made


@compiled
def roomier(pool: Bytes, size: int) -> Bytes:
    """The same bytes with zeros behind them; copied one by one, as numba takes two seconds to compile a slice's checks."""
    made = np.zeros(size, np.uint8)
    for k in range(len(pool)):
        made[k] = pool[k]
    return made


@compiled
def put_word(words: Words, pool: Bytes, state: Places, start: int, length: int, entry: int) -> int:
    """The address of the slot of a word; one that is new is put there, under the id `entry`, or a fresh one if that is -1.

    state: words, edges, bytes of the pool, next id.
    """
    table, shift, last = words.ctypes.data, shift_for(words), len(words) // 2 - 1
    if length > SHORT:
        slot = find_long(table, shift, last, pool.ctypes.data, start, length)
    else:
        slot = find_short(table, shift, last, start, length)
    if peek64(slot + 8) != NOTHING:
        return slot
    if length > SHORT:
        key = hash_word(start, length) | np.uint64(state[2] // 8)
        state[2] = pool_word(pool.ctypes.data, state[2], start, length)
    else:
        key = first_bytes(peek64(start), length) if length else NOTHING
    poke64(slot, key)
    poke64(slot + 8, USED | (np.uint64(min(length, 255)) << LENGTH) | fresh(state, entry))
    state[0] += 1
    return slot


@inlined
def pool_word(pool: int, place: int, start: int, length: int) -> int:
    """Write a word into the pool, behind its length; gives the next free place, a multiple of eight."""
    poke64(pool + place, np.uint64(length))
    for k in range(0, length - 8, 8):
        poke64(pool + place + 8 + k, peek64(start + k))
    poke64(pool + place + length, peek64(start + length - 8))
    return (place + 8 + length + 7) // 8 * 8


@inlined
def fresh(state: Places, entry: int) -> np.uint64:
    """The id of a new node at which `entry` ends, -1 for none."""
    if entry >= 0:
        return np.uint64(entry)
    state[3] += 1
    return np.uint64(state[3] - 1)


@compiled
def put_edge(edges: Words, state: Places, node: np.uint64, step: np.uint64, entry: int) -> int:
    """The address of the slot of an edge; one that is new leads to the id `entry`, or to a fresh one if that is -1."""
    key = (node << HALF) | step
    slot = find_edge(edges.ctypes.data, shift_for(edges), len(edges) // 2 - 1, key)
    if peek64(slot + 8) == NOTHING:
        poke64(slot, key)
        poke64(slot + 8, USED | fresh(state, entry))
        state[1] += 1
    return slot


@inlined
def flag(slot: int, bit: np.uint64) -> None:
    """Set a flag of a value."""
    poke64(slot + 8, peek64(slot + 8) | bit)


@inlined
def join(twins: Ids, first: int, entry: int) -> None:
    """Note that two entries are equal."""
    if first != entry:
        twins[entry] = twins[first]
        twins[first] = entry


@compiled
def build_spaced(
    data: Bytes,
    offsets: Places,
    order: Places,
    depths: Ids,
    tables: tuple[Words, Words, Bytes],
    state: Places,
    twins: Ids,
) -> tuple[Words, Words, Bytes]:
    """Put the entries that stand between spaces into the tables, in this order."""
    words, edges, pool = tables
    for entry in order:
        start, stop, depth = offsets[entry], offsets[entry + 1], depths[entry]
        while crowded(words, state[0] + depth):
            words = wider(words, True)
        while crowded(edges, state[1] + depth):
            edges = wider(edges, False)
        if state[2] + stop - start + 16 * depth + 64 > len(pool):
            pool = roomier(pool, 2 * (len(pool) + stop - start + 16 * depth))
        node, seen, begun = NOTHING, 0, start
        for k in range(start, stop + 1):
            if k < stop and data[k] != 32:
                continue
            seen += 1
            slot = put_word(words, pool, state, data.ctypes.data + begun, k - begun, entry if depth == 1 else -1)
            step = peek64(slot + 8) & LOW
            begun = k + 1
            if seen > 1:
                flag(slot, INNER)
                slot = put_edge(edges, state, node, step, entry if seen == depth else -1)
                step = peek64(slot + 8) & LOW
            if seen < depth:
                flag(slot, MORE)
            node = step
        join(twins, signed(node), entry)
        if state[3] > LAST_ID:
            break
    return words, edges, pool


@compiled
def build_bare(
    data: Bytes, offsets: Places, order: Places, kinds: Bytes, depths: Ids, edges: Words, state: Places, twins: Ids,
    starts: Bytes, pairs: Words, fours: Words,
) -> Words:  # fmt: skip
    """Put the entries that have no space on a side into the table of edges, character by character, in this order."""
    for entry in order:
        start, stop, depth = offsets[entry], offsets[entry + 1], depths[entry]
        while crowded(edges, state[1] + depth):
            edges = wider(edges, False)
        node, k = ANYWHERE, start
        if kinds[entry] == BARE:
            starts[data[start]] = 1
        else:
            node = BEHIND_SPACE
            note_beginning(pairs, fours, peek32(data.ctypes.data + start), stop - start)
        for seen in range(1, depth + 1):
            size = width(signed(data[k])) if k < stop else 1
            step = first_bytes(peek32(data.ctypes.data + k), size) if k < stop else np.uint64(32)
            slot = put_edge(edges, state, node, step, entry if seen == depth else -1)
            if seen < depth:
                flag(slot, MORE)
            node = peek64(slot + 8) & LOW
            k += size
        join(twins, signed(node), entry)
        if state[3] > LAST_ID:
            break
    return edges


@inlined
def note_beginning(pairs: Words, fours: Words, four: np.uint64, length: int) -> None:
    """Set the bit by which a text is known to go on, behind a space, like an entry of this many bytes."""
    if length < 4:
        set_bit(pairs.ctypes.data, PAIRS - 1, four & np.uint64(0xFFFF))
    else:
        set_bit(fours.ctypes.data, FOURS - 1, four_bit(four))


@compiled
def fill_hints(edges: Words, hints: Words) -> None:
    """Set the bit of every edge."""
    for slot in range(len(edges) // 2):
        if edges[2 * slot + 1] != NOTHING:
            set_bit(hints.ctypes.data, len(hints) - 1, hint(edges[2 * slot]))
