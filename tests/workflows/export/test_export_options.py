"""Shards by bytes, two sides, images made anew, further formats: each option keeps the account and the bytes."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from painted import Judge, Paint, export, picture
from PIL import Image

from curation.subset import uid_subset
from pipeline.errors import ConfigError
from pipeline.step import POOL
from workflows.export.ahead import ahead
from workflows.export.beside import Tables
from workflows.export.reencode import Resize
from workflows.export.sample import Sample
from workflows.export.writer import Place, writing

Run = Callable[..., Any]
CAPTIONS = [f"a red thing number {n}" for n in range(30)]


def uids(folder: Path) -> list[str]:
    found = []
    for path in sorted(folder.glob("*.tar")):
        with tarfile.open(path, "r:") as tar:
            found += [json.loads(tar.extractfile(m).read())["uid"] for m in tar if m.name.endswith("json")]  # type: ignore[union-attr]
    return found


@given(st.lists(st.integers(0, 4000), min_size=1, max_size=20), st.integers(1, 30_000))
def test_no_shard_is_larger_than_asked_unless_one_sample_is(
    tmp_path_factory: Any, sizes: list[int], limit: int
) -> None:
    folder = tmp_path_factory.mktemp("shards")
    with writing(folder, samples=99, limit=limit) as writer:
        places = [writer.add(Sample(f"k{n}", b"\xff" * size, "", {})) for n, size in enumerate(sizes)]
        writer.close()
    assert sum(writer.sizes.values()) == len(sizes)
    assert writer.bytes == sum(path.stat().st_size for path in folder.glob("*.tar"))
    for name, samples in writer.sizes.items():
        assert samples == 1 or (folder / name).stat().st_size <= limit
    for place, size in zip(places, sizes, strict=True):
        assert (folder / place.shard).read_bytes()[place.offset :][: place.bytes] == b"\xff" * size


def test_shard_bytes_of_an_export(run_export: Run) -> None:
    done = run_export(CAPTIONS, shard_samples=99, shard_bytes=30_720)
    sizes = [path.stat().st_size for path in sorted(done.folder.glob("*.tar"))]
    assert len(sizes) > 1
    assert max(sizes) <= 30_720


def test_twins_stay_on_one_side(make_pool: Any) -> None:
    rows = [{"url": f"https://a.example/{n}", "caption": f"group {n % 20} {'x' * (n % 20)}"} for n in range(200)]
    pool = make_pool(rows, 50)
    step = export(validation=0.3, groups="judge.words", columns={"url": "rows.url", "words": "judge.words"})
    with pytest.raises(ConfigError, match="share"):
        export(validation=1.0)
    grouped = export(validation=0.3, groups="rows.caption")
    for made, group in ((step, "words"), (grouped, "caption_alt")):
        plan = pool.run(Paint(name="paint"), Judge(name="judge"), made.__class__(**vars(made) | {"version": group}))
        entry = plan.parts(plan.by_name["shards"], POOL)[-1]
        folder = pool.store.fetch(entry.files["sizes.json"][0]).parent
        train, held = (groups_of(side, group) for side in (folder, folder / "validation"))
        assert train.keys() & held.keys() == set()
        assert sum(train.values()) + sum(held.values()) == 200
        assert entry.counts == {"success": 200}
        assert [role for role in entry.files if role.endswith(".tar")] == [p.name for p in sorted(folder.glob("*.tar"))]
    assert entry.facts["validation"] == sum(held.values()) > 0
    assert "path: validation/*.tar" in (folder / "README.md").read_text()


def groups_of(folder: Path, field: str) -> dict[Any, int]:
    found: dict[Any, int] = {}
    for path in folder.glob("*.tar"):
        with tarfile.open(path) as tar:
            for member in tar:
                if member.name.endswith("json"):
                    value = json.loads(tar.extractfile(member).read())[field]  # type: ignore[union-attr]
                    found[value] = found.get(value, 0) + 1
    return found


def test_index_and_subset_name_every_sample(run_export: Run) -> None:
    done = run_export(CAPTIONS)
    index = pq.read_table(done.folder / "index.parquet").to_pylist()
    assert [line["uid"] for line in index] == uids(done.folder)
    for line in index:
        image = (done.folder / line["shard"]).read_bytes()[line["offset"] :][: line["bytes"]]
        assert Image.open(io.BytesIO(image)).size == (24, 16)
    assert (np.load(done.folder / "uids.npy") == uid_subset(line["uid"] for line in index)).all()


def test_parquet_holds_what_the_tars_hold(run_export: Run) -> None:
    done = run_export([*CAPTIONS, "x"], formats=["parquet"], lists={"texts": "rows.texts", "again": "judge.list"})
    for path in sorted(done.folder.glob("*.tar")):
        rows = pq.read_table(path.with_suffix(".parquet")).to_pylist()
        with tarfile.open(path) as tar:
            held = {m.name: tar.extractfile(m).read() for m in tar}  # type: ignore[union-attr]
        assert [row["key"] for row in rows] == [name[:-4] for name in held if name.endswith("jpg")]
        for row in rows:
            image, text, key = row.pop("image"), row.pop("text"), row["key"]
            assert (image, text.encode()) == (held[f"{key}.jpg"], held[f"{key}.txt"])
            assert row == json.loads(held[f"{key}.json"])


def test_lance_holds_what_the_tars_hold(run_export: Run) -> None:
    lance = pytest.importorskip("lance")
    done = run_export(CAPTIONS, formats=["lance"])
    table = lance.dataset(str(done.folder / "samples.lance")).to_table()
    assert table["uid"].to_pylist() == uids(done.folder)
    assert not list(done.folder.glob("0*.parquet"))


@pytest.mark.parametrize(
    ("mode", "size", "expected"),
    [("shortest", 8, (12, 8)), ("longest", 12, (12, 8)), ("square", 8, (8, 8)), ("shortest", 99, (24, 16))],
)
def test_resize(mode: Any, size: int, expected: tuple[int, int]) -> None:
    made = Resize(size=size, mode=mode)(picture("abc", "PNG"), "jpg")
    assert isinstance(made, bytes)
    with Image.open(io.BytesIO(made)) as image:
        assert (image.size, image.format) == (expected, "JPEG")


@pytest.mark.parametrize("suffix", ["jpg", "webp", "png"])
def test_images_made_anew_are_equal_on_any_number_of_threads(run_export: Run, suffix: str) -> None:
    captions = [*CAPTIONS, "a png picture", "gone"]
    found = []
    for threads in (1, 4):
        done = run_export(captions, resize={"size": 8}, suffix=suffix, threads=threads)
        assert done.entry.reasons == {"the pool has no image of this row": 1}
        found.append({path.name: path.read_bytes() for path in done.folder.iterdir()})
    assert found[0] == found[1]


def test_an_image_that_is_broken_is_a_reason() -> None:
    assert Resize(size=8)(b"\xff\xd8\xffnothing", "jpg") == "the stored image cannot be decoded"
    assert Resize(size=8)(picture("abc")[:300], "jpg") == "the stored image cannot be decoded"
    with pytest.raises(ConfigError, match="quality"):
        Resize(quality=0)


@given(st.lists(st.integers()), st.integers(1, 5))
def test_threads_keep_the_order(items: list[int], threads: int) -> None:
    assert list(ahead(lambda item: item * 2, items, threads)) == [item * 2 for item in items]


def test_the_card_says_how_it_came_about(run_export: Run) -> None:
    done = run_export([*CAPTIONS, "bad one"], columns={"language": "judge.short"}, licence="cc-by-4.0")
    card = (done.folder / "README.md").read_text()
    for line in (
        "license: cc-by-4.0",
        "| urls.parquet | 30 |",
        "| a r | 30 |",
        "| `judge` | test-judge | 1 | `rows` |",
    ):
        assert line in card
    recipe = json.loads((done.folder / "recipe.json").read_text())
    assert list(recipe) == ["judge", "paint", "rows", "shards"]
    assert recipe["shards"]["recipe"]["seed"] == 0


def test_the_bytes_are_equal_for_any_number_of_threads(run_export: Run) -> None:
    made = [run_export([*CAPTIONS, "gone"], threads=threads, validation=0.2).folder for threads in (1, 3)]
    found = [{path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file()} for folder in made]
    assert found[0] == found[1]


def test_row_groups_of_parquet_are_bounded(tmp_path: Path) -> None:
    schema = pa.schema([("image", pa.binary()), ("text", pa.string()), ("uid", pa.string())])
    for size, rows, groups in ((1 << 20, 130, [65, 65]), (1, 5000, [4096, 904])):
        tables = Tables(tmp_path, schema)
        for n in range(rows):
            tables.add(Sample(f"k{n}", b"\xff" * size, "", {"uid": str(n)}), Place("00000000.tar", n, 0, size))
        (path,) = tables.close().values()
        found = pq.ParquetFile(path).metadata
        assert [found.row_group(k).num_rows for k in range(found.num_row_groups)] == groups
