import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation.clip.auc import auc, by_language, measure

SCORES = st.lists(st.integers(-5, 5).map(float), min_size=1, max_size=30).map(np.array)


@given(SCORES, SCORES)
def test_it_counts_couples_and_half_the_ties(good: np.ndarray, bad: np.ndarray) -> None:
    couples = (good[:, None] > bad).mean() + (good[:, None] == bad).mean() / 2
    assert auc(good, bad) == pytest.approx(couples)
    assert auc(bad, good) == pytest.approx(1 - couples)


def test_the_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    rng, covered = np.random.default_rng(0), 0
    for _ in range(60):  # two normals one deviation apart: the AUC is Phi(1 / sqrt 2) = 0.7602
        found = measure(rng.normal(1, 1, 80), rng.normal(0, 1, 80), rounds=200)
        covered += found.low <= 0.7602 <= found.high
    assert 50 <= covered <= 60


def test_an_empty_side_has_no_figure() -> None:
    assert np.isnan(measure([], [0.1]).value)


def test_each_language_has_its_own_figure_and_unscored_rows_none() -> None:
    found = by_language(
        scores=[0.9, 0.1, 0.2, 0.8, None, 0.5],
        languages=["en", "en", "de", "de", "de", "fr"],
        mismatched=[False, True, False, True, True, False],
    )
    assert {lang: result.value for lang, result in found.items()} == {
        "all": pytest.approx(2.5 / 3 - 0.5 / 3),
        "de": 0.0,
        "en": 1.0,
    }
    assert (found["de"].matched, found["de"].mismatched) == (1, 1)
