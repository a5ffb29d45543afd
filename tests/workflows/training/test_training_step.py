"""The training as a step of a recipe: on what the export committed, with every sample accounted for."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from pipeline.errors import ConfigError
from pipeline.ledger import Ledger
from pipeline.recipe import fingerprint
from pipeline.step import POOL, Entry, Outcome, Task
from pipeline.store import Store
from pipeline.worker import Worker
from workflows.export.step import Export
from workflows.train import Train
from workflows.training.config import TrainConfig
from workflows.training.shards import Shards

Make = Callable[..., Shards]
Micro = Callable[..., TrainConfig]


def committed(store: Store, shards: Shards) -> Entry:
    """Shards as an export commits them."""
    files = {path.name: path for path in [*shards.paths, shards.paths[0].parent / "sizes.json"]}
    rows = sum(shards.sizes)
    task = Task("shards", "pool-1", 0, "basis", (), {})
    return Ledger(store).commit(Export(name="shards"), task, Outcome(files, rows, {"success": rows}))


def run(store: Store, step: Train, export: Entry) -> Entry:
    task = Task(step.name, "pool-2", 0, "basis", (), {"shards": {POOL: (export,)}})
    worker = Worker(step, store)
    try:
        return worker.run(task, {"shards": export}).entry
    finally:
        worker.close()


def test_a_model_from_an_export(make_shards: Make, micro: Micro, tmp_path: Path) -> None:
    import open_clip

    store, held_out = Store(tmp_path / "pool"), make_shards(20, seed=3)
    step = Train(name="model", holdout=held_out.paths[0].parent, config=micro(steps=3))
    entry = run(store, step, committed(store, make_shards(60)))
    assert (entry.rows, entry.counts) == (60, {"success": 48, "not_selected": 12})
    assert entry.facts["samples_seen"] == 48
    folder = store.fetch(entry.files["open_clip_model.safetensors"][0]).parent
    assert folder == store.root / "models" / "model" / "1" / "pool-2"
    assert open_clip.create_model(f"local-dir:{folder}").visual.image_size in (32, (32, 32))
    evaluation = json.loads((folder / "evaluation.json").read_text())
    assert evaluation["after"]["samples"] == 20
    assert (folder / "curves.png").read_bytes().startswith(b"\x89PNG")
    assert len((folder / "metrics.jsonl").read_text().splitlines()) == 3


def test_damaged_samples_are_failed_rows(make_shards: Make, micro: Micro, tmp_path: Path) -> None:
    store, shards = Store(tmp_path / "pool"), make_shards(40, per_shard=20)
    path = shards.paths[1]
    path.write_bytes(path.read_bytes()[:4000])
    entry = run(store, Train(name="model", config=micro(steps=5)), committed(store, shards))
    assert entry.counts["success"] + entry.counts["failed"] == 40
    assert 15 < entry.counts["failed"] <= 20
    assert sum(entry.reasons.values()) == entry.counts["failed"]


def test_the_held_out_sets_bytes_are_identity(make_shards: Make, micro: Micro, tmp_path: Path) -> None:
    def identity(**fields: Any) -> str:
        return fingerprint(Train(name="model", **fields).identity({"shards": "x"}))

    one, same, other = (make_shards(8, seed=seed).paths[0].parent for seed in (0, 0, 1))
    assert identity(holdout=one) == identity(holdout=same) != identity(holdout=other)
    assert identity(config=micro(steps=4)) != identity(config=micro(steps=5))
    assert identity(config=micro(device="auto")) == identity(config=micro())


def test_a_step_that_is_no_export(tmp_path: Path) -> None:
    store = Store(tmp_path / "pool")
    with TemporaryDirectory() as folder:
        (Path(folder) / "x").write_text("x")
        outcome = Outcome({"parquet": Path(folder) / "x"}, 1, {"success": 1})
        entry = Ledger(store).commit(Export(name="shards"), Task("shards", "p", 0, "b", (), {}), outcome)
    with pytest.raises(ConfigError, match="no tars"):
        run(store, Train(name="model"), entry)
