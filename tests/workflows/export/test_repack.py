"""A child pool: full shards, every column and image of the kept rows, the parent's equation, and the same bytes however it is run."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import tarfile
from collections.abc import Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from pipeline.errors import ConfigError, DataError
from pipeline.parts import column_names, read_columns
from pipeline.plan import Plan
from pipeline.progress import Progress
from pipeline.removal import remove
from pipeline.run import Run
from pipeline.step import POOL, Entry, Step, Task
from pipeline.store import Store
from pipeline.verify import orphans, verify
from pipeline.worker import Finished, Worker
from workflows.cli import app
from workflows.config import load
from workflows.repack.command import begin
from workflows.runner import plan_of, work

PARENT = """\
pool: {pool}
execution: {{engine: local}}
steps:
  rows: {{kind: intake, urls: {urls}, shard_rows: 20}}
  paint: {{kind: "painted:Paint"}}
  judge: {{kind: "painted:Judge"}}
  picked:
    kind: select
    explain: [paint]
    rules: [{{column: judge.keep, is_true: true, reason: bad}}]
"""
FURTHER = """\
  again: {kind: "painted:Judge"}
  shards:
    kind: export
    selection: picked
    images: paint
    texts: {caption_alt: rows.caption, caption_short: again.short}
    columns: {url: rows.url, score: judge.score}
"""


@pytest.fixture
def parent(tmp_path: Path) -> Path:
    """The config of a parent of 200 rows, a quarter of which is bad and two of which are no pairs; done."""
    rows = [
        {"url": f"https://a.example/{n}", "caption": f"{'bad ' if n % 4 == 0 else ''}thing {n}"} for n in range(200)
    ]
    rows += [{"url": "no address", "caption": "x y"}, {"url": "ftp://a.example/1", "caption": "x z"}]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "urls.parquet")
    path = tmp_path / "parent.yaml"
    path.write_text(PARENT.format(pool=tmp_path / "parent", urls=tmp_path / "urls.parquet"))
    work(load(path), ())
    return path


def repack(parent: Path, to: Path, shard_rows: int = 32) -> Path:
    """The child's config, once it is done."""
    path = begin(load(parent), "picked", to, shard_rows)
    work(load(path), ("repack", "carried"))
    return path


def everything(plan: Plan, step: str) -> list[dict[str, Any]]:
    found = []
    for shard in plan.shards():
        parts = plan.parts(plan.by_name[step], shard)
        names = column_names(plan.store, parts)
        found += read_columns(plan.store, parts, names).to_pylist()
    return found


def images(plan: Plan) -> dict[str, bytes]:
    found = {}
    for shard in plan.shards():
        with tarfile.open(plan.store.fetch(plan.parts(plan.by_name["paint"], shard)[0].files["tar"][0])) as tar:
            found |= {member.name: tar.extractfile(member).read() for member in tar}  # type: ignore[union-attr]
    return found


def files(pool: Path) -> dict[str, bytes]:
    """Everything that was made; when and where it was run is told in `runs`."""
    return {
        str(path.relative_to(pool)): path.read_bytes()
        for path in sorted(pool.rglob("*"))
        if path.is_file() and path.relative_to(pool).parts[0] in {"rows", "columns", "images", "ledger"}
    }


def test_parent_is_child_and_rejected_and_failed(parent: Path, tmp_path: Path) -> None:
    plan = plan_of(load(repack(parent, tmp_path / "child")))
    entry = plan.done(plan.by_name["rows"], POOL).parts[0]  # type: ignore[union-attr]
    assert entry.facts["parent"] == {"rows": 202, "kept": 150, "rejected": 50, "failed": 2}
    assert (entry.rows, entry.counts) == (150, {"success": 150})
    assert [plan.parts(plan.by_name["judge"], shard)[0].rows for shard in plan.shards()] == [32, 32, 32, 32, 22]
    assert [found.problems for found in verify(plan)] == [()] * 4
    assert orphans(plan.store, plan) == []


def test_a_child_has_all_that_is_known_of_its_rows(parent: Path, tmp_path: Path) -> None:
    old, new = plan_of(load(parent)), plan_of(load(repack(parent, tmp_path / "child")))
    keys = {row["parent_key"]: row["key"] for row in everything(new, "rows")}
    assert len(keys) == len(set(keys.values())) == 150
    for step in ("rows", "judge", "picked", "paint"):
        was = {row["uid"]: row for row in everything(old, step)}
        for row in everything(new, step):
            assert row.pop("parent_key", None) == (was[row["uid"]].pop("key", None))
            row.pop("key", None)
            assert row == was[row["uid"]]
    pictures = images(old)
    assert images(new) == {
        f"{keys[name[:14]]}{name[14:]}": held for name, held in pictures.items() if name[:14] in keys
    }
    assert list(images(new)) == sorted(images(new))


def test_a_child_runs_further_steps_when_its_parent_is_gone(parent: Path, tmp_path: Path) -> None:
    path = repack(parent, tmp_path / "child")
    (tmp_path / "parent").rename(tmp_path / "elsewhere")
    path.write_text(path.read_text() + FURTHER)
    assert work(load(path), ()) == 0
    plan = plan_of(load(path))
    entry = plan.parts(plan.by_name["shards"], POOL)[-1]
    assert entry.counts == {"success": 150}
    folder = plan.store.fetch(entry.files["README.md"][0]).parent
    recipe = json.loads((folder / "recipe.json").read_text())
    assert recipe["judge@parent"]["kind"] == "test-judge"
    assert recipe["rows@parent"]["kind"] == "intake"
    assert repack(tmp_path / "child" / "pool.yaml", tmp_path / "grandchild").exists()


class Threads:
    """Three workers of each step at a time, in whichever order they end."""

    def __init__(self, store: Store) -> None:
        self.store, self.pool, self.running = store, ThreadPoolExecutor(3), set[Future[Finished]]()

    def has_room(self, step: Step) -> bool:
        return len(self.running) < 3

    def submit(self, step: Step, task: Task, tables: Mapping[str, Entry]) -> None:
        self.running.add(self.pool.submit(Worker(step, self.store).run, task, tables))

    def backlog(self, step: Step, units: int) -> None: ...

    def wait(self) -> Finished:
        done = next(iter(wait(self.running, return_when=FIRST_COMPLETED).done))
        self.running.remove(done)
        return done.result()

    def retire(self, step: Step) -> None: ...

    def close(self) -> None:
        self.pool.shutdown()


def test_the_bytes_are_the_same_for_any_number_of_workers(parent: Path, tmp_path: Path) -> None:
    repack(parent, tmp_path / "one")
    plan = plan_of(load(begin(load(parent), "picked", tmp_path / "three", 32)))
    Run(plan, Threads(plan.store), Progress())()
    assert files(tmp_path / "one") == files(tmp_path / "three")


def test_a_child_that_is_killed_goes_on(parent: Path, tmp_path: Path) -> None:
    repack(parent, tmp_path / "whole")
    path = begin(load(parent), "picked", tmp_path / "killed", 32)
    code = (
        "import os, signal, sys\nleft = iter(range(int(sys.argv[2])))\n"
        "def audit(event, args):\n"
        "    if event == 'os.link' and next(left, None) is None: os.kill(os.getpid(), signal.SIGKILL)\n"
        "sys.addaudithook(audit)\nfrom pathlib import Path\nfrom workflows.config import load\nfrom workflows.runner import work\n"
        "work(load(Path(sys.argv[1])), ())"
    )
    ended = subprocess.run([sys.executable, "-c", code, str(path), "9"], check=False)
    assert ended.returncode == -signal.SIGKILL
    assert 1 < len(files(tmp_path / "killed")) < len(files(tmp_path / "whole"))
    work(load(path), ())
    plan = plan_of(load(path))
    for orphan in orphans(plan.store, plan):
        plan.store.delete(orphan)  # what `pairpool gc` does
    assert files(tmp_path / "killed") == files(tmp_path / "whole")


def test_rows_that_were_taken_down_do_not_come_along(parent: Path, tmp_path: Path) -> None:
    old = plan_of(load(parent))
    gone = [row["uid"] for row in everything(old, "judge") if row["keep"]][:3]
    remove(old.store, gone, "asked for")
    plan = plan_of(load(repack(parent, tmp_path / "child")))
    assert not {row["uid"] for row in everything(plan, "rows")} & set(gone)
    entry = plan.done(plan.by_name["rows"], POOL).parts[0]  # type: ignore[union-attr]
    assert entry.facts["parent"] == {"rows": 202, "kept": 147, "rejected": 50, "failed": 2, "removed": 3}


def test_a_row_that_is_taken_down_while_a_child_is_made_stays_down(parent: Path, tmp_path: Path) -> None:
    path = begin(load(parent), "picked", tmp_path / "child", 32)
    work(load(path), ("repack",))
    plan = plan_of(load(path))
    gone = [row["uid"] for row in everything(plan, "rows")][5:40:7]
    remove(plan.store, gone, "asked for")
    work(load(path), ("carried",))
    plan = plan_of(load(path))
    told = {row["uid"]: row for row in everything(plan, "judge")}
    assert len(told) == 150
    assert {uid for uid, row in told.items() if row["status"] == "removed"} == set(gone)
    assert {(told[uid]["error_message"], told[uid]["keep"], told[uid]["short"]) for uid in gone} == {
        ("asked for", False, None)
    }
    assert len(images(plan)) == 145
    assert [found.problems for found in verify(plan)] == [()] * 4


def test_what_is_refused(parent: Path, tmp_path: Path) -> None:
    config = load(parent)
    for selection in ("rows", "nothing", "paint"):
        with pytest.raises(ConfigError, match=selection):
            work(load(begin(config, selection, tmp_path / selection, 10)), ())
    with pytest.raises(ConfigError, match="into itself"):
        begin(config, "picked", config.pool, 10)
    with pytest.raises(ConfigError, match="another folder"):
        begin(config, "judge", begin(config, "picked", tmp_path / "child", 10).parent, 10)
    none = load(parent, ["picked.rules=[{column: judge.score, min: 1000, reason: low}]", "picked.version='2'"])
    work(none, ())
    with pytest.raises(DataError, match="keeps none of the 202 rows"):
        work(load(begin(none, "picked", tmp_path / "none", 10)), ())


def test_a_parent_that_was_made_anew_is_noticed(parent: Path, tmp_path: Path) -> None:
    path = begin(load(parent), "picked", tmp_path / "child", 32)
    entry = next((tmp_path / "parent" / "ledger" / "judge" / "1").glob("0*.json"))
    told = json.loads(entry.read_text())
    entry.write_text(json.dumps(told | {"files": {"parquet": ["columns/x", "0" * 64, 1]}}))
    with pytest.raises(DataError, match="made anew"):
        work(load(path), ())


def test_the_command(parent: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["repack", str(parent), "--selection", "picked", "--to", str(tmp_path / "child"), "--shard-rows", "64"]
    assert app(options, standalone_mode=False) == 0
    assert "202 rows of the parent = 150 of the child + 50 rejected + 2 failed; 3 shards." in capsys.readouterr().out
    child = yaml.safe_load((tmp_path / "child" / "pool.yaml").read_text())
    assert list(child["steps"]) == ["rows", "paint", "judge", "picked"]
