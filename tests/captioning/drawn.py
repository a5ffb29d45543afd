"""A stage that draws a picture for each row and lays it into the shard's tar, as the download does."""

from __future__ import annotations

import tarfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import ClassVar

import pyarrow as pa

from pipeline.recipe import recipe
from pipeline.stage import Annotate, Stage, annotate_shard
from pipeline.step import Entry, Outcome, Task, Work
from pipeline.store import Store
from tests.captioning.helpers import picture


@recipe
class Pictures(Stage):
    """Pictures of one colour, another one for each row of a shard."""

    kind: ClassVar[str] = "pictures"
    name: str = "download"

    @property
    def reads(self) -> tuple[str, ...]:
        return ("rows.caption", "rows.key")

    @property
    def writes(self) -> pa.Schema:
        return pa.schema([pa.field("width", pa.int32())])

    def draw(self, number: int, caption: str) -> bytes:
        """The encoded picture of a row."""
        return picture(number)

    @contextmanager
    def open(self, tables: Mapping[str, pa.Table]) -> Iterator[Annotate]:
        yield lambda found: map(_widths, found)

    @contextmanager
    def start(self, store: Store, tables: Mapping[str, Entry]) -> Iterator[Work]:
        def work(task: Task, folder: Path) -> Outcome:
            rows: list[tuple[str, str]] = []

            def annotate(found: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
                for batch in found:
                    rows.extend(zip(batch["rows.key"].to_pylist(), batch["rows.caption"].to_pylist(), strict=True))
                    yield _widths(batch)

            outcome = annotate_shard(self, annotate, store, task, folder)
            with tarfile.open(folder / "images.tar", "w") as tar:
                for number, (key, caption) in enumerate(rows):
                    member, data = tarfile.TarInfo(f"{key}.jpg"), self.draw(number, caption)
                    member.size = len(data)
                    tar.addfile(member, BytesIO(data))
            return replace(outcome, files={**outcome.files, "tar": folder / "images.tar"})

        yield work


def _widths(batch: pa.RecordBatch) -> pa.RecordBatch:
    return pa.record_batch({"width": pa.array([64] * len(batch), pa.int32())})
