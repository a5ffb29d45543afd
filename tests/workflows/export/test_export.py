"""An export accounts for every row, follows the contract of shards, and is equal to the byte from run to run."""

from __future__ import annotations

import hashlib
import json
import math
import re
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from pipeline.errors import ConfigError, ContractError, DataError
from workflows.export.gather import plain
from workflows.export.step import Export

CAPTIONS = [f"a red thing number {n}" for n in range(30)] + ["bad one", "x", "bad two", "gone", "a png picture", " "]
Run = Callable[..., Any]


def read(folder: Path) -> dict[str, dict[str, bytes]]:
    """key -> suffix -> bytes, checking that the members of a key lie together."""
    found: dict[str, dict[str, bytes]] = {}
    for path in sorted(folder.glob("*.tar")):
        with tarfile.open(path, "r:") as tar:
            last = ""
            for member in tar:
                key, suffix = member.name.split(".")
                assert key == last or key not in found
                found.setdefault(key, {})[suffix] = tar.extractfile(member).read()  # type: ignore[union-attr]
                last = key
    return found


def test_every_row_is_accounted_for(run_export: Run) -> None:
    done = run_export(CAPTIONS)
    assert done.entry.rows == len(CAPTIONS)
    assert done.entry.counts == {"success": 31, "failed": 3, "not_selected": 2}
    assert done.entry.reasons == {
        "the pool has no image of this row": 1,
        "the stored image is png, the export writes jpg": 1,
        "no text in caption_alt": 1,
    }
    assert done.entry.facts["empty"] == {"caption_short": 1}
    assert len(read(done.folder)) == 31


def test_samples_follow_the_contract(run_export: Run) -> None:
    samples = read(run_export(CAPTIONS).folder)
    kinds = set()
    for key, sample in samples.items():
        assert re.fullmatch(r"[A-Za-z0-9_-]+", key)
        assert list(sample) == ["jpg", "json", "txt"]
        fields = json.loads(sample["json"])
        assert fields["key"] == key
        assert re.fullmatch(r"[0-9a-f]{32}", fields["uid"])
        assert sample["txt"].decode() == fields["caption_alt"]
        kinds.add(tuple((name, type(value)) for name, value in fields.items()))
    assert kinds == {
        (
            ("uid", str),
            ("key", str),
            ("caption_alt", str),
            ("caption_short", str),
            ("score", float),
            ("url", str),
            ("words", int),
        )
    }


def test_images_are_the_stored_bytes(run_export: Run) -> None:
    done = run_export(CAPTIONS)
    pool = done.folder.parents[3]
    stored: dict[str, bytes] = {}
    for path in (pool / "columns" / "paint").rglob("*.tar"):
        with tarfile.open(path) as tar:
            stored |= {m.name.split(".")[0]: tar.extractfile(m).read() for m in tar}  # type: ignore[union-attr]
    assert all(sample["jpg"] == stored[key] for key, sample in read(done.folder).items())


def test_files_beside_the_shards(run_export: Run) -> None:
    done = run_export(CAPTIONS)
    sizes = json.loads((done.folder / "sizes.json").read_text())
    assert list(sizes) == [f"{n:08d}.tar" for n in range(4)]
    assert list(sizes.values()) == [8, 8, 8, 7]
    for name, samples in sizes.items():
        assert json.loads((done.folder / name.replace(".tar", "_stats.json")).read_text())["successes"] == samples
    card = (done.folder / "README.md").read_text()
    assert "| exported | 31 |" in card
    assert "| `caption_short` | judge.short | 1 |" in card
    assert "failed: no text in caption_alt | 1" in card


def digests(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.iterdir())}


def test_two_runs_give_the_same_bytes(run_export: Run) -> None:
    assert digests(run_export(CAPTIONS).folder) == digests(run_export(CAPTIONS).folder)


def test_the_seed_and_the_window_decide_the_order(run_export: Run) -> None:
    urls = [
        [json.loads(sample["json"])["url"] for sample in read(run_export(CAPTIONS, **fields).folder).values()]
        for fields in ({"window": 99}, {"window": 99, "seed": 1}, {"window": 1})
    ]
    assert sorted(urls[0]) == sorted(urls[1]) == sorted(urls[2])
    assert urls[0] != urls[1] != urls[2]


def test_over_a_whole_pool_the_order_is_free_of_its_shards(run_export: Run) -> None:
    one, many = run_export(CAPTIONS, shard_rows=50, window=99), run_export(CAPTIONS, shard_rows=5, window=99)
    uids = [[json.loads(s["json"])["uid"] for s in read(done.folder).values()] for done in (one, many)]
    assert uids[0] == uids[1]


def test_txt_is_the_first_default_that_is_not_empty(run_export: Run) -> None:
    done = run_export(["x", "long enough"], default=["caption_short", "caption_alt"])
    assert sorted(sample["txt"] for sample in read(done.folder).values()) == [b"lon", b"x"]


def test_nothing_to_write_is_an_error(run_export: Run) -> None:
    with pytest.raises(DataError, match="keeps 0 of 2 rows"):
        run_export(["bad", "bad too"])
    with pytest.raises(DataError, match="the export writes webp: 2"):
        run_export(["fine", "fine too"], suffix="webp")


def test_lists_are_refused(run_export: Run) -> None:
    with pytest.raises(ContractError, match=r"judge\.list is of type list"):
        run_export(["fine"], columns={"all": "judge.list"})


@pytest.mark.parametrize(
    "fields",
    [
        {"columns": {"uid": "rows.uid"}},
        {"columns": {"Clip.Score": "clip.clip_score"}},
        {"columns": {"caption_alt": "rows.url"}},
        {"default": ["caption_long"]},
        {"default": []},
        {"window": 0},
        {"shard_samples": 0},
    ],
)
def test_configs_that_break_the_contract(fields: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="Export 'shards'"):
        Export(name="shards", **fields)


def test_values_that_json_lacks() -> None:
    floats = pa.chunked_array([pa.array([0.3, None, math.nan, math.inf], pa.float32())])
    assert plain(floats, "a.b") == [0.3, -1.0, -1.0, -1.0]
    assert plain(pa.chunked_array([pa.array([1e300, -math.inf])]), "a.b") == [1e300, -1.0]
    assert plain(pa.chunked_array([pa.array([7, None], pa.int64())]), "a.b") == [7, -1]
    assert plain(pa.chunked_array([pa.array([True, None])]), "a.b") == [True, False]
    assert plain(pa.chunked_array([pa.array(["é", None])]), "a.b") == ["é", ""]
    with pytest.raises(ContractError, match="uint64"):
        plain(pa.chunked_array([pa.array([1], pa.uint64())]), "a.b")


def test_webdataset_reads_it(run_export: Run) -> None:
    wds = pytest.importorskip("webdataset")
    done = run_export(CAPTIONS)
    urls = [str(path) for path in sorted(done.folder.glob("*.tar"))]
    rows = list(wds.WebDataset(urls, shardshuffle=False).decode("pil").to_tuple("jpg", "txt", "json", "__key__"))
    ours = read(done.folder)
    assert [row[3] for row in rows] == list(ours)
    assert all(row[0].size == (24, 16) and row[1] == row[2]["caption_alt"] for row in rows)
