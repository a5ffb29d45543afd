"""A number for every row, by hash: below a share lies a random sample of that share, the same one in every run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import ClassVar

import pyarrow as pa

from pipeline.recipe import recipe
from pipeline.rows import uniform
from pipeline.stage import Annotate, Stage


@recipe
class Draw(Stage):
    """Writes `number`, in [0, 1), drawn for the row's uid."""

    kind: ClassVar[str] = "ablation-draw"

    seed: int = 0

    @property
    def reads(self) -> tuple[str, ...]:
        """The uid alone."""
        return ("rows.uid",)

    @property
    def writes(self) -> pa.Schema:
        """The number."""
        return pa.schema([pa.field("number", pa.float64())])

    @contextmanager
    def open(self, tables: Mapping[str, pa.Table]) -> Iterator[Annotate]:
        """Give the function that draws."""

        def annotate(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
            for batch in batches:
                numbers = [uniform(self.seed, uid, "ablation") for uid in batch["rows.uid"].to_pylist()]
                yield pa.RecordBatch.from_arrays([pa.array(numbers, pa.float64())], schema=self.writes)

        yield annotate
