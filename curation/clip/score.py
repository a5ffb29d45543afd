"""The stage `clip-score`: how well a text goes with its picture, as the cosine of their embeddings.

The scale is the model's own: thresholds that were published for one model mean nothing for another. Look at the report's
histogram, or select by fraction.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa

from curation.clip.towers import MINI, Precision, Towers, open_towers
from curation.images import MAX_PIXELS, UnreadableImage, decode
from pipeline.recipe import content, execution, recipe
from pipeline.stage import Annotate, Stage

NO_IMAGE, NO_TEXT = "there is no image to score", "there is no text to score"


@recipe
class ClipScore(Stage):
    """Scores each row's text, or each of its texts, against its picture.

    Attributes:
        model: `mini` (works offline), or any name that open_clip knows.
        pretrained: open_clip's tag of published weights.
        checkpoint: a file of weights, or a folder with `open_clip_config.json`, which then names the architecture.
        image, text: what is scored. The text may be a string, a list of strings, or a list of structs with a field `text`.
        max_pixels: a picture that declares more is refused before it is decoded.
        precision: of the arithmetic; `auto` is bfloat16 on a GPU and float32 on a CPU.
        device: `auto`, `cpu`, `cuda`, `cuda:1` ...
        decoders: threads that decode.

    `clip_score` is the cosine of the first text that is not empty; `clip_scores` are those of all, aligned with them.
    """

    kind: ClassVar[str] = "clip-score"

    model: str = MINI
    pretrained: str | None = None
    checkpoint: Path | None = content(default=None)
    image: str = "download.image"
    text: str = "rows.caption"
    max_pixels: int = MAX_PIXELS
    precision: Precision = "auto"
    device: str = execution(default="auto")
    decoders: int = execution(default=4)

    @property
    def reads(self) -> tuple[str, ...]:
        """The picture and the text."""
        return (self.image, self.text)

    @property
    def writes(self) -> pa.Schema:
        """One score, and one a text."""
        return pa.schema([pa.field("clip_score", pa.float32()), pa.field("clip_scores", pa.list_(pa.float32()))])

    @contextmanager
    def open(self, tables: Mapping[str, pa.Table]) -> Iterator[Annotate]:
        """Load the towers, and score batches while the next one is being decoded."""
        towers = open_towers(self.model, self.pretrained, self.checkpoint, self.device, self.precision)
        with ThreadPoolExecutor(self.decoders) as pool:
            yield lambda batches: self._annotate(towers, pool, batches)

    def _annotate(
        self, towers: Towers, pool: ThreadPoolExecutor, batches: Iterator[pa.RecordBatch]
    ) -> Iterator[pa.RecordBatch]:
        waiting: tuple[list[list[str]], list[Future[Any]]] | None = None
        for batch in batches:
            texts = [_texts(value) for value in batch[self.text].to_pylist()]
            started = (
                texts,
                [pool.submit(_pixels, towers, data, self.max_pixels) for data in batch[self.image].to_pylist()],
            )
            if waiting:
                yield _scored(towers, *waiting)
            waiting = started
        if waiting:
            yield _scored(towers, *waiting)


def _texts(value: Any) -> list[str]:
    """The texts of a row, in order, with an empty one for null."""
    if value is None or isinstance(value, str):
        return [(value or "").strip()]
    return [((item["text"] if isinstance(item, dict) else item) or "").strip() for item in value]


def _pixels(towers: Towers, data: bytes | None, max_pixels: int) -> Any:
    """What the image tower takes, or the reason why there is nothing."""
    if data is None:
        return NO_IMAGE
    try:
        return towers.prepare(decode(data, max_pixels))
    except UnreadableImage as reason:
        return str(reason)


def _scored(towers: Towers, texts: Sequence[list[str]], pixels: Sequence[Future[Any]]) -> pa.RecordBatch:
    found = [future.result() for future in pixels]
    errors = [_error(pixel, spoken) for pixel, spoken in zip(found, texts, strict=True)]
    todo = [row for row, error in enumerate(errors) if error is None]
    scores: list[list[float | None] | None] = [None] * len(found)
    for row, values in zip(
        todo, _cosines(towers, [found[row] for row in todo], [texts[row] for row in todo]), strict=True
    ):
        scores[row] = values
    first = [next((value for value in values if value is not None), None) if values else None for values in scores]
    return pa.record_batch(
        {
            "clip_score": pa.array(first, pa.float32()),
            "clip_scores": pa.array(scores, pa.list_(pa.float32())),
            "error_message": pa.array(errors, pa.string()),
        }
    )


def _error(pixels: Any, texts: list[str]) -> str | None:
    if isinstance(pixels, str):
        return pixels
    return None if any(texts) else NO_TEXT


def _cosines(towers: Towers, pixels: list[Any], texts: list[list[str]]) -> Iterator[list[float | None]]:
    """For each picture the cosine with each of its texts, None for an empty one. A text that repeats is encoded once."""
    if not pixels:
        return
    unique = {text: place for place, text in enumerate(dict.fromkeys(text for row in texts for text in row if text))}
    spoken = towers.encode_texts(list(unique))
    for image, row in zip(towers.encode_pixels(pixels), texts, strict=True):
        yield [float(np.dot(image, spoken[unique[text]])) if text else None for text in row]
