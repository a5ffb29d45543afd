"""The readers that are installed here read an export whole; `make gate` does the same with every reader's released versions."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from benchmarks.gate import GATE, READERS, differences, expected

CAPTIONS = [
    f"{text} {n}" for n in range(8) for text in ("a red bicycle", "海辺の灯台", "two\nlines", 'a "quote" | \\ \t')
]
MODULES = {
    "read_webdataset": "webdataset",
    "read_wids": "wids",
    "read_open_clip": "open_clip_train",
    "read_datasets": "datasets",
    "read_energon": "megatron.energon",
    "read_ray": "ray",
    "read_litdata": "litdata",
    "read_lance": "lance",
}
SLOW = {
    "read_ray",
    "read_webdataset",
}  #: a cluster takes long to start; webdataset is read in this process by another test


@pytest.mark.slow
@pytest.mark.parametrize("script", [script for script in MODULES if script not in SLOW])
def test_a_reader_finds_every_sample(script: str, run_export: Callable[..., Any], tmp_path: Path) -> None:
    pytest.importorskip(MODULES[script])
    formats = ["lance"] if script == "read_lance" else ["parquet"]
    shards = run_export(CAPTIONS, formats=formats).folder
    done = subprocess.run(
        [sys.executable, str(READERS / f"{script}.py"), str(shards)],
        check=False,
        capture_output=True,
        text=True,
        env=os.environ | {"HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path)},
    )
    assert done.returncode == 0, done.stderr
    wanted = expected(shards)
    assert len(wanted) == len(CAPTIONS)
    assert differences(json.loads(done.stdout.splitlines()[-1])["samples"], wanted, "txt") == ""


def test_the_gate_notices_what_is_wrong(run_export: Callable[..., Any]) -> None:
    wanted = expected(run_export(CAPTIONS).folder)
    whole = [{name: sample[name] for name in ("key", "uid", "text", "size")} for sample in wanted]
    assert differences(whole[::-1], wanted, "txt") == ""
    assert "31 samples for 32" in differences(whole[1:], wanted, "txt")
    assert differences([*whole[1:], whole[0] | {"text": "else"}], wanted, "txt")
    assert differences(whole, wanted, "caption_short")
    assert differences([], wanted, "txt")


def test_every_script_stands_in_the_gate() -> None:
    assert {reader.script for reader in GATE} == {path.stem for path in READERS.glob("read_*.py")}
    assert {*MODULES, "read_resharder"} == {reader.script for reader in GATE}
