"""The run as a whole: the same bytes in-process and on Ray, nothing lost to SIGKILL, poison set aside, changed recipes refused."""

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from toy import Keep, Length, digests

from pipeline.errors import RecipeChanged, UnknownStep
from pipeline.executor import LocalExecutor
from pipeline.ledger import Ledger
from pipeline.plan import Plan
from pipeline.progress import Progress
from pipeline.ray_executor import RayExecutor, connect, disconnect
from pipeline.run import Run
from pipeline.store import Store

ROWS = [{"url": f"http://x.org/{k}", "caption": f"caption {k}"} for k in range(200)]


@pytest.fixture(scope="module")
def ray_cluster():
    os.environ["PYTHONPATH"] = str(Path(__file__).parent)  # where the workers find the toy stages
    connect("local", 4)
    yield
    disconnect()
    del os.environ["PYTHONPATH"]


@pytest.mark.slow
def test_on_ray_and_in_this_process_every_part_has_the_same_bytes(make_pool, ray_cluster):
    steps = [Keep(name="chosen"), Length(name="length", only="chosen")]
    here, there = make_pool(ROWS, 20), make_pool(ROWS, 20)
    here.run(*steps)
    Run(Plan(there.store, [there.intake, *steps]), RayExecutor(there.store), Progress())()
    assert digests(here.store) == digests(there.store)
    assert len(digests(here.store)) == 1 + 2 * 10


@pytest.mark.slow
def test_a_unit_that_kills_its_workers_is_set_aside_and_the_run_goes_on(make_pool, ray_cluster):
    pool = make_pool(ROWS, 20)
    plan = Plan(pool.store, [pool.intake, Length(name="length", die_on="caption 33")])
    Run(plan, RayExecutor(pool.store), Progress())()
    status = Counter(pool.columns(plan, "length", "status")["status"].to_pylist())
    shard = next(
        s
        for s in plan.shards()
        if "caption 33"
        in pq.read_table(pool.store.fetch(plan.parts(plan.steps[0], s)[0].files["parquet"][0]))["caption"].to_pylist()
    )
    poisoned = plan.parts(plan.by_name["length"], shard)[0]
    assert status["quarantined"] == poisoned.rows > 0
    assert sum(status.values()) == len(ROWS)
    assert all("quarantined" in reason for reason in poisoned.reasons)


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["local", "ray"])
def test_sigkill_of_the_driver_costs_nothing_that_was_committed(tmp_path: Path, engine: str):
    pq.write_table(pa.Table.from_pylist(ROWS), tmp_path / "urls.parquet")
    undisturbed, killed = (write_config(tmp_path, name, engine) for name in ("undisturbed", "killed"))
    assert pairpool("run", undisturbed, "--engine", "local").wait() == 0  # whose bytes are those of Ray
    victim = pairpool("run", killed)
    ledger = tmp_path / "killed/ledger/length/1"
    wait_until(lambda: ledger.exists() and len(list(ledger.glob("0*.json"))) >= 3)
    os.killpg(victim.pid, signal.SIGKILL)
    victim.wait()
    before = {
        path: (path.stat().st_mtime_ns, path.read_bytes()) for path in (tmp_path / "killed/columns").rglob("*.parquet")
    }
    entries = {path: path.stat().st_mtime_ns for path in (tmp_path / "killed/ledger").rglob("*.json")}
    assert 3 <= len(list(ledger.glob("0*.json"))) < 20, "the kill came in the middle of the stage"
    assert pairpool("run", killed).wait() == 0
    assert all((path.stat().st_mtime_ns, path.read_bytes()) == kept for path, kept in before.items())
    assert all(path.stat().st_mtime_ns == kept for path, kept in entries.items())
    assert digests(Store(tmp_path / "killed")) == digests(Store(tmp_path / "undisturbed"))
    made = [
        pq.read_table(p)
        for p in sorted((tmp_path / "killed/columns/length/1").glob("*.parquet"))
        if p in named(tmp_path / "killed")
    ]
    uids = [uid for table in made for uid in table["uid"].to_pylist()]
    assert len(uids) == len(set(uids)) == len(ROWS)


def named(root: Path) -> set[Path]:
    return {root / path for entry in Ledger(Store(root)).all_entries() for path, _, _ in entry.files.values()}


def write_config(folder: Path, name: str, engine: str) -> Path:
    steps = {
        "rows": {"kind": "intake", "urls": str(folder / "urls.parquet"), "shard_rows": 10},
        "length": {"kind": "toy:Length", "delay": 0.15},
    }
    config = {
        "pool": str(folder / name),
        "execution": {"engine": engine, "cpus": 2, "failure_budget": 1.0},
        "steps": steps,
    }
    path = folder / f"{name}.yaml"
    path.write_text(yaml.safe_dump(config, sort_keys=False))
    return path


def pairpool(*arguments: str | Path) -> subprocess.Popen:
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parent)}
    command = [sys.executable, "-m", "workflows.cli", *map(str, arguments)]
    return subprocess.Popen(command, env=environment, start_new_session=True, stdout=subprocess.DEVNULL)


def wait_until(true, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.02)


def test_a_second_run_does_nothing(make_pool):
    pool = make_pool(ROWS)
    pool.run(Length(name="length"))
    stamps = {path: path.stat().st_mtime_ns for path in pool.store.root.rglob("*") if path.is_file()}
    pool.run(Length(name="length"))
    assert stamps == {path: path.stat().st_mtime_ns for path in pool.store.root.rglob("*") if path.is_file()}


def test_a_changed_recipe_is_refused_and_the_field_is_named(make_pool):
    pool = make_pool(ROWS)
    pool.run(Keep(name="chosen", below=3))
    with pytest.raises(RecipeChanged, match=r"recipe\.below: 3 -> 4"):
        pool.run(Keep(name="chosen", below=4))
    pool.run(Keep(name="chosen", below=3, batch_rows=7))  # how, not what
    pool.run(Keep(name="chosen", version="2", below=4))


def test_a_step_that_was_not_run_yet_may_change_and_what_it_reads_may_not(make_pool):
    pool = make_pool(ROWS)

    def run(below: int, text: str, *names: str) -> None:
        steps = [pool.intake, Keep(name="chosen", below=below), Length(name="length", only="chosen", text=text)]
        Run(Plan(pool.store, steps), LocalExecutor(pool.store), Progress(), frozenset(names))()

    run(3, "rows.url", "rows", "chosen")
    run(3, "rows.caption", "rows", "chosen")  # `length` has no part yet
    run(3, "rows.caption")
    with pytest.raises(RecipeChanged, match=r"recipe\.text"):
        run(3, "rows.url", "length")
    with pytest.raises(RecipeChanged, match=r"recipe\.below"):
        run(4, "rows.caption", "length")


def test_a_step_that_reads_what_is_not_there_is_named(make_pool):
    with pytest.raises(UnknownStep, match="'missing'"):
        make_pool(ROWS).run(Length(name="length", text="missing.text"))
