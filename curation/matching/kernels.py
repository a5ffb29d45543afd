"""The inner loop: texts are spaced one by one into a scratch buffer, and walked there word by word, character by character.

A text costs one pass over its bytes, 64 at a time, and one look-up a word; a word that begins longer entries costs one more
look-up, mostly of a single bit. Nothing here recurses or allocates, and what a text needs grows with its length alone.
All buffers are given as addresses, and have PADDING bytes behind their end that may be read and written.
"""

# ruff: noqa: PLR0917  (compiled code has no objects to hold its state)

from typing import NamedTuple

import numpy as np

from curation.matching.jit import compiled, inlined
from curation.matching.machine import (
    copy_block,
    lowest_bit,
    peek8,
    peek32,
    peek64,
    poke32,
    poke64,
    signed,
    smaller,
    spaces,
)
from curation.matching.tables import (
    ANYWHERE,
    BEHIND_SPACE,
    HALF,
    INNER,
    LOW,
    MORE,
    NOTHING,
    ONE,
    SHORT,
    View,
    behind_space,
    find_edge,
    find_long,
    find_short,
    first_bytes,
    has_bit,
    hint,
    width,
)

PADDING = 64
FEW = 64  # numbers that are ordered by counting the smaller ones
TOO_MANY = -1  # a count, where the buffer of ids is too small for a text
NONE = 0x80000000  # from here on numbers are negative as int32
DONE, MORE_FOUND, MORE_OUT = 0, 1, 2


class Buffers(NamedTuple):
    """What match_texts writes to: addresses, and how many numbers (int32) there is room for."""

    text: int
    active: int
    found: int
    found_room: int
    out: int
    out_room: int
    ends: int


class Reached(NamedTuple):
    """How many texts are done, how many ids are out, and why no more: DONE, or which buffer is too small for the next text."""

    texts: int
    total: int
    why: int


@inlined
def write_spaced(data: int, stop: int, text: int) -> int:
    """Write a text as it is searched; gives where that ends."""
    end = text + 1
    poke32(text, 32)
    while data < stop:
        size = min(stop - data, 64)
        marks = copy_block(data, end) & (~NOTHING >> np.uint64(64 - size))
        if marks == NOTHING:
            data += size
            end += size
        else:
            size = lowest_bit(marks)
            poke32(end + size, 32 | peek8(data + size) << 8 | 32 << 16)
            data += size + 1
            end += size + 3
    poke32(end, 32)
    return end + 1


@inlined
def order_few(found: int, count: int, ordered: int) -> int:
    """Write at most FEW numbers to `ordered`, ascending, each once; gives how many are left."""
    for k in range(count, (count + 15) // 16 * 16):
        poke32(found + 4 * k, 0x7FFFFFFF)
    for k in range(count):
        poke32(ordered + 4 * k, -1)
    for k in range(count):
        number = signed(peek32(found + 4 * k))
        rank = 0
        for block in range(0, count, 16):
            rank += smaller(found + 4 * block, number)
        poke32(ordered + 4 * rank, number)
    return close_gaps(ordered, count)


@inlined
def close_gaps(ordered: int, count: int) -> int:
    """Leave out the numbers that are negative."""
    kept = 0
    for k in range(count):
        number = signed(peek32(ordered + 4 * k))
        poke32(ordered + 4 * kept, number)
        kept += number < NONE
    return kept


@compiled
def order_many(found: int, count: int) -> int:
    """Order numbers in place, each once (a heap sort: no stack, and no input is slow); gives how many are left."""
    begin, end = count // 2, count
    while end > 1:
        if begin > 0:
            begin -= 1
        else:
            end -= 1
            last = peek32(found + 4 * end)
            poke32(found + 4 * end, signed(peek32(found)))
            poke32(found, signed(last))
        root = begin
        number = peek32(found + 4 * root)
        while 2 * root + 1 < end:
            child = 2 * root + 1
            if child + 1 < end and peek32(found + 4 * child) < peek32(found + 4 * child + 4):
                child += 1
            if number >= peek32(found + 4 * child):
                break
            poke32(found + 4 * root, signed(peek32(found + 4 * child)))
            root = child
        poke32(found + 4 * root, signed(number))
    kept = min(count, 1)
    for k in range(1, count):
        number = peek32(found + 4 * k)
        if number != peek32(found + 4 * kept - 4):
            poke32(found + 4 * kept, signed(number))
            kept += 1
    return kept


@inlined
def step_on(view: View, node: np.uint64, step: np.uint64) -> np.uint64:
    """The value of an edge, NOTHING if there is none."""
    key = (node << HALF) | step
    if not has_bit(view.hints, view.hint_last, hint(key)):
        return NOTHING
    return np.uint64(peek64(find_edge(view.edges, view.edge_shift, view.edge_last, key) + 8))


@inlined
def add(found: int, count: int, node: np.uint64, view: View) -> int:
    """Note the entry that ends at a node, if one does; gives the new count."""
    poke32(found + 4 * count, signed(node))
    return count + int(node < np.uint64(view.entries))


@compiled
def walk(view: View, place: int, stop: int, node: np.uint64, found: int, count: int) -> int:
    """Add the entries that go on from `node` with the characters from `place` on; gives the new count."""
    while place < stop:
        size = width(peek8(place))
        value = step_on(view, node, first_bytes(peek32(place), size))
        if value == NOTHING:
            break
        node = value & LOW
        count = add(found, count, node, view)
        if value & MORE == NOTHING:
            break
        place += size
    return count


@inlined
def look_up(view: View, start: int, length: int) -> np.uint64:
    """The value of a word, NOTHING if no entry has it."""
    if length <= SHORT:
        return np.uint64(peek64(find_short(view.words, view.word_shift, view.word_last, start, length) + 8))
    if length > view.longest:
        return NOTHING
    return np.uint64(peek64(find_long(view.words, view.word_shift, view.word_last, view.pool, start, length) + 8))


@inlined
def advance(view: View, buffers: Buffers, value: np.uint64, running: int, count: int) -> tuple[int, int]:
    """Add what a word of this value ends; gives how many entries have begun and not ended, and the new count."""
    node, still = value & LOW, 0
    if value & INNER:
        for k in range(running):
            step = step_on(view, peek64(buffers.active + 8 * k), node)
            if step != NOTHING:
                count = add(buffers.found, count, step & LOW, view)
                poke64(buffers.active + 8 * still, step & LOW)
                still += (step & MORE) != NOTHING
    if value != NOTHING:
        count = add(buffers.found, count, node, view)
        poke64(buffers.active + 8 * still, node)
        still += (value & MORE) != NOTHING
    return still, count


@inlined
def with_room(view: View, buffers: Buffers, count: int) -> int:
    """The count once there is room for what one place of a text can add; TOO_MANY if there is none."""
    if count + view.depth + 16 > buffers.found_room:
        count = order_many(buffers.found, count)
        if 2 * count + view.depth + 16 > buffers.found_room:
            return TOO_MANY
    return count


@inlined
def match_words(view: View, buffers: Buffers, stop: int) -> int:
    """Find the entries that begin behind a space; gives their count, or TOO_MANY."""
    count, running, start, block = 0, 0, buffers.text + 1, buffers.text + 1
    while block < stop:
        mask = spaces(block) & (~NOTHING >> np.uint64(64 - min(stop - block, 64)))
        while mask != NOTHING:
            place = block + lowest_bit(mask)
            mask &= mask - ONE
            running, count = advance(view, buffers, look_up(view, start, place - start), running, count)
            if view.behind and behind_space(view.pairs, view.fours, start):
                count = walk(view, start, stop, BEHIND_SPACE, buffers.found, count)
            start = place + 1
            count = with_room(view, buffers, count)
            if count < 0:
                return TOO_MANY
        block += 64
    return count


@inlined
def match_anywhere(view: View, buffers: Buffers, stop: int, count: int) -> int:
    """Find the entries that have no space in front; gives the new count, or TOO_MANY."""
    for place in range(buffers.text, stop):
        if peek8(view.starts + peek8(place)):
            count = with_room(view, buffers, walk(view, place, stop, ANYWHERE, buffers.found, count))
            if count < 0:
                return TOO_MANY
    return count


@inlined
def add_twins(view: View, buffers: Buffers, count: int) -> int:
    """Add the entries that are equal to those found; gives the new count, or TOO_MANY."""
    known = order_many(buffers.found, count)
    count = known
    for k in range(known):
        twin = signed(peek32(view.twins + 4 * signed(peek32(buffers.found + 4 * k))))
        while twin < NONE:
            if count + 16 > buffers.found_room:
                return TOO_MANY
            poke32(buffers.found + 4 * count, twin)
            count += 1
            twin = signed(peek32(view.twins + 4 * twin))
    return count


@inlined
def write_ordered(buffers: Buffers, count: int, total: int) -> int:
    """Write the ids that were found behind those that are already out; gives how many there are then."""
    target = buffers.out + 4 * total
    if count <= FEW:
        return total + order_few(buffers.found, count, target)
    count = order_many(buffers.found, count)
    for k in range(count):
        poke32(target + 4 * k, signed(peek32(buffers.found + 4 * k)))
    return total + count


@compiled
def match_texts(view: View, data: int, offsets: int, span: tuple[int, int], total: int, buffers: Buffers) -> Reached:
    """Write the ids of texts one after another, ascending and distinct in each, and where each text's end.

    Args:
        view: of the index.
        data, offsets: the texts' bytes, and where each begins (int64).
        span: the first text and the one behind the last.
        total: the ids that are already written.
        buffers: to write to.
    """
    for number in range(span[0], span[1]):
        begin, end = signed(peek64(offsets + 8 * number)), signed(peek64(offsets + 8 * number + 8))
        stop = write_spaced(data + begin, data + end, buffers.text)
        count = match_words(view, buffers, stop)
        if count >= 0 and view.bare > view.behind:
            count = match_anywhere(view, buffers, stop, count)
        if count >= 0 and view.twins:
            count = add_twins(view, buffers, count)
        if count < 0:
            return Reached(number, total, MORE_FOUND)
        if total + max(count, FEW) > buffers.out_room:
            return Reached(number, total, MORE_OUT)
        total = write_ordered(buffers, count, total)
        poke64(buffers.ends + 8 * number + 8, np.uint64(total))
    return Reached(span[1], total, DONE)
