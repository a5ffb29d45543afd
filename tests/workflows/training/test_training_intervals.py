"""Intervals hold what they should: the true mean as often as they say, and no more than the groups and seeds can tell."""

from __future__ import annotations

import numpy as np
import pytest

from workflows.training.intervals import bootstrap, crossed


def test_the_width_of_a_mean_of_coins() -> None:
    coins = np.tile([0.0, 1.0], 200)
    found = bootstrap(coins)
    assert found["value"] == 0.5
    assert found["high"] - found["low"] == pytest.approx(2 * 1.96 * 0.5 / np.sqrt(400), rel=0.1)


def test_ten_views_of_a_thing_are_one_thing() -> None:
    things = np.random.RandomState(0).rand(60)
    views, group = np.repeat(things, 10), np.repeat(np.arange(60), 10)
    alone, grouped, naive = bootstrap(things), bootstrap(views, groups=group), bootstrap(views)
    assert grouped == pytest.approx(alone)
    assert naive["high"] - naive["low"] < 0.5 * (grouped["high"] - grouped["low"])


def test_groups_of_unequal_size() -> None:
    values, group = np.array([1.0, 1.0, 1.0, 0.0]), np.array([0, 0, 0, 1])
    found = bootstrap(values, groups=group)
    assert (found["value"], found["low"], found["high"]) == (0.75, 0.0, 1.0)


def test_seeds_and_queries_both_widen_the_interval() -> None:
    generator = np.random.RandomState(1)
    runs, queries = generator.randn(8, 1), generator.randn(1, 300)
    by_run, by_query, both = crossed(runs + 0 * queries), crossed(0 * runs + queries), crossed(runs + queries)
    spans = [told["high"] - told["low"] for told in (by_run, by_query, both)]
    assert spans[0] == pytest.approx(2 * 1.96 * runs.std() / np.sqrt(8), rel=0.15)
    assert spans[1] == pytest.approx(2 * 1.96 * queries.std() / np.sqrt(300), rel=0.15)
    assert spans[2] == pytest.approx(np.hypot(*spans[:2]), rel=0.15)


def test_the_interval_covers_the_truth_as_often_as_it_says() -> None:
    hit = 0
    for seed in range(100):
        generator = np.random.RandomState(seed)
        table = 0.3 * generator.randn(8, 1) + generator.randn(1, 100) + generator.randn(8, 100)
        told = crossed(table, seed)
        hit += told["low"] <= 0 <= told["high"]
    assert hit >= 85


def test_the_same_seed_gives_the_same_interval() -> None:
    values = np.random.RandomState(2).rand(50)
    assert bootstrap(values, 3) == bootstrap(values, 3) != bootstrap(values, 4)
