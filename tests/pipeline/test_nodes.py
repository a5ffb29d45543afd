"""A cluster of several nodes: one that is killed costs no row and stops nothing; a step that a node cannot load is an error."""

import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ray.cluster_utils import Cluster
from toy import Length, digests

from pipeline.errors import MachineError
from pipeline.ledger import Ledger
from pipeline.plan import Plan
from pipeline.progress import Progress
from pipeline.ray_executor import RayExecutor, connect, disconnect
from pipeline.run import Run
from pipeline.step import Resources

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
ROWS = [{"url": f"http://x.org/{k}", "caption": f"caption {k}"} for k in range(200)]


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """A head without CPUs, where the driver is, and three nodes with one each."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(Path(__file__).parent))  # where the workers find the toy stages
        made = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
        try:
            made.nodes = [made.add_node(num_cpus=1) for _ in range(3)]
            connect(made.address, None)
            yield made
        finally:
            disconnect()
            made.shutdown()


def test_a_step_that_no_worker_can_load_is_an_error_and_sets_no_row_aside(
    make_pool: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cluster: Cluster
) -> None:
    (tmp_path / "only_here.py").write_text(Path(__file__).with_name("toy.py").read_text())
    monkeypatch.syspath_prepend(tmp_path)
    import only_here

    pool = make_pool(ROWS, 10)
    plan = Plan(pool.store, [pool.intake, only_here.Length(name="length")])
    with pytest.raises(MachineError, match="only_here"):
        Run(plan, RayExecutor(pool.store), Progress())()
    assert "length" not in {entry.step for entry in Ledger(pool.store).all_entries()}


def test_a_killed_node_costs_no_row(make_pool: Any, cluster: Cluster) -> None:
    """Two of three go, so that more workers are at hand than there is room for: none may wait for a place for ever."""
    here, there = make_pool(ROWS, 10), make_pool(ROWS, 10)
    here.run(Length(name="length"))
    step = Length(name="length", delay=0.4, resources=Resources(workers=3))
    plan = Plan(there.store, [there.intake, step])
    done = there.root / "pool/ledger/length/1"

    def kill() -> None:
        while not done.exists() or len(list(done.glob("0*.json"))) < 4:
            time.sleep(0.05)
        for node in cluster.nodes[:2]:
            cluster.remove_node(node, allow_graceful=False)

    killer = threading.Thread(target=kill)
    killer.start()
    Run(plan, RayExecutor(there.store), Progress())()
    killer.join()
    assert digests(here.store) == digests(there.store)
    status = Counter(there.columns(plan, "length", "status")["status"].to_pylist())
    assert "quarantined" not in status and status.total() == len(ROWS)
