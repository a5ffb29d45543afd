"""Batches as the engine gives them to clip-score, and the stage run on them."""

from typing import Any

import pyarrow as pa

from curation.clip.score import ClipScore


def batch(images: list[bytes | None], texts: list[Any], kind: pa.DataType | None = None) -> pa.RecordBatch:
    return pa.record_batch(
        {
            "uid": pa.array([f"{row:032x}" for row in range(len(images))]),
            "download.image": pa.array(images, pa.large_binary()),
            "rows.caption": pa.array(texts, kind or pa.string()),
        }
    )


def run(stage: ClipScore, *batches: pa.RecordBatch) -> pa.Table:
    with stage.open({}) as annotate:
        return pa.Table.from_batches(list(annotate(iter(batches))))
