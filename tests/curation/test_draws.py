"""Keyed draws: SipHash-2-4 against its published vectors and a plain second implementation, and numbers that mix well."""

import hashlib
import math
import struct

import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.draws import LONG, siphash, uniforms

KEY = bytes(range(16))
MASK = (1 << 64) - 1


def plain(key, message):
    """SipHash-2-4 by the paper's section 2, one message at a time."""
    k0, k1 = struct.unpack("<QQ", key)
    v = [k0 ^ 0x736F6D6570736575, k1 ^ 0x646F72616E646F6D, k0 ^ 0x6C7967656E657261, k1 ^ 0x7465646279746573]

    def rotate(x, b):
        return (x << b | x >> (64 - b)) & MASK

    def rounds(times):
        for _ in range(times):
            v[0] = (v[0] + v[1]) & MASK
            v[2] = (v[2] + v[3]) & MASK
            v[1], v[3] = rotate(v[1], 13) ^ v[0], rotate(v[3], 16) ^ v[2]
            v[0] = rotate(v[0], 32)
            v[2] = (v[2] + v[1]) & MASK
            v[0] = (v[0] + v[3]) & MASK
            v[1], v[3] = rotate(v[1], 17) ^ v[2], rotate(v[3], 21) ^ v[0]
            v[2] = rotate(v[2], 32)

    padded = message + bytes(7 - len(message) % 8) + bytes([len(message) % 256])
    for (word,) in struct.iter_unpack("<Q", padded):
        v[3] ^= word
        rounds(2)
        v[0] ^= word
    v[2] ^= 0xFF
    rounds(4)
    return v[0] ^ v[1] ^ v[2] ^ v[3]


def binary(*messages):
    return pa.array(messages, pa.binary())


def draw(pairs, seed=0, purpose="balance"):
    uids, texts = zip(*pairs, strict=True)
    return uniforms(seed, purpose, pa.array(uids, pa.string()), pa.array(texts, pa.string()))


def test_the_published_vectors():
    """Messages 00, 00 01, ... under the key 00 01 ... 0f (the paper's appendix A gives the one of 15 bytes)."""
    found = siphash(KEY, binary(*(bytes(range(length)) for length in range(64))))
    assert [word.tobytes().hex() for word in found[:4]] == [
        "310e0edd47db6f72",
        "fd67dc93c539f874",
        "5a4fa9d909806c0d",
        "2d7efbd796666785",
    ]
    assert found[15] == 0xA129CA6149BE45E5
    assert found[63].tobytes().hex() == "724506eb4c328a95"


@settings(max_examples=60)
@given(st.binary(min_size=16, max_size=16), st.lists(st.binary(max_size=70), max_size=20), st.integers(0, 20))
def test_side_by_side_is_one_by_one(key, messages, start):
    array = pa.array(messages, pa.binary())
    assert siphash(key, array).tolist() == [plain(key, message) for message in messages]
    assert siphash(key, array.slice(start)).tolist() == [plain(key, message) for message in messages[start:]]


def test_the_number_is_as_documented():
    key = hashlib.blake2b(b"balance\x007", digest_size=16).digest()
    word = plain(key, b"a1\0" + "東京 photo".encode())
    assert draw([("a1", "東京 photo")], seed=7)[0] == (word >> 11) / 2**53
    long = "x" * LONG
    word = plain(key, b"a1\0" + hashlib.blake2b(long.encode(), digest_size=16).digest())
    assert draw([("a1", long)], seed=7)[0] == (word >> 11) / 2**53


def test_seed_purpose_uid_and_text_each_change_it_and_company_does_not():
    alone = draw([("a", "text")])[0]
    assert draw([("b", "x" * 5000), ("a", "text"), ("a", "")])[1] == alone
    others = [draw([("a", "text")], seed=1), draw([("a", "text")], purpose="else"), draw([("a", "texts")])]
    assert alone not in np.concatenate([*others, draw([("b", "text")]), draw([("", "atext")])])
    assert (
        len(draw([("a", "x")])) == 1
        and len(uniforms(0, "p", pa.array([], pa.string()), pa.array([], pa.string()))) == 0
    )


def test_bytes_that_are_no_utf8_draw_too():
    """A lone surrogate, as some lists bring it: three bytes that no decoder takes."""
    bad = pa.Array.from_buffers(
        pa.string(), 1, [None, pa.py_buffer(struct.pack("<ii", 0, 3)), pa.py_buffer(b"\xed\xa0\x80")]
    )
    assert 0 <= uniforms(0, "p", pa.array(["a"]), bad)[0] < 1


def test_numbers_are_even_and_neighbours_independent():
    """Uids that count up, two texts each: every statistic within 4 standard deviations."""
    n = 100_000
    first = draw([(f"{k:032x}", "a") for k in range(n)])
    second = draw([(f"{k:032x}", "b") for k in range(n)])
    for numbers in (first, second):
        assert abs(numbers.mean() - 0.5) <= 4 * math.sqrt(1 / 12 / n)
        bins = np.histogram(numbers, 100, (0, 1))[0]
        assert ((bins - n / 100) ** 2 / (n / 100)).sum() <= 99 + 4 * math.sqrt(2 * 99)
    for one, other in ((first, second), (first[1:], first[:-1])):
        assert abs(np.corrcoef(one, other)[0, 1]) <= 4 / math.sqrt(len(one))
    bits = siphash(KEY, pa.array([f"{k:032x}".encode() for k in range(20_000)], pa.binary()))
    ones = [int((bits >> np.uint64(bit) & np.uint64(1)).sum()) for bit in range(64)]
    assert all(abs(count - 10_000) <= 4.5 * math.sqrt(20_000 / 4) for count in ones)
