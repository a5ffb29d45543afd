import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workflows.demo.captioner import judge
from workflows.demo.captioner.judge import Answer, Truth

APPLE = Answer("a red apple", "a red apple on a blue background", "Clip art of an apple, red. It covers most of it.")
RED_APPLE = Truth(("red",), ("apple",), "blue")


def test_an_answer_is_three_texts_and_nothing_else() -> None:
    assert judge.parse('{"short": "a", "medium": "b", "long": "c"}') == Answer("a", "b", "c")
    for text in (
        "",
        "[]",
        '{"short": "a"}',
        '{"short": "a", "medium": "b", "long": " "}',
        '{"short": "a", "medium": "b", "long": 1}',
    ):
        assert judge.parse(text) is None


def test_claims_are_read_from_short_and_medium() -> None:
    assert (APPLE.colour, APPLE.background, APPLE.differs) == ("red", "blue", True)
    full = Answer("an apple", "an apple that fills the picture", "An apple.")
    assert (full.colour, full.background) == (None, None)
    assert not full.differs


@pytest.mark.parametrize(
    ("truth", "colour", "ground", "name"),
    [
        (RED_APPLE, True, True, True),
        (Truth(("green",), ("apples",), None), False, False, True),
        (Truth(("green", "red"), ("pear", "apple"), "blue"), True, True, False),
    ],
)
def test_verdicts(truth: Truth, colour: bool, ground: bool, name: bool) -> None:
    assert judge.colour_right(APPLE, truth) is colour
    assert judge.background_right(APPLE, truth) is ground
    assert judge.named(APPLE, truth) is name


def test_shuffled_scores_leave_the_own_picture_out() -> None:
    truths = [RED_APPLE, Truth(("red",), ("car",), "white"), Truth(("blue",), ("sea",), None)]
    scores = judge.shuffled_scores([APPLE, None, APPLE], truths, judge.colour_right)
    assert scores.tolist() == [0.5, 0.0, 1.0]


@given(st.lists(st.integers(0, 1), min_size=2, max_size=60))
def test_an_interval_holds_its_mean_and_stays_in_bounds(hits: list[int]) -> None:
    mean, low, high = judge.with_interval(np.array(hits, dtype=float), draws=200)
    assert 0 <= low <= mean + 1e-9
    assert mean - 1e-9 <= high <= 1
