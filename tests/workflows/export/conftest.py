"""A small pool with real JPEGs, a selection and captions, some of which are missing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from painted import Judge, Paint, export

from pipeline.plan import Plan
from pipeline.step import POOL, Entry


@dataclass
class Exported:
    """What an export left: its ledger entry and its folder."""

    entry: Entry
    folder: Path


@pytest.fixture
def run_export(make_pool: Callable[..., Any]) -> Callable[..., Exported]:
    """`run_export(captions, shard_rows=10, **export fields)` over a fresh pool of one row a caption."""

    def run(captions: list[str], shard_rows: int = 10, **changes: Any) -> Exported:
        rows = [{"url": f"https://a.example/{n}", "caption": text} for n, text in enumerate(captions)]
        pool = make_pool(rows, shard_rows)
        step = export(**changes)
        plan: Plan = pool.run(Paint(name="paint"), Judge(name="judge"), step)
        entry = plan.done(plan.by_name["shards"], POOL).parts[-1]  # type: ignore[union-attr]
        return Exported(entry, pool.store.fetch(entry.files["sizes.json"][0]).parent)

    return run
