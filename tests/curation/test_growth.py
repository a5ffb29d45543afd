"""A pool that gets more rows later: only its new shards run, counts merge, thresholds and selection are redone."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from curation.balance import Balance, MatchCounts
from curation.intake import Intake
from curation.langid import LangId
from curation.match import Match
from pipeline.errors import DataError, RecipeChanged
from pipeline.executor import LocalExecutor
from pipeline.plan import Plan
from pipeline.progress import Progress
from pipeline.run import Run
from pipeline.step import Step
from pipeline.store import Store
from workflows.account import account

WORDS = ("dog", "cat", "red", "boat", "tree")


def lines(begin: int, end: int) -> list[dict[str, str]]:
    return [
        {"url": f"http://a.org/{k}", "caption": f"a photo of the {WORDS[k % 5]} and the {WORDS[k % 3]}"}
        for k in range(begin, end)
    ]


def write(path: Path, rows: list[dict[str, str]]) -> Path:
    pq.write_table(pa.Table.from_pylist(rows), path)
    return path


def recipe(folder: Path, *more: Path) -> list[Step]:
    metadata = folder / "metadata"
    metadata.mkdir(exist_ok=True)
    (metadata / "en.txt").write_text("\n".join([*WORDS, "photo", "of"]), "utf-8")
    return [
        Intake(urls=folder / "first.parquet", more=more, shard_rows=20),
        LangId(name="lang", threshold=0.1),
        Match(name="match", metadata=metadata),
        MatchCounts(name="counts"),
        Balance(name="balance", t_en=15),
    ]


def run(folder: Path, root: str, *more: Path) -> Plan:
    store = Store(folder / root)
    Run(Plan(store, recipe(folder, *more)), LocalExecutor(store), Progress())()
    return Plan(store, recipe(folder, *more))


def committed(folder: Path, step: str) -> dict[str, int]:
    """Name and time of the entries of a step."""
    return {path.name: path.stat().st_mtime_ns for path in (folder / "pool/ledger" / step / "1").glob("*-*.json")} | {
        path.name: path.stat().st_mtime_ns for path in (folder / "pool/ledger" / step / "1").glob("0*.json")
    }


def counts(folder: Path, root: str, plan: Plan) -> list[dict[str, object]]:
    entry = plan.parts(plan.by_name["counts"], -1)[-1]
    rows: list[dict[str, object]] = pq.read_table(folder / root / entry.files["parquet"][0]).to_pylist()
    return rows


def test_only_new_shards_run_and_counts_are_those_of_all_rows(tmp_path: Path) -> None:
    write(tmp_path / "first.parquet", lines(0, 100))
    second = write(tmp_path / "second.parquet", lines(100, 150))
    write(tmp_path / "both.parquet", lines(0, 150))
    assert len(run(tmp_path, "pool").shards()) == 5
    before = {step: committed(tmp_path, step) for step in ("lang", "match", "counts-partial")}
    grown = run(tmp_path, "pool", second)
    assert len(grown.shards()) == 8
    for step, entries in before.items():
        after = committed(tmp_path, step)
        assert {name: after[name] for name in entries} == entries
        assert len(after) == 8
    (tmp_path / "first.parquet").write_bytes((tmp_path / "both.parquet").read_bytes())
    assert counts(tmp_path, "pool", grown) == counts(tmp_path, "whole", run(tmp_path, "whole"))


def test_the_selection_of_a_grown_pool_is_that_of_one_made_at_once(tmp_path: Path) -> None:
    write(tmp_path / "first.parquet", lines(0, 60))
    grown = run(tmp_path, "pool", write(tmp_path / "second.parquet", lines(60, 130)))
    kept = kept_urls(tmp_path / "pool", grown)
    write(tmp_path / "first.parquet", lines(0, 130))
    assert kept == kept_urls(tmp_path / "whole", run(tmp_path, "whole"))
    assert 0 < len(kept) < 130


def kept_urls(root: Path, plan: Plan) -> set[str]:
    found: set[str] = set()
    for shard in plan.shards():
        rows, balance = (plan.parts(plan.by_name[name], shard)[-1].files["parquet"][0] for name in ("rows", "balance"))
        urls, keep = pq.read_table(root / rows)["url"], pq.read_table(root / balance)["keep"]
        found.update(urls.filter(keep).to_pylist())
    return found


def test_rows_that_the_pool_has_stay_as_failed_rows_that_name_the_first(tmp_path: Path) -> None:
    write(tmp_path / "first.parquet", lines(0, 40))
    plan = run(tmp_path, "pool", write(tmp_path / "second.parquet", [*lines(30, 50), *lines(30, 31)]))
    line = account(plan)[0]
    assert (line.rows, line.counts) == (60, {"success": 50, "failed": 10})
    assert line.reasons == {"the pool has this URL already": 10}
    rows = [row for shard in plan.shards() for row in table(tmp_path / "pool", plan, shard)]
    assert len({row["uid"] for row in rows}) == 60
    keys = {row["url"]: row["key"] for row in rows if row["status"] == "success"}
    assert all(row["error_message"].split("\n")[1] == keys[row["url"]] for row in rows if row["status"] == "failed")


def table(root: Path, plan: Plan, shard: int) -> list[dict[str, str]]:
    rows: list[dict[str, str]] = pq.read_table(
        root / plan.parts(plan.steps[0], shard)[-1].files["parquet"][0]
    ).to_pylist()
    return rows


def test_lists_are_never_taken_back_or_changed(tmp_path: Path) -> None:
    write(tmp_path / "first.parquet", lines(0, 20))
    second = write(tmp_path / "second.parquet", lines(20, 40))
    run(tmp_path, "pool", second)
    with pytest.raises(RecipeChanged, match=r"list 2 of 1 is not the one that was taken in \(second.parquet\)"):
        run(tmp_path, "pool")
    write(second, lines(20, 41))
    with pytest.raises(RecipeChanged, match="list 2 of 2"):
        run(tmp_path, "pool", second)


def test_an_empty_list_later_is_an_error_that_leaves_the_pool_as_it_was(tmp_path: Path) -> None:
    write(tmp_path / "first.parquet", lines(0, 20))
    run(tmp_path, "pool")
    before = sorted((tmp_path / "pool").rglob("*.parquet"))
    (tmp_path / "none.jsonl").write_text("")
    with pytest.raises(DataError, match="no lines"):
        run(tmp_path, "pool", tmp_path / "none.jsonl")
    assert sorted((tmp_path / "pool").rglob("*.parquet")) == before
    assert json.loads((tmp_path / "pool/ledger/rows/1/identity.json").read_text())["kind"] == "intake"
