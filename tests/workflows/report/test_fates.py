"""Where rows leave the pool: exactly one fate each, at the first gate that they did not pass."""

from __future__ import annotations

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from workflows.report.fates import KEPT, LOST, REJECTED, WAITING, Fate, fates, first_line, gates
from workflows.report.samples import Lot, clip
from workflows.report.scores import Histogram

ROLES = {role: role for role in ("rows", "balance", "chosen", "download", "scores", "select")}
OUTCOMES = st.sampled_from(["success", "failed", "quarantined", "not_selected", "failed_upstream"])


def table(rows, deciding):
    keep = [k if s == "success" else None for s, k in rows]
    found = {"status": [s for s, _ in rows], "error_message": [f"{s}\nmore" for s, _ in rows]}
    return pa.table(
        found | ({"keep": pa.array(keep, pa.bool_()), "reject_reason": [f"r{k}" for k in keep]} if deciding else {})
    )


@given(st.lists(st.fixed_dictionaries({role: st.tuples(OUTCOMES, st.booleans()) for role in ROLES}), min_size=1))
def test_every_row_has_one_fate_and_a_kept_one_is_one_that_the_last_selection_keeps(rows):
    tables = {r: table([row[r] for row in rows], r in {"balance", "chosen", "select"}) for r in ROLES}
    found = fates(tables, ROLES, {})
    assert len(found) == len(rows)
    for fate, row in zip(found, rows, strict=True):
        assert (fate.how == KEPT) == (row["select"] == ("success", True))
        if fate.how == LOST:
            assert row[fate.role][0] in {"failed", "quarantined"}
        if fate.how == REJECTED:
            assert row[fate.role] == ("success", False)
        passed = gates(ROLES)[: gates(ROLES).index(fate.role)] if fate.role else []
        assert all(row[role][0] not in {"failed", "quarantined"} for role in passed)


def test_balancing_is_a_gate_only_where_no_selection_stands_behind_it():
    assert gates({"rows": "rows", "balance": "b"}) == ["rows", "balance"]
    assert gates({"rows": "rows", "balance": "b", "chosen": "c"}) == ["rows", "chosen"]


def test_the_reason_of_a_rule_is_explained_by_the_column_it_rests_on():
    chosen = pa.table(
        {"status": ["success"], "error_message": [None], "keep": [False], "reject_reason": ["not balanced"]}
    )
    balance = chosen.set_column(3, "reject_reason", pa.array(["no_match"]))
    rows = pa.table({"status": ["success"], "error_message": pa.nulls(1, pa.string())})
    because = {("chosen", "not balanced"): ("balance", "reject_reason")}
    roles = {"rows": "rows", "balance": "balance", "chosen": "chosen"}
    found = fates({"rows": rows, "balance": balance, "chosen": chosen}, roles, because)
    assert found == [Fate(REJECTED, "chosen", "not balanced: no_match")]


def test_rows_that_nobody_decided_wait():
    rows = pa.table({"status": ["success"], "error_message": pa.nulls(1, pa.string())})
    select = pa.table(
        {"status": ["not_selected"], "error_message": [None], "keep": pa.nulls(1, pa.bool_()), "reject_reason": [None]}
    )
    assert fates({"rows": rows, "select": select}, {"rows": "rows", "select": "s"}, {}) == [Fate(WAITING)]


def test_reasons_are_cut_to_what_rows_share():
    assert first_line("timeout\nafter 2 s") == "timeout"
    assert first_line("not an image (JPEG, PNG)") == "not an image (JPEG, PNG)"
    assert first_line(None) == first_line("") == "no reason given"


@given(st.lists(st.floats(0, 1, allow_nan=False), max_size=40), st.integers(1, 8))
def test_a_lot_keeps_the_smallest_draws(draws, size):
    lot = Lot(size)
    for k, draw in enumerate(draws):
        if lot.wants(draw):
            lot.put(draw, {"uid": str(k), "draw": draw})
    assert [row["draw"] for row in lot.rows()] == sorted(draws)[:size]
    assert lot.seen == len(draws)


@given(st.lists(st.floats(-1, 1, allow_nan=False), min_size=1, max_size=200))
def test_a_histogram_loses_no_score_and_its_quantiles_are_near(scores):
    histogram = Histogram()
    histogram.add(scores)
    told = histogram.numbers()
    assert sum(told["bins"]) == told["rows"] == len(scores)
    median = sorted(scores)[(len(scores) - 1) // 2]
    assert abs(told["median"] - median) <= 0.0051


def test_texts_are_cut_and_their_controls_shown():
    assert clip("a\x00b\x1b[31m") == "a\ufffdb\ufffd[31m"
    assert clip("x" * 1000).endswith("… (1,000 characters)") and clip(None) is None
