"""The stages on the planted captions, and the evidence that limits are chosen by."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from benchmarks.checking.planted import TEXTS, Case
from captioning.checking.claims import BACKGROUND, COLOUR, OBJECT
from captioning.checking.probes import scored
from captioning.checking.reading import CaptionClaims, phrases_of
from captioning.checking.stage import CheckCaptions
from captioning.checking.verdicts import Limits
from curation.clip.score import ClipScore
from pipeline.stage import Stage


def look(cases: Sequence[Case], vocabulary: Path) -> pa.RecordBatch:
    """Claims and scores of all cases, through the stages; each case gets its evidence. The rows for `check`."""
    columns: dict[str, Any] = {
        f"x.{text}": pa.array([case.texts.get(text) for case in cases], pa.string()) for text in TEXTS
    }
    columns["x.image"] = pa.array([case.image for case in cases], pa.large_binary())
    columns |= {"uid": [str(number) for number in range(len(cases))], "rows.caption": pa.nulls(len(cases), pa.string())}
    reader = CaptionClaims(captions=names(), alt_text=None, image="x.image", vocabulary=vocabulary)
    columns |= through(reader, pa.record_batch(columns))
    clip = ClipScore(name="clip", text="claims.probes", image="x.image", device="cpu")
    columns |= through(clip, pa.record_batch(columns))
    for case, told, asked, cosines in zip(
        cases,
        columns["claims.claims"].to_pylist(),
        columns["claims.probes"].to_pylist(),
        columns["clip.clip_scores"].to_pylist(),
        strict=True,
    ):
        phrases = phrases_of(told)
        found = scored(TEXTS, phrases, asked[len(TEXTS) + len(phrases) :], cosines)
        for text in case.texts:
            mine = [one for one in told if one["text"] == text]
            stands = [found.standing(one["value"]) for one in mine if one["kind"] == OBJECT]
            case.evidence[text] = {
                "score": found.texts[text] or 0.0,
                "standing": min((value for value in stands if value is not None), default=np.inf),
                "ground": share(mine, ground=True),
                "tint": share(mine, ground=False),
            }
    return pa.record_batch(columns)


def names() -> dict[str, str]:
    """Text -> its column."""
    return {text: f"x.{text}" for text in TEXTS}


def share(told: Sequence[dict[str, Any]], *, ground: bool) -> float:
    """The least share of pixels of the colours that a caption claims."""
    found = (
        one["share"]
        for one in told
        if one["kind"] == COLOUR and (one["about"] == BACKGROUND) == ground and one["share"] is not None
    )
    return float(min(found, default=1.0))


def through(stage: Stage, rows: pa.RecordBatch) -> dict[str, pa.Array]:
    """The columns of a stage over the rows, under their full names."""
    with stage.open({}) as annotate:
        made = pa.Table.from_batches(list(annotate(iter([rows])))).combine_chunks()
    return {f"{stage.name}.{name}": made[name].combine_chunks() for name in stage.writes.names}


def check(cases: Sequence[Case], rows: pa.RecordBatch, limits: Limits) -> None:
    """Put the reasons of check-captions into the cases."""
    stage = CheckCaptions(
        captions=names(), alt_score=None, scores="clip", repeats=None, language=None, trust=None, limits=limits
    )
    for case, reasons in zip(cases, through(stage, rows)["check.reasons"].to_pylist(), strict=True):
        case.reasons = {text: {one["reason"] for one in reasons if one["text"] == text} for text in case.texts}
