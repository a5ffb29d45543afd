"""A worker with two units in hand, so that what it drives does not run empty at a unit's end; and a disk that is full."""

import os
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

import pyarrow as pa
import pytest

from pipeline.plan import Plan
from pipeline.progress import Progress
from pipeline.ray_executor import RayExecutor, connect, disconnect
from pipeline.recipe import execution, recipe
from pipeline.run import Run
from pipeline.stage import Annotate, Stage

ROWS = [{"url": f"http://x.org/{k}", "caption": f"caption {k}"} for k in range(60)]


@recipe
class Meet(Stage):
    """Says how many units its worker had in hand at most while this one was worked on; dies once on a caption."""

    kind: ClassVar[str] = "meet"
    in_hand: ClassVar[int] = 2
    deadly: Path | None = execution(default=None)  # a file; who finds it absent makes it and dies

    @property
    def reads(self) -> tuple[str, ...]:
        return ("rows.caption",)

    @property
    def writes(self) -> pa.Schema:
        return pa.schema([pa.field("beside", pa.int32())])

    @contextmanager
    def open(self, tables: Mapping[str, pa.Table]) -> Iterator[Annotate]:
        inside: list[int] = []
        changed = threading.Condition()

        def annotate(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
            with changed:
                inside.append(1)
                changed.notify_all()
                changed.wait_for(lambda: len(inside) > 1, timeout=0.3)
                met = len(inside)
            for batch in batches:
                if self.deadly and not self.deadly.exists():
                    self.deadly.touch()
                    os._exit(9)
                yield pa.record_batch({"beside": pa.array([met] * batch.num_rows, pa.int32())})
            with changed:
                inside.pop()

        yield annotate


@pytest.fixture(scope="module")
def ray_cluster() -> Iterator[None]:
    os.environ["PYTHONPATH"] = str(Path(__file__).parent)  # where the workers find this module
    connect("local", 2)
    yield
    disconnect()
    del os.environ["PYTHONPATH"]


@pytest.mark.slow
def test_a_worker_on_ray_has_two_units_in_hand(make_pool: Any, ray_cluster: None) -> None:
    pool = make_pool(ROWS, 10)
    plan = Plan(pool.store, [pool.intake, Meet(name="meet")])
    Run(plan, RayExecutor(pool.store), Progress())()
    beside = pool.columns(plan, "meet", "beside")["beside"].to_pylist()
    assert len(beside) == 60
    assert max(beside) == 2


@pytest.mark.slow
def test_two_units_of_a_worker_that_dies_are_done_again_one_by_one(
    make_pool: Any, ray_cluster: None, tmp_path: Path
) -> None:
    pool = make_pool(ROWS, 10)
    plan = Plan(pool.store, [pool.intake, Meet(name="meet", deadly=tmp_path / "died")])
    Run(plan, RayExecutor(pool.store), Progress())()
    found = pool.columns(plan, "meet", "status", "beside")
    assert Counter(found["status"].to_pylist()) == {"success": 60}
    assert max(found["beside"].to_pylist()) == 1  # after the death nobody has company, so that a culprit is known


def test_a_full_disk_is_told_with_what_to_do(tmp_path: Path) -> None:
    """A limit on the size of files stands for the disk: the kernel refuses the write in the same way."""
    code = (
        "import resource, signal, sys; from pathlib import Path; sys.path.insert(0, sys.argv[2])\n"
        "from tests.conftest import SmallPool; from toy import Length\n"
        "rows = [{'url': f'http://x.org/{k}', 'caption': 'c' * 200 + str(k)} for k in range(400)]\n"
        "pool = SmallPool(Path(sys.argv[1]), rows, 400); pool.run()\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN); resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))\n"
        "pool.run(Length(name='length'))"
    )
    root = Path(__file__).parents[2]
    ran = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path), str(Path(__file__).parent)],
        capture_output=True,
        text=True,
        cwd=root,
        check=False,
    )
    assert ran.returncode == 1
    assert "MachineError: There is no room for step 'length', unit " in ran.stderr
    assert "run again" in ran.stderr
