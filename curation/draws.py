"""Keyed draws for many texts at once: one number in [0, 1) that belongs to (seed, purpose, uid, text), and to nothing else.

The function is SipHash-2-4 with 64 bits (Aumasson and Bernstein 2012, "SipHash: a fast short-input PRF"). Its key is the
blake2b-128 of `purpose`, NUL, `seed` in decimal; its message is the uid, NUL, and the text's bytes, or from LONG bytes on
the blake2b-128 of them. The number is the upper 53 bits of the hash, over 2**53: exact in a float64, and never 1.

`pipeline.rows.uniform` is the same promise for one row at a time; a Python call a text costs several times as much.
"""

import hashlib
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

FUNCTION = "siphash-2-4, v1"  #: name of what is computed here: part of the identity of whoever draws
LONG = 256  #: bytes from which a text enters by its digest, so that a few long texts do not keep the others waiting

Words = npt.NDArray[np.uint64]
_INITIAL = np.frombuffer(b"uespemosmodnarodarenegylsetybdet", "<u8")  # "somepseudorandomlygeneratedbytes", word by word


def uniforms(seed: int, purpose: str, uids: pa.Array, texts: pa.Array) -> npt.NDArray[np.float64]:
    """One number in [0, 1) for each of n texts.

    Args:
        seed: of the step that draws.
        purpose: what is drawn for; another purpose draws other numbers.
        uids: strings, n: the row of each text.
        texts: strings, n, none null.
    """
    key = hashlib.blake2b(f"{purpose}\0{seed}".encode(), digest_size=16).digest()
    messages = pc.binary_join_element_wise(uids.cast(pa.binary()), _shortened(texts.cast(pa.binary())), b"\0")
    return (siphash(key, messages) >> np.uint64(11)).astype(np.float64) * 2.0**-53


def _shortened(texts: pa.BinaryArray) -> pa.BinaryArray:
    """The texts, with those of LONG bytes or more replaced by their digests."""
    long = pc.greater_equal(pc.binary_length(texts), LONG)
    if not pc.any(long).as_py():
        return texts
    digests = [hashlib.blake2b(text.as_buffer(), digest_size=16).digest() for text in texts.filter(long)]
    return pc.replace_with_mask(texts, long, pa.array(digests, pa.binary()))


def siphash(key: bytes, messages: pa.BinaryArray) -> Words:
    """SipHash-2-4 of n byte strings, computed side by side, eight bytes of each at a time.

    Args:
        key: 16 bytes.
        messages: n byte strings, none null.

    Returns:
        uint64, n.
    """
    words, starts, lengths = _layout(messages)
    order = np.argsort(-lengths, kind="stable")  # the longest first: those that go on are always a prefix
    starts, lengths = starts[order], lengths[order]
    blocks = lengths // 8
    state = _keyed(key, len(messages))
    for block in range(int(blocks[0]) if len(blocks) else 0):
        going = int(np.searchsorted(-blocks, -block, side="left"))
        _absorb([v[:going] for v in state], words[starts[:going] + 8 * block])
    tail = words[starts + 8 * blocks] & ((np.uint64(1) << (lengths % 8 * 8).astype(np.uint64)) - np.uint64(1))
    _absorb(state, tail | lengths.astype(np.uint64) << np.uint64(56))
    state[2] ^= np.uint64(0xFF)
    spare = np.empty_like(state[0])
    for _ in range(4):
        _round(state, spare)
    found = np.empty_like(state[0])
    found[order] = state[0] ^ state[1] ^ state[2] ^ state[3]
    return found


def _layout(messages: pa.BinaryArray) -> tuple[Words, Any, Any]:
    """The eight bytes at every place of all messages as little-endian words, and where each message begins and how long it is."""
    _, offsets, data = messages.buffers()
    ends = np.frombuffer(offsets, np.int32)[messages.offset : messages.offset + len(messages) + 1].astype(np.int64)
    ends = ends if len(ends) else np.zeros(1, np.int64)
    raw = np.frombuffer(data, np.uint8)[ends[0] : ends[-1]] if data else np.empty(0, np.uint8)
    spared = np.concatenate([raw, np.zeros(8, np.uint8)])
    words: Words = np.ndarray((len(raw) + 1,), "<u8", spared, strides=(1,))
    return words, (ends - ends[0])[:-1], np.diff(ends)


def _keyed(key: bytes, length: int) -> list[Words]:
    low, high = np.frombuffer(key, "<u8")
    return [np.full(length, a ^ b) for a, b in zip(_INITIAL, (low, high, low, high), strict=True)]


def _absorb(state: list[Words], words: Words) -> None:
    spare = np.empty_like(words)
    state[3] ^= words
    _round(state, spare)
    _round(state, spare)
    state[0] ^= words


def _round(state: list[Words], spare: Words) -> None:
    """SipRound, in place."""
    a, b, c, d = state
    a += b
    _rotate(b, 13, spare)
    b ^= a
    _rotate(a, 32, spare)
    c += d
    _rotate(d, 16, spare)
    d ^= c
    a += d
    _rotate(d, 21, spare)
    d ^= a
    c += b
    _rotate(b, 17, spare)
    b ^= c
    _rotate(c, 32, spare)


def _rotate(word: Words, bits: int, spare: Words) -> None:
    np.right_shift(word, np.uint64(64 - bits), out=spare)
    np.left_shift(word, np.uint64(bits), out=word)
    np.bitwise_or(word, spare, out=word)
