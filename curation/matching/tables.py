"""The index as flat arrays, and how they are probed. Two hash tables of 16-byte slots, key and value, probed one after another.

`words`: every word of the entries that stand between spaces. A word of up to eight bytes is its own key. A longer one's key
is 32 bits of its hash and the place of its bytes in `pool`, with which it is compared.
`edges`: a tree over the words of an entry, or over its characters where it needs no space on a side: (node, next word or
character) -> node. The key is exact, so nothing is left to compare.

A node's id is that of the entry that ends there; nodes at which none ends have ids from the number of entries on. A word is the
node of the entries that begin with it, and the next word's place in a key is taken by the node of that word.
"""

# ruff: noqa: PLR0917  (compiled code has no objects to hold its state)

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from curation.matching.jit import inlined
from curation.matching.machine import peek32, peek64, poke64, signed

Bytes = npt.NDArray[np.uint8]
Words = npt.NDArray[np.uint64]
Ids = npt.NDArray[np.int32]
Places = npt.NDArray[np.int64]

# A value: the id in the low 32 bits, flags, the length of a word (255 for all from there on), and one bit that is always set.
LOW = np.uint64(0xFFFFFFFF)
MORE = np.uint64(1 << 32)  # longer entries begin like this
INNER = np.uint64(1 << 33)  # a word that stands behind another one in some entry
USED = np.uint64(1 << 63)
LENGTH = np.uint64(40)
LENGTHS = np.uint64(0xFF << 40) | USED
HIGH = np.uint64(0xFFFFFFFF << 32)
NOTHING = np.uint64(0)
ONE, SIX, HALF, SIXTY_THREE = np.uint64(1), np.uint64(6), np.uint64(32), np.uint64(63)
FACTOR, MIXER = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xD6E8FEB86659FD93)
SHORT = 8  # bytes of a word that is its own key

ANYWHERE = np.uint64(0xFFFFFFFE)  # the node from which entries without a space in front begin
BEHIND_SPACE = np.uint64(0xFFFFFFFD)  # the node of those that have one in front and none behind
LAST_ID = 0xFFFFFFF0


class Index(NamedTuple):
    """The arrays.

    Attributes:
        words, edges: the tables, uint64, two numbers a slot; the slots are a power of two.
        hints: one bit for each edge, by its hash: most pairs that follow each other in texts are not edges.
        pool: uint8, the words of more than eight bytes, each behind its length.
        twins: int32, the next of equal entries, -1 for none; empty where all differ.
        starts: uint8, 256: whether an entry without a space in front begins with this byte.
        pairs, fours: bits by the first two, and by a hash of the first four, bytes of entries with a space in front alone.
        facts: int64: how many entries there are; the bytes of the longest word; the most words or characters of an entry;
            how many entries have no space on a side, and how many of those have one in front.
    """

    words: Words
    edges: Words
    hints: Words
    pool: Bytes
    twins: Ids
    starts: Bytes
    pairs: Words
    fours: Words
    facts: Places


class View(NamedTuple):
    """The addresses and the facts of an index; with how far a hash is shifted to give a slot, and what it is masked with."""

    words: int
    word_shift: int
    word_last: int
    edges: int
    edge_shift: int
    edge_last: int
    hints: int
    hint_last: int
    pool: int
    twins: int
    starts: int
    pairs: int
    fours: int
    entries: int
    longest: int
    depth: int
    bare: int
    behind: int


def view(index: Index) -> View:
    """How the compiled functions see an index, as long as that lives."""
    words, edges, hints, pool, twins, starts, pairs, fours, _ = (array.ctypes.data for array in index)
    entries, longest, depth, bare, behind = index.facts.tolist()
    return View(
        words=words,
        word_shift=shift_of(index.words),
        word_last=len(index.words) // 2 - 1,
        edges=edges,
        edge_shift=shift_of(index.edges),
        edge_last=len(index.edges) // 2 - 1,
        hints=hints,
        hint_last=len(index.hints) - 1,
        pool=pool,
        twins=twins if len(index.twins) else 0,
        starts=starts,
        pairs=pairs,
        fours=fours,
        entries=entries,
        longest=longest,
        depth=depth,
        bare=bare,
        behind=behind,
    )


def shift_of(table: Words) -> int:
    """How far a hash is shifted to give a slot of this table."""
    return 64 - (len(table).bit_length() - 2)


@inlined
def mixed(key: np.uint64, salt: np.uint64) -> np.uint64:
    """64 well-mixed bits."""
    x = (key ^ (key >> HALF) ^ (salt << np.uint64(17))) * FACTOR
    return np.uint64((x ^ (x >> np.uint64(29))) * MIXER)


@inlined
def first_bytes(number: np.uint64, length: int) -> np.uint64:
    """The first 1 to 8 bytes of a number in memory; all eight for 0, too."""
    spare = np.uint64((64 - 8 * length) & 63)
    return np.uint64((number << spare) >> spare)


@inlined
def width(byte: int) -> int:
    """How many bytes a character has, by its first one; a byte that begins none stands for itself."""
    return 1 if byte < 0xC0 or byte >= 0xF8 else 2 if byte < 0xE0 else 3 if byte < 0xF0 else 4


@inlined
def hash_word(start: int, length: int) -> np.uint64:
    """Of a word of more than eight bytes, in the high 32 bits."""
    stop = start + length - 8
    key = np.uint64(length) * FACTOR
    while start < stop:
        key = (key ^ peek64(start)) * MIXER
        key ^= key >> np.uint64(31)
        start += 8
    return np.uint64(((key ^ peek64(stop)) * MIXER) & HIGH)


@inlined
def same(known: int, start: int, length: int) -> bool:
    """Whether the long word that the pool has at an address is this one, byte by byte (eight at a time)."""
    if peek64(known) != np.uint64(length):
        return False
    k = 0
    while k < length - 8:
        if peek64(known + 8 + k) != peek64(start + k):
            return False
        k += 8
    return bool(peek64(known + length) == peek64(start + length - 8))


@inlined
def find_short(words: int, shift: int, last: int, start: int, length: int) -> int:
    """The address of the slot of a word of at most eight bytes, or of the free one (value 0) in which it would be put."""
    key = first_bytes(peek64(start), length) if length else NOTHING
    kind = USED | (np.uint64(length) << LENGTH)
    slot = signed(mixed(key, np.uint64(length)) >> np.uint64(shift))
    while True:
        place: int = words + 16 * slot
        value = peek64(place + 8)
        if (value & LENGTHS == kind and peek64(place) == key) or value == NOTHING:
            return place
        slot = (slot + 1) & last


@inlined
def find_long(words: int, shift: int, last: int, pool: int, start: int, length: int) -> int:
    """The same for a longer word."""
    key = hash_word(start, length)
    kind = USED | (np.uint64(min(length, 255)) << LENGTH)
    slot = signed(mixed(key, np.uint64(min(length, 255))) >> np.uint64(shift))
    while True:
        place: int = words + 16 * slot
        value = peek64(place + 8)
        if value == NOTHING:
            return place
        if value & LENGTHS == kind:
            known = peek64(place)
            if known & HIGH == key and same(pool + 8 * signed(known & LOW), start, length):
                return place
        slot = (slot + 1) & last


@inlined
def find_edge(edges: int, shift: int, last: int, key: np.uint64) -> int:
    """The address of the slot of an edge, or of the free one (value 0) in which it would be put."""
    slot = signed(mixed(key, NOTHING) >> np.uint64(shift))
    while True:
        place: int = edges + 16 * slot
        if peek64(place) == key or peek64(place + 8) == NOTHING:
            return place
        slot = (slot + 1) & last


@inlined
def hint(key: np.uint64) -> np.uint64:
    """A hash of an edge other than the one that finds its slot."""
    return np.uint64(mixed(key, NOTHING) >> np.uint64(7))


@inlined
def has_bit(bits: int, last: int, number: np.uint64) -> bool:
    """Whether a bit is set in the array of `last + 1` numbers, a power of two, at an address."""
    return bool((peek64(bits + 8 * (signed(number >> SIX) & last)) >> (number & SIXTY_THREE)) & ONE)


@inlined
def set_bit(bits: int, last: int, number: np.uint64) -> None:
    """Set such a bit."""
    place = bits + 8 * (signed(number >> SIX) & last)
    poke64(place, peek64(place) | (ONE << (number & SIXTY_THREE)))


@inlined
def four_bit(four: np.uint64) -> np.uint64:
    """The bit of `Index.fours` that belongs to four bytes."""
    return np.uint64(mixed(four, NOTHING) >> np.uint64(40))


PAIRS, FOURS = 1 << 10, 1 << 11  # numbers in `Index.pairs` and `Index.fours`


@inlined
def behind_space(pairs: int, fours: int, start: int) -> bool:
    """Whether an entry with a space in front alone may begin here."""
    four = peek32(start)
    return has_bit(fours, FOURS - 1, four_bit(four)) or has_bit(pairs, PAIRS - 1, four & np.uint64(0xFFFF))
