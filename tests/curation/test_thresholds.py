"""Thresholds: the published figures, the goldens, and counts that leave nothing to divide."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation.thresholds import entry_probabilities, language_thresholds, p_to_t, t_to_p

P = 0.06
COUNTS = st.lists(st.integers(0, 1000), max_size=40).map(lambda found: np.array(found, dtype=np.int64))


def array(*counts):
    return np.array(counts, dtype=np.int64)


@pytest.mark.parametrize(
    ("counts", "t", "chances"),
    [
        ([1, 1, 1, 1], 1, [1, 1, 1, 1]),
        ([1, 2, 3, 4, 90], 3, [1, 1, 1, 0.75, 0.0333]),
        ([5, 5, 5, 5, 80], 5, [1, 1, 1, 1, 0.0625]),
        ([0, 0, 0, 0, 0, 3, 3, 4, 90], 3, [1, 1, 1, 1, 1, 1, 1, 0.75, 0.0333]),
        ([1, 9, 90], 9, [1, 1, 0.1]),
        ([0, 0, 0, 10], 10, [1, 1, 1, 1]),  # published: t = 0 and chances nan, nan, nan, 0: the language is lost
        ([0, 0], 1, [1, 1]),
        ([], 1, []),
    ],
)
def test_goldens_and_degenerate_counts(counts, t, chances):
    counts = array(*counts)
    assert p_to_t(P, counts) == t
    assert entry_probabilities(t, counts) == pytest.approx(chances, abs=1e-4)


def test_the_first_of_equally_near_counts_is_taken():
    assert p_to_t(0.3125, array(1, 3, 4)) == 1  # the shares are .125, .5 and 1
    assert p_to_t(0.75, array(4, 3, 1)) == 3
    assert p_to_t(0.76, array(4, 3, 1)) == 4


def test_t_to_p_is_strict():
    assert t_to_p(3, array(1, 2, 3, 4, 90)) == 0.03
    assert t_to_p(4, array(1, 2, 3, 4, 90)) == 0.06
    assert t_to_p(10**9, array(1, 2)) == t_to_p(5, array(0, 0)) == t_to_p(5, array()) == 1


@pytest.mark.parametrize(
    ("count", "at_20k", "at_170k"),
    [
        (54_000_000, 3.7037e-4, 3.1481e-3),  # photo
        (120_000_000, 1.6667e-4, 1.4167e-3),  # of
        (52_000, 0.384615, 1),  # planted
        (58_000, 0.344828, 1),  # olive oil
        (133_000, 0.150376, 1),  # compact
        (222_000, 0.090090, 0.765766),  # vertical
        (713_000, 0.0280505, 0.238429),  # Tokyo
        (1_400_000, 0.0142857, 0.121429),  # see
        (10_000, 1, 1),  # barry
        (0, 1, 1),
    ],
)
def test_chances_of_published_counts(count, at_20k, at_170k):
    assert entry_probabilities(20_000, array(count)) == pytest.approx([at_20k], rel=1e-4)
    assert entry_probabilities(170_000, array(count)) == pytest.approx([at_170k], rel=1e-4)


def test_the_round_trip_of_a_zipf_list_is_near_but_not_exact():
    counts = (54e6 / np.arange(1, 500_001)).astype(np.int64)
    assert p_to_t(t_to_p(20_000, counts), counts) == 19_992
    assert p_to_t(t_to_p(170_000, counts), counts) == 169_811


def test_english_keeps_its_threshold_and_the_others_get_its_tail():
    counts = {"en": array(1, 2, 3, 4, 90), "de": array(10, 20, 30, 40, 900), "lost": array(0, 0, 7)}
    assert language_thresholds(4, counts) == {"en": 4, "de": 30, "lost": 7}
    assert language_thresholds(30, counts, english="de") == {"en": 2, "de": 30, "lost": 7}
    assert language_thresholds(5, {"de": array(1, 90)}) == {"de": 90}  # no English: its tail is everything


@given(COUNTS, st.floats(0, 1))
def test_the_threshold_is_an_observed_count_and_no_chance_is_lost(counts, p):
    t = p_to_t(p, counts)
    assert t in counts or (t == 1 and not counts.any())
    chances = entry_probabilities(t, counts)
    assert ((chances > 0) & (chances <= 1)).all()
    assert (chances[counts <= t] == 1).all()
