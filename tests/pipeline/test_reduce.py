"""Reduces: one part a shard, one table a pool; a changed input makes a new table and leaves the old one."""

from collections.abc import Iterator
from typing import ClassVar

import pyarrow as pa
from toy import Keep, Length

from pipeline.recipe import recipe
from pipeline.reduce import Reduce

ROWS = [{"url": f"http://x.org/{k}", "caption": "x" * (k % 9 + 1)} for k in range(100)]


@recipe
class Total(Reduce):
    """Rows per length."""

    kind: ClassVar[str] = "total"

    @property
    def reads(self) -> tuple[str, ...]:
        return ("length.length",)

    def partial(self, rows: pa.Table) -> pa.Table:
        return rows.group_by("length.length").aggregate([("uid", "count")])

    def combine(self, partials: Iterator[pa.Table]) -> pa.Table:
        return (
            pa.concat_tables(partials)
            .group_by("length.length")
            .aggregate([("uid_count", "sum")])
            .sort_by("length.length")
        )


def test_the_table_is_that_of_the_whole_pool_however_it_is_cut(make_pool):
    tables = []
    for shard_rows in (7, 33, 1000):
        pool = make_pool(ROWS, shard_rows)
        tables.append(pool.table(pool.run(Length(name="length"), Total(name="total")), "total"))
    assert tables[0].equals(tables[1]) and tables[1].equals(tables[2])
    assert tables[0]["uid_count_sum"].to_pylist() == [sum(len(r["caption"]) == n for r in ROWS) for n in range(1, 10)]


def test_a_wider_selection_below_makes_a_new_table_and_keeps_the_old(make_pool):
    rows = [{"url": f"http://x.org/{k}", "caption": f"c {k}"} for k in range(100)]
    pool = make_pool(rows, 20)
    for version, below in (("1", 3), ("2", 6)):
        steps = [
            Keep(name="chosen", version=version, below=below),
            Length(name="length", only="chosen"),
            Total(name="total"),
        ]
        plan = pool.run(*steps)
        counted = sum(
            n for key, n in zip(*pool.table(plan, "total").to_pydict().values(), strict=True) if key is not None
        )
        assert counted == sum(int(r["caption"][-1]) < below and "7" not in r["caption"] for r in rows)
    assert len(list((pool.store.root / "tables/total/1").glob("*.parquet"))) == 2
