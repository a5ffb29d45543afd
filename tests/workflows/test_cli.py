"""The command as people type it: exit codes, and errors that say what to do."""

import os
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

CONFIG = """
pool: {pool}
execution: {{engine: local}}
steps:
  rows: {{kind: intake, urls: {urls}, shard_rows: 20}}
  words: {{kind: caption-quality}}
"""


def pairpool(*arguments, cwd=None):
    command = [sys.executable, "-m", "workflows.cli", *map(str, arguments)]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2]), "COLUMNS": "200"}
    return subprocess.run(command, capture_output=True, text=True, env=environment, cwd=cwd, check=False)


@pytest.fixture
def config(tmp_path):
    rows = [{"url": f"http://a.org/{k}", "caption": f"a red bicycle number {k} by the sea"} for k in range(100)]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "urls.parquet")
    path = tmp_path / "config.yaml"
    path.write_text(CONFIG.format(pool=tmp_path / "pool", urls=tmp_path / "urls.parquet"))
    return path


def test_run_then_run_again_then_status_and_verify(config):
    first = pairpool("run", config)
    assert first.returncode == 0, first.stderr
    again = pairpool("run", config)
    assert again.returncode == 0 and "Nothing to do" in again.stdout
    assert "100" in pairpool("status", config).stdout
    assert pairpool("verify", config).returncode == 0
    assert "0 orphans" in pairpool("gc", config).stdout


def test_verify_finds_a_changed_byte_and_a_missing_file(config, tmp_path):
    pairpool("run", config)
    first, second, *_ = sorted((tmp_path / "pool/columns/words/1").glob("*.parquet"))
    data = bytearray(first.read_bytes())
    data[len(data) // 2] ^= 1
    first.write_bytes(bytes(data))
    second.unlink()
    found = pairpool("verify", config)
    assert found.returncode == 1
    assert "sha256" in found.stdout and "missing" in found.stdout


def test_plan_needs_no_torch(config):
    code = (
        "import sys; from workflows.config import load; from workflows.runner import plan_of; from pathlib import Path;"
        f"plan_of(load(Path({str(config)!r}))); sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
    assert "words" in pairpool("plan", config).stdout


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("kind: caption-quality", "kind: caption-quality, colour: red"), "steps.words.colour: there is no such key"),
        (("kind: caption-quality", "kind: astrology"), "there is no kind 'astrology'"),
        (("shard_rows: 20", "shard_rows: many"), "steps.rows.shard_rows"),
        (("pool:", "pond:"), "pool"),
        (("  words:", "  rows:"), "stands twice"),
        (("kind: caption-quality", "kind: caption-quality, texts: nothing.texts"), "reads 'nothing'"),
    ],
)
def test_a_wrong_config_is_exit_2_and_one_paragraph(config, change, said, tmp_path):
    config.write_text(config.read_text().replace(*change))
    found = pairpool("run", config)
    assert (found.returncode, "Traceback" in found.stderr) == (2, False)
    assert said in found.stderr
    assert not (tmp_path / "pool").exists()


def test_an_unreadable_list_is_exit_1_or_2_and_commits_nothing(config, tmp_path):
    (tmp_path / "urls.parquet").write_bytes(b"not parquet")
    found = pairpool("run", config)
    assert found.returncode == 1 and "cannot be read" in found.stderr and "Traceback" not in found.stderr
    (tmp_path / "urls.parquet").unlink()
    found = pairpool("run", config)
    assert found.returncode == 2 and "does not exist" in found.stderr
    assert not list((tmp_path / "pool").rglob("*.parquet"))


def test_a_pool_of_another_recipe_is_refused_with_the_field(config, tmp_path):
    pairpool("run", config)
    kept = {path: path.read_bytes() for path in (tmp_path / "pool").rglob("*") if path.is_file()}
    found = pairpool("run", config, "--set", "words.min_characters=9")
    assert found.returncode == 2
    assert "recipe.min_characters: 5 -> 9" in found.stderr and "version" in found.stderr
    assert kept == {path: path.read_bytes() for path in (tmp_path / "pool").rglob("*") if path.is_file()}
    assert pairpool("run", config, "--set", "words.min_characters=9", "--set", "words.version='2'").returncode == 0


def test_one_stage_alone_waits_for_its_inputs(config):
    found = pairpool("caption-quality", config)
    assert found.returncode == 2 and "waits for rows" in found.stderr
    assert pairpool("intake", config).returncode == 0
    assert pairpool("caption-quality", config).returncode == 0


def test_over_the_failure_budget_is_exit_3(config, tmp_path):
    rows = [{"url": "nonsense" if k % 2 else f"http://a.org/{k}", "caption": "x"} for k in range(10)]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "urls.parquet")
    assert pairpool("intake", config, "--set", "execution.failure_budget=0.4").returncode == 3


def test_a_wrong_command_line_is_exit_2():
    assert pairpool("run").returncode == 2
    assert pairpool("frobnicate").returncode == 2
