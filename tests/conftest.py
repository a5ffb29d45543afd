"""Small real pools in a temporary folder, and the engine run in this process."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import settings

from curation.intake import Intake
from pipeline.executor import LocalExecutor
from pipeline.parts import column_names, read_columns, read_table
from pipeline.plan import Plan
from pipeline.progress import Progress
from pipeline.run import Run
from pipeline.step import POOL, Step
from pipeline.store import Store

settings.register_profile("pairpool", deadline=None)  # a machine that is slow for a moment is no failure
settings.load_profile("pairpool")


class SmallPool:
    """A pool made from rows given in the test, and the steps run on it so far."""

    def __init__(self, root: Path, rows: Sequence[dict[str, Any]], shard_rows: int = 10) -> None:
        self.root = root
        root.mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.Table.from_pylist(list(rows)), root / "urls.parquet")
        self.store = Store(root / "pool")
        self.intake = Intake(urls=root / "urls.parquet", shard_rows=shard_rows)

    def run(self, *steps: Step) -> Plan:
        """Run the intake and `steps` in this process; the plan afterwards."""
        Run(Plan(self.store, [self.intake, *steps]), LocalExecutor(self.store), Progress())()
        return Plan(self.store, [self.intake, *steps])

    def columns(self, plan: Plan, step: str, *names: str) -> pa.Table:
        """Columns of a step over the whole pool, in the order of shards; `*` for all."""
        found = []
        for shard in plan.shards():
            parts = plan.parts(plan.by_name[step], shard)
            assert parts, f"{step} has not done shard {shard}"
            wanted = column_names(self.store, parts) if names == ("*",) else names
            found.append(read_columns(self.store, parts, wanted))
        return pa.concat_tables(found)

    def table(self, plan: Plan, step: str) -> pa.Table:
        """The table of a reduce."""
        return read_table(self.store, plan.parts(plan.by_name[step], POOL)[-1])


@pytest.fixture
def make_pool(tmp_path: Path) -> Callable[..., SmallPool]:
    """`make_pool(rows, shard_rows=10)`: rows are dicts with url, caption, and whatever intake reads."""
    count = iter(range(100))
    return lambda rows, shard_rows=10: SmallPool(tmp_path / f"pool{next(count)}", rows, shard_rows)
