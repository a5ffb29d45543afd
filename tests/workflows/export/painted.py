"""A step that paints, where a download stands, a selection, and an export of both: in a module whose name any process can import."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from pipeline.parts import read_shard
from pipeline.recipe import recipe
from pipeline.rows import SUCCESS
from pipeline.stage import Annotate, Stage
from pipeline.step import Entry, Outcome, Step, Task, Work
from pipeline.store import Store
from workflows.export.step import Export


def picture(caption: str, form: str = "JPEG") -> bytes:
    """A picture that belongs to its caption."""
    colour = tuple(byte % 256 for byte in caption.encode()[-3:].rjust(3, b"\0"))
    buffer = io.BytesIO()
    Image.new("RGB", (24, 16), colour).save(buffer, form)
    return buffer.getvalue()


@recipe
class Paint(Step):
    """Stands where a download stands: a tar of images and their columns, for every row whose caption is not "gone"."""

    kind: ClassVar[str] = "test-paint"

    @property
    def inputs(self) -> tuple[str, ...]:
        return ("rows",)

    @contextmanager
    def start(self, store: Store, tables: Mapping[str, Entry]) -> Iterator[Work]:
        def work(task: Task, folder: Path) -> Outcome:
            rows = read_shard(store, task, task.shards[0], ["rows.uid", "rows.key", "rows.caption"]).to_pylist()
            with tarfile.open(folder / "images.tar", "w") as tar:
                for row in rows:
                    caption = row["rows.caption"] or ""
                    if "gone" not in caption:
                        data = picture(caption, "PNG" if "png" in caption else "JPEG")
                        member = tarfile.TarInfo(f"{row['rows.key']}.{'png' if 'png' in caption else 'jpg'}")
                        member.size = len(data)
                        tar.addfile(member, io.BytesIO(data))
            table = {"uid": [row["rows.uid"] for row in rows], "status": [SUCCESS] * len(rows)}
            pq.write_table(pa.table(table | {"error_message": pa.nulls(len(rows), pa.string())}), folder / "p.parquet")
            files = {"parquet": folder / "p.parquet", "tar": folder / "images.tar"}
            return Outcome(files, len(rows), {SUCCESS: len(rows)})

        yield work


@recipe
class Judge(Stage):
    """Keeps what does not say "bad", and scores: nothing for captions of one letter."""

    kind: ClassVar[str] = "test-judge"

    @property
    def reads(self) -> tuple[str, ...]:
        return ("rows.caption",)

    @property
    def writes(self) -> pa.Schema:
        return pa.schema(
            [
                pa.field("keep", pa.bool_()),
                pa.field("score", pa.float32()),
                pa.field("words", pa.int32()),
                pa.field("short", pa.string()),
                pa.field("list", pa.list_(pa.string())),
            ]
        )

    @contextmanager
    def open(self, tables: Mapping[str, pa.Table]) -> Iterator[Annotate]:
        def annotate(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
            for batch in batches:
                rows = [self._judge(text or "") for text in batch["rows.caption"].to_pylist()]
                yield pa.RecordBatch.from_pylist(rows, self.writes)

        yield annotate

    def _judge(self, text: str) -> dict[str, Any]:
        known = len(text) > 1
        return {
            "keep": "bad" not in text,
            "score": len(text) / 10 if known else None,
            "words": len(text.split()) if known else None,
            "short": text[:3] if known else None,
            "list": [text],
        }


def export(**changes: Any) -> Export:
    """An export of the pool of `Paint` and `Judge`."""
    fields: dict[str, Any] = {
        "name": "shards",
        "selection": "judge",
        "images": "paint",
        "texts": {"caption_alt": "rows.caption", "caption_short": "judge.short"},
        "columns": {"url": "rows.url", "score": "judge.score", "words": "judge.words"},
        "shard_samples": 8,
        "window": 2,
    }
    return Export(**(fields | changes))
