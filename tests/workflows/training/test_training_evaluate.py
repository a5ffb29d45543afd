"""Recalls are right where the answer is known: perfect, collapsed, random and doubled."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from workflows.training.retrieval import KS, ranks, retrieval, summary

NAMES = [f"text {n}" for n in range(60)]


def unit(seed: int, rows: int = 60, width: int = 16) -> torch.Tensor:
    values = torch.from_numpy(np.random.RandomState(seed).randn(rows, width).astype(np.float32))
    return torch.nn.functional.normalize(values, dim=-1)


def test_a_perfect_model() -> None:
    found = retrieval(unit(0), unit(0), NAMES)
    assert summary(found) == {"R@1": 1.0, "R@5": 1.0, "R@10": 1.0}
    assert found["image_to_text"]["R@1"] == {"value": 1.0, "low": 1.0, "high": 1.0}


def test_a_collapsed_model_scores_nothing() -> None:
    same = unit(0)[:1].expand(60, -1)
    assert summary(retrieval(same, same, NAMES)) == {"R@1": 0.0, "R@5": 0.0, "R@10": 0.0}


def test_ranks_of_a_worked_example() -> None:
    queries, answers = torch.tensor([[0.9, 0.5, 0.1], [0.2, 0.1, 0.3], [0.4, 0.4, 0.4]]), torch.eye(3)
    apart, alike = np.array([0, 1, 2]), np.array([0, 0, 1])
    for chunk in (1, 3, 6, 1000):  # in one piece or in several
        assert ranks(queries, answers, apart, apart, chunk).tolist() == [0, 2, 2]
        assert ranks(queries, answers, alike, alike, chunk).tolist() == [0, 1, 2]


def test_equal_texts_are_right_for_each_other() -> None:
    names = ["Star ", "a  tree", "star", "A tree"]
    features = torch.eye(4)[[0, 1, 0, 1]]
    found = retrieval(features, features, names)
    assert found["distinct_texts"] == 2
    assert found["image_to_text"]["R@1"]["value"] == 1.0


def test_random_models_score_what_chance_says() -> None:
    names = [f"text {n // 2}" for n in range(60)]
    found = [retrieval(unit(2 * n), unit(2 * n + 1), names) for n in range(25)]
    for k in KS:
        mean = np.mean([summary(one)[f"R@{k}"] for one in found])
        assert mean == pytest.approx(found[0]["chance"][f"R@{k}"], abs=0.03)


def test_intervals_hold_the_value_and_shrink_with_queries() -> None:
    few, many = unit(1, 40), unit(1, 640)
    blur = 0.25
    spans = []
    for features in (few, many):
        noisy = torch.nn.functional.normalize(features + blur * unit(9, len(features)), dim=-1)
        texts = torch.nn.functional.normalize(features + 3 * blur * unit(5, len(features)), dim=-1)
        found = retrieval(noisy, texts, [str(n) for n in range(len(features))])["image_to_text"]["R@1"]
        assert found["low"] <= found["value"] <= found["high"]
        spans.append(found["high"] - found["low"])
    assert spans[1] < spans[0] or spans[0] == 0
