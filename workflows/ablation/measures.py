"""What a query's ranks are worth: hits among the first few, and how far up the right answer stands among all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from workflows.ablation.trial import WAYS

KS = (1, 5, 10)
RECALL = "mean of R@1, R@5 and R@10, image to text and text to image"
PLACE = "share of the wrong answers that stand behind the right one, both ways"
Numbers = npt.NDArray[np.float64]


def recall(queries: pa.Table, of: str, ks: Sequence[int] = KS) -> Numbers:
    """For each pair of one field the mean of its hits at every k, both ways."""
    ranks = _ranks(_rows(queries, of))
    found: Numbers = np.stack([ranks < k for k in ks]).mean(axis=(0, 1))
    return found


def place(queries: pa.Table, of: str) -> Numbers:
    """For each pair of one field the share of wrong answers behind its best right one, both ways.

    A model that knows little hits nothing among the first ten, but every query says something here: a smaller difference shows.
    """
    rows = _rows(queries, of)
    wrong = np.maximum(len(rows) - _alike(rows), 1)
    found: Numbers = (1 - _ranks(rows) / wrong).mean(axis=0)
    return found


def recall_by_chance(queries: pa.Table, of: str) -> float:
    """The recall of a random order."""
    from workflows.training.retrieval import expected

    groups = _rows(queries, of)["group"].to_numpy()
    return float(np.mean([expected(groups, groups, k) for k in KS]))


def place_by_chance(queries: pa.Table, of: str) -> float:
    """The place of a random order: g / (g + 1) for the best of g right answers, one half for one."""
    alike = _alike(_rows(queries, of))
    return float(np.mean(alike / (alike + 1)))


def clusters(queries: pa.Table, of: str, group_of: Mapping[str, str]) -> npt.NDArray[np.int64]:
    """A number for each pair of one field, equal for like pictures: five skin tones of one hand are not five witnesses."""
    numbers: dict[str, int] = {}
    uids = _rows(queries, of)["uid"].to_pylist()
    return np.array([numbers.setdefault(group_of.get(uid, uid), len(numbers)) for uid in uids], np.int64)


def size(queries: pa.Table, of: str) -> int:
    """How many pairs one field has."""
    return int(_rows(queries, of).num_rows)


def languages(queries: pa.Table) -> dict[str, float]:
    """Language -> the recall of a random order."""
    names = [name for name in queries["of"].unique().to_pylist() if name.startswith("name_")]
    return {name.removeprefix("name_"): recall_by_chance(queries, name) for name in sorted(names)}


def _rows(queries: pa.Table, of: str) -> pa.Table:
    return queries.filter(pc.equal(queries["of"], of))


def _ranks(rows: pa.Table) -> Numbers:
    """Ways x pairs."""
    return np.stack([rows[way].to_numpy().astype(np.float64) for way in WAYS])


def _alike(rows: pa.Table) -> npt.NDArray[np.int64]:
    """How many answers are right for each pair."""
    groups = rows["group"].to_numpy()
    found: npt.NDArray[np.int64] = np.bincount(groups)[groups]
    return found
