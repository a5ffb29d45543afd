"""Whole shards through the step, against a real server with the faults of the real web."""

import hashlib
import io
import json
import tarfile
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from faulty import FILES, PNG, FaultyServer
from PIL import Image

from curation.download.stage import Download
from curation.duplicates import Duplicates, Unique
from curation.look import ImageQuality
from curation.select import Rule, Select
from pipeline.errors import ConfigError
from pipeline.parts import Members
from pipeline.rows import uid_of
from pipeline.step import Entry

pytestmark = pytest.mark.slow

DAMAGED = "image is damaged or cut short"
NO_IMAGE = "not an image of an allowed format (JPEG, PNG, WEBP, GIF, BMP, AVIF)"
FATES: dict[str, str | None] = {
    **dict.fromkeys(
        ["good.jpg", "good.png", "good.gif", "good.webp", "clear.png", "big.jpg", "rotated.jpg", "deep.png"]
    ),
    **dict.fromkeys([f"unique{k}.jpg" for k in range(6)]),
    **dict.fromkeys(["hop", "theirs.png", "busy.jpg"]),
    "missing": "http 404",
    "missing?token=secret": "http 404",
    "gone": "http 410",
    "broken": "http 500",
    "stall": "timeout",
    "drip": "timeout",
    "drip-headers": "timeout",
    "loop": "too many redirects",
    "to-file": "scheme not allowed",
    "to-private": "private address",
    "short": "connection closed early",
    "hang-up": "connection closed early",
    "garbage": "malformed answer",
    "empty.png": "empty answer",
    "endless": "body larger than 1 megabytes",
    "huge": "body larger than 1 megabytes",
    "noai.png": "noai",
    "noindex.png": "noindex",
    "reserved.png": "tdm-reservation",
    "half.jpg": DAMAGED,
    "half.png": DAMAGED,
    "page.png": NO_IMAGE,
    "drawing.svg": NO_IMAGE,
    "bomb.png": "image declares more than 20 megapixels",
    "tiny.png": "image too small",
    "wide.png": "aspect ratio too large",
}


def rows(server: FaultyServer, names: list[str]) -> list[dict[str, Any]]:
    return [{"url": server.url(name), "caption": f"caption of {name}", "sha256": None} for name in names]


def download(server: FaultyServer, **more: Any) -> Download:
    options = {"timeout": 2.0, "max_bytes": 1_000_000, "min_image_size": 16, "max_aspect_ratio": 10, "thread_count": 24}
    return Download(name="download", allow_hosts=(server.host,), image_size=256, **options | more)


def parts(pool: Any, plan: Any) -> list[tuple[Entry, ...]]:
    return [plan.parts(plan.by_name["download"], shard) for shard in plan.shards()]


def members(path: Path) -> dict[str, bytes]:
    with tarfile.open(path) as tar:
        return {member.name: tar.extractfile(member).read() for member in tar}  # type: ignore[union-attr]


def test_a_shard_full_of_faults(server: FaultyServer, make_pool: Any) -> None:
    """Every row has its image or its reason; the tar holds the images in order; a second run gives the same bytes."""
    given = rows(server, list(FATES))
    wrong, right = hashlib.sha256(b"?").hexdigest(), hashlib.sha256(PNG).hexdigest()
    given += [
        {"url": server.url("good.png?wrong"), "caption": "changed since", "sha256": wrong},
        {"url": server.url("good.png?right"), "caption": None, "sha256": right},
        {"url": "http://localhost:1/x.png", "caption": "private"},
    ]
    fates = {
        uid_of(row["url"]): fate
        for row, fate in zip(given, [*FATES.values(), "hash mismatch", None, "private address"], strict=True)
    }
    pool = make_pool(given, shard_rows=100)
    plan = pool.run(download(server))
    made = pool.columns(plan, "download", "*").to_pylist()
    assert {row["uid"]: (row["error_message"] or "").partition("\n")[0] or None for row in made} == fates
    assert not any("secret" in (row["error_message"] or "") for row in made)

    (part,) = parts(pool, plan)[0]
    counts = Counter("failed" if fate else "success" for fate in fates.values())
    assert part.counts == counts
    assert part.reasons == Counter(filter(None, fates.values()))
    stats = json.loads(pool.store.get(part.files["stats.json"][0]))
    assert (stats["count"], stats["successes"]) == (len(fates), counts["success"])
    assert (stats["failed_to_download"], stats["failed_to_resize"]) == (counts["failed"] - 7, 7)
    assert stats["status_dict"] == {**part.reasons, "success": counts["success"]}

    _check_tar(pool, plan, part, made)
    server.hits.clear()
    again = make_pool(given, shard_rows=100)
    (other,) = parts(again, again.run(download(server, thread_count=3)))[0]
    assert other.files == part.files


def _check_tar(pool: Any, plan: Any, part: Entry, made: list[dict[str, Any]]) -> None:
    table = pool.columns(plan, "rows", "uid", "key", "url", "caption").to_pylist()
    done = [(row, out) for row, out in zip(table, made, strict=True) if out["status"] == "success"]
    inside = members(pool.store.fetch(part.files["tar"][0]))
    assert list(inside) == [f"{row['key']}.{suffix}" for row, _ in done for suffix in ("jpg", "json", "txt")]
    for row, out in done:
        image, told = inside[f"{row['key']}.jpg"], json.loads(inside[f"{row['key']}.json"])
        assert (out["stored_sha256"], out["bytes"]) == (hashlib.sha256(image).hexdigest(), len(image))
        sizes = {name: out[name] for name in ("width", "height", "original_width", "original_height", "sha256")}
        assert told == {**row, "status": "success", "error_message": None, **sizes}
        assert inside[f"{row['key']}.txt"].decode() == (row["caption"] or "")
        opened = Image.open(io.BytesIO(image))
        assert (opened.size, opened.mode, len(opened.getexif())) == ((out["width"], out["height"]), "RGB", 0)
    _check_pixels({row["url"].rpartition("/")[2]: (inside[f"{row['key']}.jpg"], out) for row, out in done})


def _check_pixels(found: dict[str, tuple[bytes, dict[str, Any]]]) -> None:
    def centre(name: str, x: float = 0.5, y: float = 0.5) -> list[int]:
        image = np.asarray(Image.open(io.BytesIO(found[name][0])))
        return [int(v) for v in image[int(image.shape[0] * y), int(image.shape[1] * x)]]

    assert found["good.png"][1]["sha256"] == hashlib.sha256(PNG).hexdigest()
    assert (found["big.jpg"][1]["width"], found["big.jpg"][1]["original_width"]) == (256, 1200)
    assert (found["rotated.jpg"][1]["width"], found["rotated.jpg"][1]["height"]) == (64, 96)
    assert np.allclose(centre("rotated.jpg", y=0.2), [254, 0, 0], atol=6)  # red on top: the orientation was applied
    assert np.allclose(centre("deep.png"), 155, atol=2)
    assert np.allclose(centre("clear.png"), 255, atol=1)


def test_a_wider_selection_downloads_only_the_new_rows(server: FaultyServer, make_pool: Any) -> None:
    names = [f"unique{k}.jpg" for k in range(12)] + ["missing"]
    given = [{**row, "source": "ab"[k % 2]} for k, row in enumerate(rows(server, names))]
    pool = make_pool(given, shard_rows=100)
    narrow = Select(name="chosen", rules=(Rule(column="rows.source", one_of=("a",)),))
    pool.run(narrow, download(server, only="chosen"))
    assert server.hits == Counter(names[::2])

    wide = Select(name="chosen", version="2", rules=(Rule(column="rows.source", one_of=("a", "b")),))
    plan = pool.run(wide, download(server, only="chosen"))
    assert server.hits == Counter(names)
    first, second = parts(pool, plan)[0]
    assert (first.counts, second.counts) == (
        {"failed": 1, "not_selected": 6, "success": 6},
        {"not_selected": 7, "success": 6},
    )
    status = pool.columns(plan, "download", "status")["status"]
    assert Counter(status.to_pylist()) == {"success": 12, "failed": 1}
    images = Members(pool.store, (first, second))
    keys = pool.columns(plan, "rows", "key", "url").filter(pc.equal(status, "success")).to_pylist()
    assert all(images.get(row["key"]) for row in keys)
    pool.run(wide, download(server, only="chosen"))
    assert server.hits == Counter(names)


def test_a_shard_of_which_nothing_is_wanted_needs_no_process(server: FaultyServer, make_pool: Any) -> None:
    pool = make_pool(rows(server, ["good.jpg"]))
    none = Select(name="chosen", rules=(Rule(column="rows.source", one_of=("nowhere",)),))
    plan = pool.run(none, download(server, only="chosen"))
    (part,) = parts(pool, plan)[0]
    assert (part.counts, server.hits) == ({"not_selected": 1}, Counter())
    assert members(pool.store.fetch(part.files["tar"][0])) == {}
    assert pq.read_table(pool.store.fetch(part.files["parquet"][0])).num_rows == 1


def test_from_a_list_to_a_selection(server: FaultyServer, make_pool: Any) -> None:
    """Twins are found across shards, one of each group is kept, and failures carry through to the last reason."""
    names = ["good.jpg", "good.jpg?mirror", "hop", "big.jpg", "clear.png", "missing", "unique1.jpg", "unique2.jpg"]
    pool = make_pool(rows(server, names), shard_rows=4)
    rules = (Rule(column="look.blank", is_false=True, reason="blank"), Rule(column="unique.keep", is_true=True))
    select = Select(name="select", explain=("download",), rules=rules)
    steps = [ImageQuality(name="look"), Duplicates(name="twins"), Unique(name="unique"), select]
    plan = pool.run(download(server), *steps)
    assert len(plan.shards()) > 1
    table = pool.columns(plan, "rows", "uid", "url").to_pylist()
    made = pool.columns(plan, "select", "reject_reason")["reject_reason"].to_pylist()
    unique = pool.columns(plan, "unique", "reject_reason", "representative").to_pylist()
    fate = {row["url"].rpartition("/")[2]: reason for row, reason in zip(table, made, strict=True)}
    # unique1.jpg shows what good.jpg shows, in the same bytes
    copies = ["good.jpg", "good.jpg?mirror", "hop", "unique1.jpg"]
    assert Counter(fate.pop(name) for name in copies) == {None: 1, "unique.keep is not true": 3}
    assert fate == {
        "missing": "failed at download: http 404",
        "clear.png": "blank",
        "big.jpg": None,
        "unique2.jpg": None,
    }
    first = min(row["uid"] for row in table if row["url"].rpartition("/")[2] in copies)
    assert Counter(row["reject_reason"] for row in unique) == {None: 5, "exact_duplicate": 3}
    assert {row["representative"] for row in unique} == {None, first}


def test_other_formats(server: FaultyServer, make_pool: Any) -> None:
    pool = make_pool(rows(server, ["good.png", "big.jpg"]))
    plan = pool.run(download(server, encode_format="png", encode_quality=6, resize_mode="center_crop"))
    (part,) = parts(pool, plan)[0]
    inside = members(pool.store.fetch(part.files["tar"][0]))
    images = [Image.open(io.BytesIO(data)) for name, data in inside.items() if name.endswith(".png")]
    assert {(image.format, image.size) for image in images} == {("PNG", (96, 64)), ("PNG", (256, 256))}
    small = next(image for image in images if image.size == (96, 64))
    assert np.array_equal(np.asarray(small), np.asarray(Image.open(io.BytesIO(FILES["good.png"]))))


def test_a_quality_that_png_does_not_have_is_refused_at_once() -> None:
    with pytest.raises(ConfigError, match="from 0 to 9"):
        Download(name="download", encode_format="png", encode_quality=95)
