"""What the rules read in a caption."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from captioning.checking.claims import Claim, claims
from captioning.checking.statements import answers, asked, statements
from captioning.checking.vocabulary import Vocabulary, read_vocabulary
from pipeline.errors import ConfigError, DataError

NAMES = Vocabulary(["cat", "dog", "man in manual wheelchair", "no entry", "Apple tree", "clip art"])


def told(text: str, names: Vocabulary = NAMES) -> list[tuple[str, str, str]]:
    return [(one.kind, one.value, one.about) for one in claims(text, names)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "a red cat on a white background",
            [("object", "cat", "cat"), ("colour", "red", "cat"), ("colour", "white", "background")],
        ),
        (
            "Three grey and white cats.",
            [("object", "cats", "cat"), ("count", "3", "cat"), ("colour", "grey", "cat"), ("colour", "white", "cat")],
        ),
        (
            "An emoji of a dog, yellow with some red. It covers about half of the picture. The background is plain blue.",
            [
                ("object", "dog", "dog"),
                ("colour", "yellow", "dog"),
                ("colour", "red", "dog"),
                ("colour", "blue", "background"),
            ],
        ),
        ("a big, round cat", [("object", "cat", "cat"), ("attribute", "big", "cat"), ("attribute", "round", "cat")]),
        ("A cat without a dog", [("object", "cat", "cat"), ("absence", "dog", "dog")]),
        ("There is no plain background.", [("absence", "background", "background")]),
        ("a composed scene with two objects", []),
        ("people riding bicycles", [("object", "people", "people"), ("object", "bicycles", "bicycle")]),
    ],
)
def test_plain_descriptions_are_read(text, expected):
    assert told(text) == expected


@pytest.mark.parametrize(
    ("text", "phrase", "head"),
    [
        ("a blue man in manual wheelchair", "man in manual wheelchair", "man"),
        ("no entry on a purple background", "no entry", "entry"),
        ("two apple trees", "apple trees", "tree"),
        ("a flag of nowhere at all", "flag of nowhere", "flag"),
    ],
)
def test_the_longest_name_is_one_thing(text, phrase, head):
    assert ("object", phrase, head) in told(text)


def test_words_that_no_list_has_are_known_as_such():
    assert NAMES.knows("apple tree") and NAMES.knows("cats") and not NAMES.knows("flag of britishcension")
    assert Vocabulary().knows("britishcension")


@given(
    st.text(max_size=80)
    | st.lists(
        st.sampled_from(["a", "no", "two", "red", "and", ",", ".", "with", "cat", "dog", "of", "background", "the"])
    ).map(" ".join)
)
def test_any_text_gives_each_claim_once_about_something(text):
    found = claims(text, NAMES)
    assert len(set(found)) == len(found)
    assert all(one.value and one.about for one in found)
    assert found == claims(text, NAMES)


def test_a_vocabulary_is_a_file_of_names(tmp_path: Path):
    (tmp_path / "names.txt").write_text("Cat\nred\n\nice  cream\n", encoding="utf-8")
    names = read_vocabulary(tmp_path / "names.txt")
    assert len(names) == 2 and "ice cream" in names
    with pytest.raises(ConfigError, match="no vocabulary"):
        read_vocabulary(tmp_path / "none.txt")
    (tmp_path / "latin.txt").write_bytes("Käfer".encode("latin-1"))
    with pytest.raises(DataError, match="not UTF-8"):
        read_vocabulary(tmp_path / "latin.txt")


def test_statements_are_numbered_and_answers_find_their_claims_again():
    rows = [
        {"text": "alt", "kind": "object", "value": "sun", "about": "sun"},
        {"text": "short", "kind": "object", "value": "cat", "about": "cat"},
        {"text": "short", "kind": "colour", "value": "red", "about": "cat"},
        {"text": "long", "kind": "object", "value": "cat", "about": "cat"},
        {"text": "long", "kind": "count", "value": "2", "about": "cat"},
    ]
    found = asked(rows, ("short", "long"))
    assert statements(found) == "1. there is: cat; 2. the cat is red; 3. the number of cat is 2"
    cat, red, two = found
    assert answers(found, ["2", "77", "x"], ["3."]) == {cat: True, red: False}
    assert answers(found, None, None) == {}
    assert answers(found, [], None) == {cat: True, red: True, two: True}
    assert cat == Claim("object", "cat", "cat")
