"""The ledger: the first entry wins, the loser's files belong to nobody, broken parts are found."""

from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pytest
from toy import Length

from pipeline.errors import BrokenPart
from pipeline.ledger import Ledger
from pipeline.plan import Plan
from pipeline.step import Outcome, Task
from pipeline.store import Store
from pipeline.verify import orphans, verify

ROWS = [{"url": f"http://x.org/{k}", "caption": f"caption {k}"} for k in range(30)]


def create(root: Path, k: int) -> bool:
    return Store(root).create("one/entry.json", str(k).encode())


def test_of_many_writers_exactly_one_creates(tmp_path):
    # The object store runs threads of its own, which a fork would lose: each writer is a process of its own making.
    with ProcessPoolExecutor(4, get_context("spawn")) as pool:
        won = list(pool.map(create, [tmp_path] * 40, range(40)))
    assert sum(won) == 1
    assert Store(tmp_path).get("one/entry.json") == str(won.index(True)).encode()


def attempt(ledger: Ledger, folder: Path, text: str):
    task = Task("length", "00000000", 0, "basis", (0,), {})
    path = folder / text
    path.write_text(text)
    return ledger.commit(Length(name="length"), task, Outcome({"parquet": path}, 1, {"success": 1}))


def test_a_late_duplicate_loses_harmlessly(tmp_path, make_pool):
    ledger = Ledger(Store(tmp_path / "pool"))
    first, late = attempt(ledger, tmp_path, "first"), attempt(ledger, tmp_path, "late")
    assert late == first
    assert ledger.store.get(first.files["parquet"][0]) == b"first"
    assert list(ledger.entries("length", "1")["00000000"]) == [first]


def test_what_no_entry_names_is_an_orphan_and_nothing_else(make_pool):
    pool = make_pool(ROWS)
    plan = pool.run(Length(name="length"))
    assert orphans(pool.store, plan) == []
    pool.store.put("columns/length/1/00000000-dead.parquet", b"left by a killed worker")
    assert orphans(pool.store, plan) == ["columns/length/1/00000000-dead.parquet"]


def test_verify_finds_rows_in_another_order(make_pool):
    import pyarrow.parquet as pq

    pool = make_pool(ROWS)
    plan = pool.run(Length(name="length"))
    assert not any(found.problems for found in verify(plan))
    path = pool.store.fetch(plan.parts(plan.by_name["length"], 0)[0].files["parquet"][0])
    table = pq.read_table(path)
    pq.write_table(table.take(list(range(table.num_rows))[::-1]), path)
    problems = [p for found in verify(Plan(pool.store, [pool.intake, Length(name="length")])) for p in found.problems]
    assert any("sha256" in p for p in problems) and any("uids" in p for p in problems)


def test_an_entry_that_is_not_one_is_named(make_pool):
    pool = make_pool(ROWS)
    pool.run(Length(name="length"))
    (pool.store.root / "ledger/length/1/00000000.0.json").write_text("{}")
    with pytest.raises(BrokenPart, match=r"00000000\.0\.json is not a ledger entry"):
        Ledger(pool.store).entries("length", "1")
