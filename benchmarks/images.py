"""A pool of made images, stored as a download stores them: for what reads and writes shards."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from curation.intake import Intake
from pipeline.parts import read_shard
from pipeline.recipe import recipe
from pipeline.rows import SUCCESS
from pipeline.step import Entry, Outcome, Step, Task, Work
from pipeline.store import Store
from workflows.export.ustar import closing, header, padding

DISTINCT = 64  #: images; rows share them
CAPTIONS = (
    "a photograph of a red bicycle that leans against a wall",
    "ein roter Apfel auf einem Tisch",
    "海辺の古い灯台",
    "صورة لقط نائم",
    'a pipe | a \\ backslash, "quotes" and a\ttab',
    "two\nlines",
)


@lru_cache(maxsize=DISTINCT)
def picture(seed: int, size: int) -> bytes:
    """A JPEG of smooth noise, up to `size` pixels wide: about as many bytes a pixel as a photograph has."""
    draw = np.random.default_rng(seed)
    width, height = size - int(draw.integers(0, size // 4)), size - int(draw.integers(0, size // 4))
    noise = Image.fromarray(draw.integers(0, 255, (size // 6, size // 6, 3), np.uint8))
    buffer = io.BytesIO()
    noise.resize((width, height), Image.Resampling.BICUBIC).save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


@recipe
class Stored(Step):
    """Stands where a download stands: one image for every row.

    Attributes:
        size: of the images, in pixels.
    """

    kind: ClassVar[str] = "benchmark-images"

    size: int = 256

    @property
    def inputs(self) -> tuple[str, ...]:
        return ("rows",)

    @contextmanager
    def start(self, store: Store, tables: Mapping[str, Entry]) -> Iterator[Work]:
        yield lambda task, folder: self._shard(store, task, folder)

    def _shard(self, store: Store, task: Task, folder: Path) -> Outcome:
        rows = read_shard(store, task, task.shards[0], ["rows.uid", "rows.key"])
        with (folder / "images.tar").open("wb") as tar:
            for uid, key in zip(rows["rows.uid"].to_pylist(), rows["rows.key"].to_pylist(), strict=True):
                data = picture(int(uid, 16) % DISTINCT, self.size)
                tar.write(header(f"{key}.jpg", len(data)) + data + padding(len(data)))
            tar.write(closing(tar.tell()))
        columns = {"uid": rows["rows.uid"], "keep": [True] * rows.num_rows, "status": [SUCCESS] * rows.num_rows}
        table = pa.table(columns | {"short": [f"short {uid[:4]}" for uid in rows["rows.uid"].to_pylist()]})
        pq.write_table(table.append_column("error_message", pa.nulls(len(table), pa.string())), folder / "p.parquet")
        files = {"parquet": folder / "p.parquet", "tar": folder / "images.tar"}
        return Outcome(files, rows.num_rows, {SUCCESS: rows.num_rows})


def image_pool(folder: Path, rows: int, shard_rows: int, size: int = 256) -> tuple[Store, list[Step]]:
    """A pool and its first two steps, `rows` and `images` (with `keep`, all true, and `short`)."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = {
        "url": [f"https://example.org/{k}" for k in range(rows)],
        "caption": [f"{CAPTIONS[k % len(CAPTIONS)]} {k}" for k in range(rows)],
    }
    pq.write_table(pa.table(lines), folder / "urls.parquet")
    intake = Intake(urls=folder / "urls.parquet", shard_rows=shard_rows, source="made")
    return Store(folder / "pool"), [intake, Stored(name="images", size=size)]
