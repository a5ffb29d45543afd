"""Matching: the published goldens, the strings that must not match, the edges, and the definition by brute force."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from curation.matching import Matcher, needs_no_space, space, wrap

ENTRIES = ["photo", "a", "A", "cat", "photo of", "St. Louis", "shirt", "T-shirt", "1", "The", "the", "of a"]
ENTRIES += ["cat , sitting", ". "]


def names(text, entries=ENTRIES, space_free=False):
    return [entries[k] for k in Matcher(entries, space_free).match_text(text)]


def by_definition(text, entries, space_free=False):
    """Section 1.2 and 2.2 of the papers' code, word for word."""
    spaced = f" {text} "
    for mark in [",", ".", ";", ":", "?", "!", "`"]:
        spaced = spaced.replace(mark, f" {mark} ")
    for blank in ["\t", "\n", "\r"]:
        spaced = spaced.replace(blank, " ")
    found = []
    for k, entry in enumerate(entries):
        before = "" if space_free and entry and needs_no_space(entry[0]) else " "
        after = "" if space_free and entry and needs_no_space(entry[-1]) else " "
        if entry and f"{before}{entry}{after}" in spaced:
            found.append(k)
    return found


@pytest.mark.parametrize(
    ("text", "spaced"),
    [
        ("A photo of a cat, sitting.", " A photo of a cat ,  sitting .  "),
        ("St. Louis", " St .  Louis "),
        ("T-shirt (2)", " T-shirt (2) "),
        ("x;y:z?!`q", " x ; y : z ?  !  ` q "),
        ("tab\there\r\nend", " tab here  end "),
        ("U.S. Army", " U . S .  Army "),
        ("", "  "),
        ("\ud83d,\udc31\0", " \ud83d , \udc31\0 "),
    ],
)
def test_spacing_goldens(text, spaced):
    assert space(text) == spaced


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("A photo of a cat, sitting.", ["photo", "a", "A", "cat", "photo of", "of a", ". "]),
        ("St. Louis T-shirt", ["T-shirt", ". "]),
        ("shirt-photo", []),
        ("cat,sitting", ["cat", "cat , sitting"]),
        ("a a a a", ["a"]),
        ("photo  of", ["photo"]),
        ("photo\nof", ["photo", "photo of"]),
        ("photo\r\nof", ["photo"]),
    ],
)
def test_matching_goldens(text, found):
    assert names(text) == found


@pytest.mark.parametrize(
    "text",
    [
        "control_14ct",
        "cudd2008",
        "product-img",
        "Skirmisher-Main-440x412",
        "A4omote",
        "How-to-Find-the-Finest-Electric-Car-Companies",
        "hanukkah-party-facebook-event-cover-template",
        "johnny_cash_chili_dog (2)",
        "8533 GOLDEN RIDGE COURT",
    ],
)
def test_strings_of_the_paper_that_never_match(text):
    words = ["control", "product", "img", "Main", "omote", "Electric", "Car", "facebook", "event", "cover", "hanukkah"]
    words += [
        "johnny",
        "cash",
        "chili",
        "dog",
        "golden",
        "ridge",
        "court",
        "2",
        "A4",
        "How",
        "to",
        "Find",
        "the",
        "party",
    ]
    assert names(text, words) == []


@pytest.mark.parametrize("entry", ["St. Louis", "Paris, Texas", "U.S.", "Who?", "a:b", "a\tb", "a\nb", "\r"])
def test_entries_with_wrapped_marks_or_blanks_never_match_themselves(entry):
    assert names(entry, [entry]) == []


def test_neighbours_share_a_space_and_all_overlaps_are_found():
    entries = ["a", "b", "a b", "b a", "a b a", "b a b"]
    assert names("a b a b", entries) == ["a", "b", "a b", "b a", "a b a", "b a b"]


@pytest.mark.parametrize(
    ("entry", "wrapped"),
    [
        ("東京", "東京"),
        ("写真", "写真"),
        ("ไทย", "ไทย"),
        ("トト", " トト "),
        ("ねこ", " ねこ "),
        ("고양이", " 고양이 "),
        ("cat写", " cat写"),
        ("(x", "(x "),
        ("—x～", "—x～"),
        ("ပုံ", "ပုံ"),
        ("ຮູບ", "ຮູບ"),
        ("រូប", "រូប"),
        ("བོད", "བོད"),
        ("", ""),
    ],
)
def test_the_worldwide_form_leaves_spaces_out_where_scripts_do(entry, wrapped):
    assert wrap(entry, space_free=True) == wrapped
    assert wrap(entry) == (f" {entry} " if entry else "")


def test_words_of_scripts_without_spaces_are_found_within_texts():
    entries = ["猫", "東京", "トト", "東京タワー", "แมว", "cat"]
    assert names("東京タワーとトト猫", entries, space_free=True) == [
        "猫",
        "東京",
    ]  # ー is kana, so 東京タワー ends in a space
    assert names("東京タワー トト,แมวสีดำ", entries, space_free=True) == ["東京", "トト", "東京タワー", "แมว"]
    assert names("東京タワーとトト猫", entries) == []


@pytest.mark.parametrize(
    ("text", "entries", "found"),
    [
        ("قطة سوداء, صغيرة", ["قطة", "سوداء", "صغيرة", "سود"], ["قطة", "سوداء", "صغيرة"]),
        ("e\u0301te\u0301 \u00e9t\u00e9", ["été", "e\u0301te\u0301"], ["été", "e\u0301te\u0301"]),
        ("e\u0301te\u0301", ["été"], []),
        ("\ud83d\udc31 x", ["🐱", "\ud83d\udc31", "x"], ["\ud83d\udc31", "x"]),
        ("a\0b \0", ["\0", "a\0b", "a"], ["\0", "a\0b"]),
        ("a\u00a0b", ["a", "b"], []),
        ("a   b", [" ", "  ", "   "], [" "]),
        ("", ["", " ", "a"], []),
        ("x x", ["x", "", "x"], ["x", "x"]),
    ],
    ids=[
        "right to left",
        "both normal forms",
        "no normalising",
        "surrogates",
        "NUL",
        "nbsp",
        "spaces",
        "empty",
        "twice",
    ],
)
def test_edges(text, entries, found):
    assert names(text, entries) == found
    assert Matcher(entries).match_text(text) == by_definition(text, entries)


def test_no_entries_and_no_texts():
    assert Matcher([]).match(pa.array(["a", ""])).to_pylist() == [[], []]
    assert Matcher(["a"]).match(pa.array([], pa.string())).to_pylist() == []
    assert Matcher(["", ""]).match_text("  ") == []


def test_a_megabyte_caption_among_thousands_of_short_ones():
    entries = ["cat", "cat cat", "dog", "the end"]
    long = "cat, cat cat " * 80_000 + "the end"
    assert len(long) > 1_000_000
    texts = ["dog", long, "", *["the cat"] * (16_000), "dog cat"]
    found = Matcher(entries).match(pa.array(texts)).to_pylist()
    assert found == [[2], [0, 1, 3], [], *[[0]] * (16_000), [0, 2]]


def test_texts_of_one_batch_never_join():
    entries = ["a b", "b a", "a  b", "b"]
    assert Matcher(entries).match(pa.array(["a", "b", "", "a", "b a"])).to_pylist() == [[], [3], [], [], [1, 3]]


def test_a_slice_of_an_array_is_matched_as_itself():
    texts = pa.array(["a", "b", "a b", "c", "b"])
    assert Matcher(["a", "b"]).match(texts.slice(1, 3)).to_pylist() == [[1], [0, 1], []]


LETTERS = st.sampled_from([*"ab.,`  \t\n-(写猫ไトé\u0301\0", "\ud800", "\udc00", "ば", "한", "，", "🐱"])
WORDS = st.text(LETTERS, max_size=6)


@settings(max_examples=300)
@given(st.lists(st.text(LETTERS, max_size=30), max_size=5), st.lists(WORDS, max_size=12), st.booleans())
@example(["a b a"], ["a", "b", "a b", "b a", "a"], False)
def test_the_matcher_is_the_definition(texts, entries, space_free):
    matcher = Matcher(entries, space_free)
    expected = [by_definition(text, entries, space_free) for text in texts]
    assert [matcher.match_text(text) for text in texts] == expected
    batch = pa.array([text.encode("utf-8", "surrogatepass") for text in texts], pa.binary())
    assert matcher.match(batch).to_pylist() == expected


def test_ids_are_int32_ascending_and_distinct():
    draws = np.random.default_rng(0)
    entries = [f"{k}" for k in draws.permutation(500)]
    texts = pa.array([" ".join(map(str, draws.integers(0, 600, 40))) for _ in range(200)])
    found = Matcher(entries).match(texts)
    assert found.type == pa.list_(pa.int32())
    assert all(ids == sorted(set(ids)) for ids in found.to_pylist())
    assert found.to_pylist() == [by_definition(text, entries) for text in texts.to_pylist()]
