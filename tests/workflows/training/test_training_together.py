"""The training step with several workers: on Ray it starts Ray Train, elsewhere processes of this machine."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pipeline.ledger import Ledger
from pipeline.recipe import fingerprint, literals
from pipeline.step import POOL, Entry, Outcome, Resources, Task
from pipeline.store import Store
from pipeline.worker import Worker
from workflows.export.step import Export
from workflows.train import Train
from workflows.training.config import TrainConfig
from workflows.training.loop import train
from workflows.training.shards import Shards

Make = Callable[..., Shards]
Micro = Callable[..., TrainConfig]


def committed(store: Store, shards: Shards) -> Entry:
    files = {path.name: path for path in [*shards.paths, shards.paths[0].parent / "sizes.json"]}
    rows = sum(shards.sizes)
    outcome = Outcome(files, rows, {"success": rows})
    return Ledger(store).commit(Export(name="shards"), Task("shards", "pool-1", 0, "basis", (), {}), outcome)


def run(store: Store, step: Train, export: Entry) -> Entry:
    task = Task(step.name, "pool-2", 0, "basis", (), {"shards": {POOL: (export,)}})
    worker = Worker(step, store)
    try:
        return worker.run(task, {"shards": export}).entry
    finally:
        worker.close()


def losses(path: Path) -> list[float]:
    return [json.loads(line)["loss"] for line in path.read_text().splitlines()]


@pytest.fixture
def cluster() -> Iterator[None]:
    """Three nodes of one CPU each: no two workers are of one node."""
    import ray
    from ray.cluster_utils import Cluster

    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    try:
        for _ in range(2):
            made.add_node(num_cpus=1)
        ray.init(address=made.address, log_to_driver=False)
        yield
    finally:
        ray.shutdown()
        made.shutdown()


@pytest.mark.slow
@pytest.mark.usefixtures("cluster")
def test_two_workers_of_ray_train_on_two_nodes_are_one(make_shards: Make, micro: Micro, tmp_path: Path) -> None:
    shards, config = make_shards(60), micro(steps=4)
    train(config, shards, tmp_path / "one")
    expected = losses(tmp_path / "one" / "metrics.jsonl")
    store = Store(tmp_path / "pool")
    step = Train(name="model", config=config, resources=Resources(workers=2))
    entry = run(store, step, committed(store, shards))
    assert (entry.rows, entry.counts) == (60, {"success": 60})
    assert losses(store.fetch(entry.files["metrics.jsonl"][0])) == pytest.approx(expected, rel=2e-3)
    assert not list((tmp_path / "pool" / "training").iterdir())  # what was under way is gone


def test_a_step_that_was_killed_goes_on(make_shards: Make, micro: Micro, tmp_path: Path) -> None:
    store, config = Store(tmp_path / "pool"), micro(steps=6, checkpoint_steps=2)
    export = committed(store, make_shards(60))
    step = Train(name="model", config=config)
    digest = fingerprint(["basis", literals(config)])[:16]
    under_way = tmp_path / "pool" / "training" / f"model-1-pool-2-{digest}"
    tars = [store.fetch(place) for name, (place, _, _) in sorted(export.files.items()) if name.endswith(".tar")]
    train(config, Shards(tars), under_way)
    newest = max((under_way / "checkpoints").glob("*.pt"))
    newest.unlink()
    (under_way / "open_clip_model.safetensors").unlink()
    entry = run(store, step, export)
    assert entry.facts["resumed"] == 2
    assert entry.counts == {"success": 60}
    assert len(losses(store.fetch(entry.files["metrics.jsonl"][0]))) == 6
