"""A cluster of several nodes: one that is killed costs no row, one that comes is used; what cannot work is an error."""

import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from ray.cluster_utils import Cluster
from ray.util import placement_group_table
from toy import Length, digests

from pipeline.errors import MachineError
from pipeline.ledger import Ledger
from pipeline.plan import Plan
from pipeline.progress import Progress
from pipeline.ray_executor import RayExecutor, connect, disconnect
from pipeline.ray_growth import Growth
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


def wished() -> list[dict[str, float]]:
    """What an autoscaler reads of Ray as demand that cannot be met: the bundles of pending placement groups."""
    groups = [group for group in placement_group_table().values() if group["state"] in {"PENDING", "RESCHEDULING"}]
    return [dict(bundle) for group in groups for bundle in group["bundles"].values()]


def test_a_cluster_that_autoscales_is_asked_for_nodes_and_waited_for(make_pool: Any, cluster: Cluster) -> None:
    """It begins without a GPU. Room for more than `workers` is never asked for, and none once the run has ended."""
    pool, added, most = make_pool(ROWS, 10), 0, 0
    step = Length(name="length", delay=0.1, resources=Resources(gpus=1, workers=2))
    plan = Plan(pool.store, [pool.intake, step])
    run = Run(plan, RayExecutor(pool.store, Growth(60)), Progress())
    with ThreadPoolExecutor() as beside:  # nodes can only be added by the main thread
        running = beside.submit(run)
        while not running.done():
            wanted = sum("GPU" in bundle for bundle in wished())
            most = max(most, wanted)
            if wanted and added < 2:
                cluster.add_node(num_cpus=1, num_gpus=1)
                added += 1
            time.sleep(0.2)
        running.result()
    assert pool.columns(plan, "length", "status").num_rows == len(ROWS)
    assert added == 2 and most == 2
    assert wished() == []


def test_a_node_that_never_comes_is_an_error_that_says_what_was_wanted(make_pool: Any, cluster: Cluster) -> None:
    pool = make_pool(ROWS, 10)
    step = Length(name="length", resources=Resources(gpus=64))
    with pytest.raises(MachineError, match=r"no node came with room for a worker of length \(1 CPUs and 64 GPUs\)"):
        Run(Plan(pool.store, [pool.intake, step]), RayExecutor(pool.store, Growth(2)), Progress())()
    assert wished() == []
