"""The caption-quality stage: how long a caption is, and whether it is junk. It judges text alone, so it can run before download."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import ClassVar

import pyarrow as pa

from curation.junk import MIN_CHARACTERS, count_words, junk_reason, visible
from curation.texts import first, flatten_texts
from pipeline.recipe import execution, recipe
from pipeline.stage import Annotate, Stage


@recipe
class CaptionQuality(Stage):
    """Writes the length of each row's first text and, for every text, why it is junk (`curation.junk` has the rules).

    Attributes:
        texts: a column of texts: `list<struct<text, kind>>`, `list<string>` or `string`.
        min_characters: what is shorter is `too_short`.
    """

    kind: ClassVar[str] = "caption-quality"

    texts: str = "rows.texts"
    min_characters: int = MIN_CHARACTERS
    batch_rows: int = execution(default=4096)

    @property
    def reads(self) -> tuple[str, ...]:
        """The texts."""
        return (self.texts,)

    @property
    def writes(self) -> pa.Schema:
        """`words`, `characters`, `junk` (a reason, or null) of the first text, and `junks` of all. No text at all is `empty`."""
        return pa.schema(
            [
                pa.field("words", pa.int32()),
                pa.field("characters", pa.int32()),
                pa.field("junk", pa.string()),
                pa.field("junks", pa.list_(pa.string())),
            ]
        )

    @contextmanager
    def open(self, tables: Mapping[str, pa.Table]) -> Iterator[Annotate]:
        """Nothing to load."""
        yield lambda batches: (self._batch(batch[self.texts]) for batch in batches)

    def _batch(self, column: pa.Array) -> pa.RecordBatch:
        texts = flatten_texts(column)
        captions = first(texts, texts.values, "").to_pylist()
        junks = pa.array([junk_reason(text, self.min_characters) for text in texts.values.to_pylist()], pa.string())
        return pa.record_batch(
            [
                pa.array(map(count_words, captions), pa.int32()),
                pa.array([len(visible(text)) for text in captions], pa.int32()),
                first(texts, junks, "empty"),
                texts.nest(junks),
            ],
            self.writes,
        )
