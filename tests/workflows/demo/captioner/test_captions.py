import json

import pytest

from workflows.demo.captioner.captions import Sight, Thing, describe, head_noun, plain_name
from workflows.demo.captioner.tokens import SKELETON, answer

APPLE, STARS = Thing("apple", ("red", "green")), Thing("stars", ("yellow",))


@pytest.mark.parametrize(
    ("given", "path", "name"),
    [
        ("man firefighter: dark skin tone", "", "man firefighter"),
        ("flag: Seychelles", "", "flag of seychelles"),
        ("France Ile de France", "openclipart/signs/flags/europe/x.png", "flag of france ile"),
        ("arrow left purple", "", "arrow left"),
        ("Orange", "", "orange"),
        ("hill rpg map elements", "", "hill"),
        ("70a", "", ""),
        ("croissant b &amp; w", "", "croissant"),
    ],
)
def test_names_become_noun_phrases(given: str, path: str, name: str) -> None:
    assert plain_name(given, path) == name


@pytest.mark.parametrize(
    ("name", "noun"),
    [
        ("flag of japan", "flag"),
        ("arrow left", "arrow"),
        ("woman bowing", "woman"),
        ("woman singer", "singer"),
        ("stars", "star"),
        ("bus", "bus"),
    ],
)
def test_head_nouns(name: str, noun: str) -> None:
    assert head_noun(name) == noun


def test_an_orange_background_has_its_article() -> None:
    assert describe(Sight("clip art", (APPLE,), "orange"))[1].endswith("on an orange background")


def test_one_thing_is_told_at_three_granularities() -> None:
    short, medium, long = describe(Sight("clip art", (APPLE,), "blue", coverage=0.7))
    assert short == "a red apple"
    assert medium == "a red and green apple on a blue background"
    assert long == (
        "Clip art of an apple, red with some green. It covers most of the picture. The background is plain blue."
    )


def test_two_things_are_told_with_their_position() -> None:
    short, medium, long = describe(Sight("scene", (APPLE, STARS), "orange", relation="above"))
    assert short == "a red apple and yellow stars"
    assert medium == "a red apple and yellow stars on an orange background"
    assert long == (
        "A composed scene with two objects: a red apple above yellow stars. The background is plain orange."
    )


def test_no_background_is_claimed_where_none_is_plain() -> None:
    _, medium, long = describe(Sight("clip art", (APPLE,), None))
    assert medium == "a red and green apple that fills the picture"
    assert long.endswith("There is no plain background.")


def test_the_skeleton_spells_what_json_spells() -> None:
    captions = describe(Sight("emoji", (STARS,), "white"))
    text = answer(*captions)
    assert json.loads(text) == dict(zip(("short", "medium", "long"), captions, strict=True))
    assert text == "".join(part for pair in zip(SKELETON, (*captions, ""), strict=True) for part in pair)
