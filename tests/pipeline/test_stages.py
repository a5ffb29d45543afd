"""What the engine promises a stage, and what it asks of one."""

from typing import ClassVar

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from toy import Keep, Length

from pipeline.errors import ContractError
from pipeline.recipe import recipe

ROWS = [{"url": f"http://x.org/{k}", "caption": f"caption {k}"} for k in range(95)]


def test_every_row_comes_out_once_in_order_with_its_reason(make_pool):
    pool = make_pool(ROWS)
    plan = pool.run(Length(name="length", batch_rows=4))
    rows, made = pool.columns(plan, "rows", "uid", "caption"), pool.columns(plan, "length", "*")
    assert made["uid"].to_pylist() == rows["uid"].to_pylist()
    for caption, row in zip(rows["caption"].to_pylist(), made.to_pylist(), strict=True):
        failed = "7" in caption
        assert row["status"] == ("failed" if failed else "success")
        assert (row["length"], row["error_message"]) == ((None, "has a 7") if failed else (len(caption), None))


def test_a_lost_row_is_a_broken_contract(make_pool):
    with pytest.raises(ContractError, match="gave back"):
        make_pool(ROWS).run(Length(name="length", lose=True))


def test_rows_outside_a_selection_cost_nothing_and_a_wider_one_adds_only_the_new(make_pool):
    pool = make_pool(ROWS)
    narrow = pool.run(Keep(name="chosen", below=2), Length(name="length", only="chosen"))
    first = {p.files["parquet"][0] for units in narrow._of(narrow.by_name["length"]).values() for p in units}
    status = pool.columns(narrow, "length", "status")["status"]
    assert pc.sum(pc.equal(status, "not_selected")).as_py() == sum(int(r["caption"][-1]) >= 2 for r in ROWS)

    wide = pool.run(Keep(name="chosen", version="2", below=6), Length(name="length", only="chosen"))
    units = wide._of(wide.by_name["length"])
    assert all(len(parts) == 2 and parts[0].files["parquet"][0] in first for parts in units.values())
    counts = [parts[1].counts for parts in units.values()]
    assert sum(c.get("success", 0) + c.get("failed", 0) for c in counts) == sum(
        2 <= int(r["caption"][-1]) < 6 for r in ROWS
    )
    merged = pool.columns(wide, "length", "status", "length")
    done = pc.sum(pc.is_in(merged["status"], pa.array(["success", "failed"]))).as_py()
    assert done == sum(int(r["caption"][-1]) < 6 for r in ROWS)


def test_a_stage_that_reads_a_failed_row_does_not_see_it(make_pool):
    pool = make_pool(ROWS)
    seen = Length(name="again", text="first.length")

    @recipe
    class After(Length):
        kind: ClassVar[str] = "after"

        @property
        def reads(self) -> tuple[str, ...]:
            return ("rows.caption", "first.length")

    assert seen.needs == ("first",)
    plan = pool.run(Length(name="first"), After(name="after"))
    status = pool.columns(plan, "after", "status")["status"].to_pylist()
    assert status.count("failed_upstream") == sum("7" in row["caption"] for row in ROWS)
