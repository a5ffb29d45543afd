"""Takedown: nothing of a row is left in any file of the pool, nothing else is done again, and it never comes back."""

from __future__ import annotations

import signal
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from painted import Judge, Paint, export

from pipeline.plan import Plan
from pipeline.removal import finish, remove
from pipeline.rows import uid_of
from pipeline.step import POOL
from pipeline.tombstones import lay
from pipeline.verify import orphans, verify
from workflows.account import account

ROWS = [{"url": f"https://a.example/{n}", "caption": f"secret{n} words"} for n in range(24)]
GONE = [3, 17]
UIDS = [uid_of(ROWS[n]["url"]) for n in GONE]
STEPS = (Paint(name="paint"), Judge(name="judge"), export())


@pytest.fixture
def pool(make_pool: Callable[..., Any]) -> Any:
    made = make_pool(ROWS, 10)
    made.run(*STEPS)
    return made


def leaks(root: Path) -> list[str]:
    """Files of the pool that still hold something of the removed rows, decompressed."""
    words = [text for n in GONE for text in (ROWS[n]["url"] + '"', ROWS[n]["caption"])]
    return [str(path) for path in root.rglob("*") if path.is_file() for word in words if word in opened(path)]


def opened(path: Path) -> str:
    if path.suffix == ".parquet":
        return str(pq.read_table(path).to_pylist()).replace("'", '"')
    return path.read_bytes().decode("latin-1")


def samples(pool: Any, plan: Plan) -> dict[str, str]:
    """url -> key of what the export holds."""
    folder = pool.store.fetch(plan.parts(plan.by_name["shards"], POOL)[-1].files["sizes.json"][0]).parent
    found = {}
    for shard in sorted(folder.glob("*.tar")):
        with tarfile.open(shard) as tar:
            for name in tar.getnames():
                if name.endswith(".txt"):
                    found[tar.extractfile(name).read().decode()] = name.partition(".")[0]  # type: ignore[union-attr]
    return found


def test_nothing_is_left_and_the_rest_is_as_it_was(pool: Any) -> None:
    before = pool.run(*STEPS)
    whole = samples(pool, before)
    assert leaks(pool.store.root)  # the search finds what is there
    told = remove(pool.store, UIDS, "asked for")
    assert (told.rows, told.deleted) == (2, {"shards": 1})
    assert leaks(pool.store.root) == []
    after = pool.run(*STEPS)
    assert leaks(pool.store.root) == []
    assert samples(pool, after) == {
        text: key for text, key in whole.items() if text not in {ROWS[n]["caption"] for n in GONE}
    }
    assert orphans(pool.store, after) == []
    assert [found.problems for found in verify(after)] == [()] * 4


def test_only_what_was_made_of_the_whole_pool_is_made_again(pool: Any) -> None:
    notes = {path: path.stat().st_mtime_ns for path in (pool.store.root / "runs").rglob("*.json")}
    remove(pool.store, UIDS, "asked for")
    pool.run(*STEPS)
    again = {path.parent.parent.name for path, time in notes.items() if path.stat().st_mtime_ns != time}
    assert again == {"shards"}


def test_the_account_keeps_the_rows_with_their_reason(pool: Any) -> None:
    remove(pool.store, UIDS, "asked for")
    lines = {line.step: line for line in account(pool.run(*STEPS))}
    assert lines["rows"].counts == {"success": 22, "removed": 2}
    assert lines["judge"].counts == {"success": 22, "removed": 2}
    assert lines["shards"].rows == 24
    plan = pool.run(*STEPS)
    rows = [row for row in pool.columns(plan, "rows", "*").to_pylist() if row["status"] == "removed"]
    assert {row["uid"] for row in rows} == set(UIDS)
    assert {(row["error_message"], row["url"], row["caption"], row["texts"]) for row in rows} == {
        ("asked for", None, None, None)
    }


def test_a_new_version_of_any_step_does_not_bring_them_back(pool: Any) -> None:
    remove(pool.store, UIDS, "asked for")
    steps = (Paint(name="paint", version="2"), Judge(name="judge", version="2"), export(version="2"))
    plan = pool.run(*steps)
    assert len(samples(pool, plan)) == 22
    pool.intake = type(pool.intake)(urls=pool.intake.urls, shard_rows=10, version="2")  # reads the whole list again
    plan = pool.run(*(type(step)(name=step.name, version="3") for step in steps[:2]), export(version="3"))
    assert len(samples(pool, plan)) == 22
    assert leaks(pool.store.root) == []


def test_a_removal_that_is_killed_is_finished_by_the_next(pool: Any) -> None:
    lay(pool.store, UIDS, "asked for")
    code = (
        "import os, signal, sys\nfrom pipeline.store import Store\nfrom pipeline.removal import finish\n"
        "left = iter(range(int(sys.argv[2])))\n"
        "def audit(event, args):\n"
        "    if event == 'os.remove' and next(left, None) is None: os.kill(os.getpid(), signal.SIGKILL)\n"
        "sys.addaudithook(audit)\n"
        "finish(Store(sys.argv[1]))"
    )
    for deletions in (1, 3, 6):
        ended = subprocess.run([sys.executable, "-c", code, str(pool.store.root), str(deletions)], check=False)
        assert ended.returncode in (-signal.SIGKILL, 0)
    finish(pool.store)
    plan = pool.run(*STEPS)
    for path in orphans(pool.store, plan):
        pool.store.delete(path)  # what `pairpool gc` does
    assert leaks(pool.store.root) == []
    assert len(samples(pool, plan)) == 22


def test_uids_that_are_not_there_can_never_enter(pool: Any) -> None:
    stranger = uid_of("https://b.example/1")
    assert remove(pool.store, [stranger], "asked for").rows == 0
    assert not list((pool.store.root / "tombstones").glob(f"*{stranger}*"))
    assert len(samples(pool, pool.run(*STEPS))) == 24
