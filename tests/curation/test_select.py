import random
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation.rules import Rule
from curation.select import Quantile, Select
from curation.subset import uid_subset
from pipeline.errors import ConfigError, DataError
from pipeline.recipe import recipe
from pipeline.stage import Annotate, Stage


@recipe
class Score(Stage):
    """The number that the caption is; some captions cannot be scored."""

    kind: ClassVar[str] = "score"
    after_step: str | None = None

    @property
    def reads(self) -> tuple[str, ...]:
        return ("rows.caption", *([f"{self.after_step}.score"] if self.after_step else []))

    @property
    def writes(self) -> pa.Schema:
        return pa.schema([pa.field("score", pa.float64()), pa.field("even", pa.bool_())])

    @contextmanager
    def open(self, tables: Mapping[str, pa.Table]) -> Iterator[Annotate]:
        yield lambda batches: map(self._score, batches)

    def _score(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        texts = batch["rows.caption"].to_pylist()
        errors = [None if text.isdigit() else f"no number\n{text}" for text in texts]
        scores = [None if error else float(text) for text, error in zip(texts, errors, strict=True)]
        even = [None if score is None else score % 2 == 0 for score in scores]
        return pa.record_batch({"score": scores, "even": even, "error_message": pa.array(errors, pa.string())})


def pool_of(make_pool: Any, captions: list[str]) -> Any:
    listed = [{"url": f"http://x.org/{k}", "caption": text, "source": "ab"[k % 2]} for k, text in enumerate(captions)]
    return make_pool([*listed, {"url": "no url", "caption": "5"}], shard_rows=4)


def decided(pool: Any, plan: Any, name: str) -> dict[str, str | None]:
    captions = pool.columns(plan, "rows", "caption")["caption"].to_pylist()
    table = pool.columns(plan, name, "keep", "reject_reason", "status")
    assert set(table["status"].to_pylist()) == {"success"}
    assert table["keep"].to_pylist() == [reason is None for reason in table["reject_reason"].to_pylist()]
    return dict(zip(captions, table["reject_reason"].to_pylist(), strict=True))


def test_every_row_has_exactly_one_final_reason(make_pool: Any) -> None:
    pool = pool_of(make_pool, [str(k) for k in range(10, 22)] + ["none", "x"])
    first = Select(name="first", rules=(Rule(column="rows.source", one_of=("a",)),))
    score = Score(name="score", only="first")
    later = Score(name="later", after_step="score", only="first")
    last = Select(
        name="last",
        after="first",
        explain=("score",),
        rules=(Rule(column="later.score", min=12), Rule(column="later.even", is_true=True, reason="odd")),
    )
    plan = pool.run(first, score, later, last)
    kept = decided(pool, plan, "last")
    assert kept.pop("5").startswith("failed at rows: not a URL")
    assert kept == {
        **{str(k): "rows.source not one of a" for k in range(11, 22, 2)},
        "x": "rows.source not one of a",
        "none": "failed at score: no number",
        "10": "later.score below 12",
        **{str(k): None for k in range(12, 22, 2)},
    }
    table = pool.columns(plan, "last", "reject_reason")["reject_reason"].to_pylist()
    assert sum(Counter(table).values()) == 15


def test_the_first_rule_that_fails_gives_the_reason_and_a_null_is_never_enough(make_pool: Any) -> None:
    pool = pool_of(make_pool, ["1", "5", "9", "x"])
    rules = (Rule(column="score.score", max=8), Rule(column="score.score", min=2, reason="low"))
    plan = pool.run(Score(name="score"), Select(name="select", rules=rules))
    found = {key: value for key, value in decided(pool, plan, "select").items() if key in {"1", "9", "x"}}
    assert found == {"1": "low", "9": "score.score above 8", "x": "failed at score: no number"}


def column_holds(rule: Rule, values: list[Any], kind: pa.DataType | None = None) -> list[bool]:
    found = rule.judge(pa.array(values, kind), {"top": 2.0, "none": None})
    return [all(holds[k].as_py() for holds, _ in found) for k in range(len(values))]


def test_conditions() -> None:
    nan = float("nan")
    assert column_holds(Rule(column="a.b", min=1), [0.0, 1.0, None, nan]) == [False, True, False, False]
    assert column_holds(Rule(column="a.b", max=1), [0.0, 1.5, None, nan]) == [True, False, False, False]
    assert column_holds(Rule(column="a.b", min=1.5, max=2), [1, 2, 3], pa.int32()) == [False, True, False]
    assert column_holds(Rule(column="a.b", one_of=("en", "de")), ["en", "fr", None]) == [True, False, False]
    assert column_holds(Rule(column="a.b", none_of=("en",)), ["en", "fr", None]) == [False, True, True]
    assert column_holds(Rule(column="a.b", one_of=(1, 3)), [1, 2], pa.int32()) == [True, False]
    assert column_holds(Rule(column="a.b", is_true=True), [True, False, None]) == [True, False, False]
    assert column_holds(Rule(column="a.b", is_false=True), [True, False, None]) == [False, True, False]
    assert column_holds(Rule(column="a.b", is_null=True), ["x", None]) == [False, True]
    assert column_holds(Rule(column="a.b", not_null=True), ["x", None]) == [True, False]
    assert column_holds(Rule(column="a.b", above="top"), [1.0, 2.0, None, nan], pa.float32()) == [
        False,
        True,
        False,
        False,
    ]
    assert column_holds(Rule(column="a.b", above="none"), [1.0, None]) == [False, False]


def test_rules_that_make_no_sense_are_refused() -> None:
    with pytest.raises(ConfigError, match="asks for nothing"):
        Rule(column="a.b")
    with pytest.raises(ConfigError, match="not a column"):
        Rule(column="b", min=1)
    with pytest.raises(ConfigError, match="does not fit a column of string"):
        Rule(column="a.b", min=1).judge(pa.array(["x"]), {})
    with pytest.raises(ConfigError, match="not above 0"):
        Quantile(name="top", column="a.b", fraction=30)


def threshold(values: list[float | None], fraction: float, cuts: int = 1) -> dict[str, Any]:
    step = Quantile(name="top", column="clip.score", fraction=fraction)
    table = pa.table({"uid": [""] * len(values), "clip.score": pa.array(values, pa.float32())})
    size = max(1, -(-len(values) // cuts))
    parts = (step.partial(table.slice(k, size)) for k in range(0, len(values), size))
    found: dict[str, Any] = step.combine(parts).to_pylist()[0]
    return found


def test_datacomps_threshold() -> None:
    """Golden values: n = 10, f = .3 keeps 4; f = 1 keeps all; ties at the threshold are kept; NaN and null are not counted."""
    ten = [float(k) for k in range(10)]
    assert threshold(ten, 0.3) == {"threshold": 6.0, "ranked": 10, "kept": 4}
    assert threshold(ten, 1) == {"threshold": 0.0, "ranked": 10, "kept": 10}
    assert threshold([1, 2, 2, 2], 0.25) == {"threshold": 2.0, "ranked": 4, "kept": 3}
    assert threshold([*ten, None, float("nan")], 0.3) == {"threshold": 6.0, "ranked": 10, "kept": 4}
    assert threshold([None], 0.3) == {"threshold": None, "ranked": 0, "kept": 0}


@given(st.lists(st.floats(-1, 1, width=32), min_size=1), st.floats(0.01, 0.99), st.integers(1, 4))
def test_the_threshold_is_datacomps_whatever_the_shards(values: list[float], fraction: float, cuts: int) -> None:
    ordered = -np.sort(-np.array(values, np.float32))  # as DataComp's load_metadata_filter does
    expected = float(ordered[min(int(len(values) * fraction), len(values) - 1)])
    assert threshold(list(values), fraction, cuts)["threshold"] == expected


def test_a_fraction_of_the_selected(make_pool: Any) -> None:
    pool = pool_of(make_pool, [str(k) for k in range(40)])
    small = Select(name="small", rules=(Rule(column="score.score", max=9),))
    best = Quantile(name="best", column="score.score", fraction=0.3, among="small")
    select = Select(name="select", after="small", rules=(Rule(column="score.score", above="best"),))
    plan = pool.run(Score(name="score"), small, best, select)
    reasons = decided(pool, plan, "select")
    assert sorted(int(text) for text, reason in reasons.items() if reason is None) == [6, 7, 8, 9]
    assert reasons["3"] == "score.score below best"
    assert reasons["33"] == "score.score above 9"


@given(st.lists(st.integers(0, 2**128 - 1), unique=True, max_size=30))
def test_datacomp_subset(numbers: list[int]) -> None:
    uids = [f"{number:032x}" for number in numbers]
    random.Random(0).shuffle(uids)
    made = uid_subset(uids)
    assert made.dtype == np.dtype("u8,u8")
    plain = np.array(
        [(int(uid[:16], 16), int(uid[16:32], 16)) for uid in uids], np.dtype("u8,u8")
    )  # DataComp's own way
    plain.sort()
    assert np.array_equal(made, plain)


@pytest.mark.parametrize("uid", ["", "abc", "g" * 32, "0" * 31, "0" * 33])
def test_a_uid_of_another_form_has_no_place_in_a_subset(uid: str) -> None:
    with pytest.raises(DataError, match="32 hex digits"):
        uid_subset(["0" * 32, uid])
