"""Two small stages for tests of the engine: one that measures and fails on some rows, one that selects; and what a pool holds."""

import os
import signal
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import ClassVar

import pyarrow as pa

from pipeline.ledger import Ledger
from pipeline.recipe import execution, recipe
from pipeline.stage import Annotate, Stage
from pipeline.store import Store


def digests(store: Store) -> dict[tuple[str, str, int], list[str]]:
    """Of every file that a pool has committed, by step, unit and part."""
    return {(e.step, e.unit, e.part): [d for _, d, _ in e.files.values()] for e in Ledger(store).all_entries()}


@recipe
class Length(Stage):
    """Characters of the caption; a caption with a 7 cannot be measured."""

    kind: ClassVar[str] = "length"
    text: str = "rows.caption"
    lose: bool = False
    delay: float = execution(default=0.0)
    die_on: str = execution(default="")

    @property
    def reads(self) -> tuple[str, ...]:
        return (self.text,)

    @property
    def writes(self) -> pa.Schema:
        return pa.schema([pa.field("length", pa.int32())])

    @contextmanager
    def open(self, tables: Mapping[str, pa.Table]) -> Iterator[Annotate]:
        yield lambda batches: map(self._measure, batches)

    def _measure(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        time.sleep(self.delay)
        texts = batch[self.text].to_pylist()[: -1 if self.lose else None]
        if self.die_on and self.die_on in texts:
            os.kill(os.getpid(), signal.SIGKILL)
        errors = ["has a 7" if "7" in text else None for text in texts]
        lengths = [None if error else len(text) for text, error in zip(texts, errors, strict=True)]
        return pa.record_batch(
            {"length": pa.array(lengths, pa.int32()), "error_message": pa.array(errors, pa.string())}
        )


@recipe
class Keep(Stage):
    """Keeps rows whose caption ends below a digit."""

    kind: ClassVar[str] = "keep"
    below: int = 5

    @property
    def reads(self) -> tuple[str, ...]:
        return ("rows.caption",)

    @property
    def writes(self) -> pa.Schema:
        return pa.schema([pa.field("keep", pa.bool_()), pa.field("reject_reason", pa.string())])

    @contextmanager
    def open(self, tables: Mapping[str, pa.Table]) -> Iterator[Annotate]:
        def annotate(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
            for batch in batches:
                keep = [int(text[-1]) < self.below for text in batch["rows.caption"].to_pylist()]
                yield pa.record_batch({"keep": keep, "reject_reason": [None if k else "digit" for k in keep]})

        yield annotate
