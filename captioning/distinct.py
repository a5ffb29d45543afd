"""The same caption on many pictures: what a captioner says when it sees little. It is taken out, with the reason.

The reduce `caption-repeats` counts over the whole pool; this stage reads its table. ALIGN (arXiv:2102.05918) drops alt-texts that
more than ten pictures share.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import field
from typing import ClassVar, Literal

import pyarrow as pa
from pydantic import PositiveInt

from pipeline.errors import ConfigError
from pipeline.recipe import execution, recipe
from pipeline.stage import Annotate, Stage

MISSING = pa.list_(pa.struct([pa.field("field", pa.string()), pa.field("reason", pa.string())]))
REASON = "same caption on many images"
Shared = Mapping[tuple[str, str], int]


@recipe
class DistinctCaptions(Stage):
    """Gives captions again, null where too many pictures share one; a row without any left is not kept.

    Attributes:
        captions: name -> column, as in the step `caption-repeats`; each is given again under its name.
        most: name -> how many pictures may share a caption. Short ones rightly come again, long ones do not; names left out
            are not judged. What is many grows with the pool: look at the counts first.
        alike: whether captions that are `near` count as one, or only `equal` ones.
        repeats: the step that counted.
    """

    kind: ClassVar[str] = "distinct-captions"

    captions: Mapping[str, str] = field(
        default_factory=lambda: {"short": "captions.short", "medium": "captions.medium", "long": "captions.long"}
    )
    most: Mapping[str, PositiveInt] = field(default_factory=lambda: {"short": 100, "medium": 10, "long": 3})
    alike: Literal["equal", "near"] = "equal"
    repeats: str = "repeats"
    batch_rows: int = execution(default=4096)

    def __post_init__(self) -> None:
        """See that only captions are judged."""
        strange = sorted(set(self.most) - set(self.captions))
        if strange:
            raise ConfigError(
                f"Step {self.name!r}: `most` names {strange[0]!r}, but `captions` has: {', '.join(self.captions)}."
            )

    @property
    def reads(self) -> tuple[str, ...]:
        """The captions."""
        return tuple(self.captions.values())

    @property
    def tables(self) -> tuple[str, ...]:
        """The counts."""
        return (self.repeats,)

    @property
    def writes(self) -> pa.Schema:
        """The captions, why some are missing, and whether any is left."""
        texts = [pa.field(name, pa.string()) for name in self.captions]
        decided = [pa.field("keep", pa.bool_()), pa.field("reject_reason", pa.string())]
        return pa.schema([*texts, pa.field("missing", MISSING), *decided])

    @contextmanager
    def open(self, tables: Mapping[str, pa.Table]) -> Iterator[Annotate]:
        """Keep the counts that are too high."""
        table = tables[self.repeats]
        counted = zip(*(table[name].to_pylist() for name in ("uid", "text", self.alike)), strict=True)
        shared = {(uid, name): count for uid, name, count in counted if count > self.most.get(name, count)}
        yield lambda batches: (self._batch(batch, shared) for batch in batches)

    def _batch(self, batch: pa.RecordBatch, shared: Shared) -> pa.RecordBatch:
        rows = zip(*(batch[ref].to_pylist() for ref in ("uid", *self.reads)), strict=True)
        return pa.RecordBatch.from_pylist([self._row(uid, texts, shared) for uid, *texts in rows], self.writes)

    def _row(self, uid: str, texts: list[str | None], shared: Shared) -> dict[str, object]:
        out = [name for name in self.captions if (uid, name) in shared]
        left = {name: None if name in out else text for name, text in zip(self.captions, texts, strict=True)}
        keep = any(left.values())
        why = f"{REASON}: {out[0]}" if out else "no caption"
        missing = [{"field": name, "reason": f"{REASON}: {name}"} for name in out]
        return {**left, "missing": missing, "keep": keep, "reject_reason": None if keep else why}
