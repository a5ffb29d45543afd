"""Every shipped recipe reads strictly and plans; its columns exist and stand in order."""

from pathlib import Path

import pytest
import yaml

from pipeline.stage import Stage
from workflows.config import load
from workflows.kinds import KINDS, OF_CHILDREN
from workflows.runner import plan_of

ROOT = Path(__file__).parents[2]
CONFIGS = sorted(
    set((ROOT / "configs").glob("*.yaml")) - set((ROOT / "configs").glob("ablate*.yaml"))
)  # those are no recipes


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """The inputs that recipes name, in the working folder: their bytes are part of identities."""
    for path in ("build/demo/urls.parquet", "build/demo/truth.parquet", "web/list/part.parquet", "list.parquet"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(b"")
    for folder in ("build/demo/metadata", "build/demo/holdout", "web/metadata", "metadata"):
        (tmp_path / folder).mkdir(parents=True, exist_ok=True)
        (tmp_path / folder / "en.txt").write_text("cat\n")
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_it_plans_and_every_column_it_reads_is_written(path, elsewhere):
    plan = plan_of(load(path))
    written = {
        step.name: {"uid", "status", "error_message", *step.writes.names}
        for step in plan.steps
        if isinstance(step, Stage)
    }
    for step in plan.steps:
        for ref in step.reads if isinstance(step, Stage) else ():
            source, _, column = ref.partition(".")
            assert source == "rows" or column == "image" or column in written[source], ref


def test_every_kind_is_shown_by_some_recipe():
    used = {step["kind"] for path in CONFIGS for step in yaml.safe_load(path.read_text())["steps"].values()}
    assert used == set(KINDS) - set(OF_CHILDREN)
