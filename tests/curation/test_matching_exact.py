"""The matcher against the definition and against an Aho-Corasick automaton, where words, scripts and buffers are awkward."""

from itertools import pairwise

import ahocorasick
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from curation.matching import Matcher, space, wrap

#: Two letters, so that words recur; what borders are made of; characters of one to four bytes, with and without spaces.
BORDERS = [" ", " ", ",", ".", "`", "\t", "\n", "\r", "\0"]
SCRIPTS = ["写", "猫", "𠀀", "ไ", "ท", "ト", "한", "，", "(", "-", "—", "é", "\u0301", "\ud800", "\udfff", "🐱"]
TEXTS = st.lists(st.sampled_from(["a", "b", *BORDERS, *SCRIPTS]), max_size=40).map("".join)
ENTRIES = st.lists(
    st.sampled_from(["a", "b", "a", " ", ".", "写", "猫", "ไ", "(", "ト", "\ud800", "\0"]), max_size=5
).map("".join)
PHRASES = st.lists(
    st.sampled_from(["a", "ab", "aaaaaaaab", "aaaaaaaaab", "bbbbbbbbbbbbbbbbb", "", "猫", "x写"]), max_size=6
)


def by_definition(texts, entries, space_free):
    wrapped = [wrap(entry, space_free) for entry in entries]
    return [[k for k, entry in enumerate(wrapped) if entry and entry in space(text)] for text in texts]


def found(texts, entries, space_free):
    column = pa.array([text.encode("utf-8", "surrogatepass") for text in texts], pa.binary())
    return Matcher(entries, space_free).match(column).to_pylist()


@settings(max_examples=400)
@given(st.lists(TEXTS, max_size=4), st.lists(ENTRIES, max_size=15), st.booleans())
@example(["写写写"], ["写", "写写", "写写写", "写 ", " 写"], True)
@example(["a(b a ( b."], ["a(", "(b", "(", "a (", ".", "b.", "b ."], True)
def test_borders_and_scripts(texts, entries, space_free):
    assert found(texts, entries, space_free) == by_definition(texts, entries, space_free)


@settings(max_examples=200)
@given(st.lists(PHRASES.map(" ".join), max_size=4), st.lists(PHRASES.map(" ".join), max_size=15), st.booleans())
def test_phrases_of_short_and_long_words(texts, entries, space_free):
    """Seven, eight, nine and more bytes: where words are their own keys, and where they are compared."""
    assert found(texts, entries, space_free) == by_definition(texts, entries, space_free)


@pytest.mark.parametrize("length", [*range(1, 20), 62, 63, 64, 65, 126, 127, 128, 129, 254, 255, 256, 257, 1000])
def test_words_of_every_length_and_their_neighbours(length):
    word = "".join("abcdefghij"[k % 10] for k in range(length))
    others = [
        word[:-1],
        word + "k",
        word[:-1] + "z",
        "z" + word[1:],
        word[: length // 2] + "z" + word[length // 2 + 1 :],
    ]
    entries, texts = [word, *others], [word, *others, f"{word},{word}\t{others[1]}", f"x{word}", "." * length + word]
    assert found(texts, entries, False) == by_definition(texts, entries, False)


@pytest.mark.parametrize("entries", [["写", "写写"], [" "], ["a" * 9] * 3, ["", ""]])
@pytest.mark.parametrize("text", ["", "\0", "写" * 21, " " * 64, "," * 64, "a" * 9 + "\n" + "写" * 3, "\r\n" * 40])
def test_equal_entries_blank_entries_blank_texts(text, entries):
    assert found([text], entries, True) == by_definition([text], entries, True)


def test_more_matches_than_any_buffer_begins_with():
    entries = ["写" * k for k in range(1, 120)] + [f"{k}" for k in range(20_000)] + ["写"] * 500
    texts = ["写" * 400, " ".join(map(str, range(20_000))), "7 8 7", " ".join(map(str, range(19_999, -1, -1)))]
    assert found(texts, entries, True) == [
        [*range(119), *range(20_119, 20_619)],
        list(range(119, 20_119)),
        [126, 127],
        list(range(119, 20_119)),
    ]


def test_a_megabyte_without_a_space_and_with_nothing_else():
    entries = ["写", "写真", " ", "b", "x" * 1_000_000]
    texts = ["写" * 350_000, " " * 1_000_000, "," * 1_000_000, "x" * 1_000_000, "b" + "\t" * 1_000_000]
    assert found(texts, entries, True) == [[0], [2], [], [4], [2, 3]]


def test_bytes_that_are_no_utf8_match_as_bytes():
    matcher = Matcher(["a", "猫", "b c"], space_free=True)
    texts = [b"\xff a \xe7", b"\x8c\xab\xe7\x8c\xab", b"\xe7\x8c", b"b c\xf0", b"\xf8\xe7\x8c\xab\x80", b"\xe7 a"]
    assert matcher.match(pa.array(texts, pa.binary())).to_pylist() == [[0], [1], [], [], [1], [0]]


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string(), pa.binary(), pa.large_binary(), pa.string_view()])
def test_every_kind_of_array(kind):
    texts = ["cat", "", "dog cat", "猫"]
    column = pa.array(texts).cast(kind)
    matcher = Matcher(["cat", "猫"], space_free=True)
    assert matcher.match(column).to_pylist() == [[0], [], [0], [1]]
    assert matcher.match(column.slice(2)).to_pylist() == [[0], [1]]
    assert matcher.match(pa.chunked_array([column, column.slice(3)])).to_pylist() == [[0], [], [0], [1], [1]]


def automaton(entries, space_free):
    made = ahocorasick.Automaton()
    for k, entry in enumerate(entries):
        made.add_word(wrap(entry, space_free), k)
    made.make_automaton()
    return made


@pytest.mark.parametrize(
    ("language", "space_free"), [("en", False), ("de", True), ("ja", True), ("zh", True), ("ko", True)]
)
def test_real_words_against_a_plain_aho_corasick(language, space_free):
    from wordfreq import top_n_list

    words = top_n_list(language, 8_000)
    draws = np.random.default_rng(7)
    joints = np.array([" ", " ", ", ", "", "-", " (", "\n"])
    texts = ["".join(f"{words[w]}{joints[j]}" for w, j in zip(ws, js, strict=True))
             for ws, js in zip(draws.zipf(1.3, (1500, 12)) % 8_000, draws.integers(0, 7, (1500, 12)), strict=True)]  # fmt: skip
    entries = list(dict.fromkeys([*words[::2], *(f"{a} {b}" for a, b in pairwise(words[:3000]))]))
    plain = automaton(entries, space_free)
    expected = [sorted({k for _, k in plain.iter(space(text))}) for text in texts]
    assert found(texts, entries, space_free) == expected
    assert sum(map(len, expected)) > 1000
