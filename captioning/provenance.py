"""What is known of every caption: enough to make it again, to count what it cost, and to say who made it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from captioning.asking import Try

#: One request about a row, faulty ones included.
TRY = pa.struct(
    [
        pa.field("asked", pa.string()),  # its fields, or the pass or region that it was about
        pa.field("rung", pa.int32()),  # of the ladder; 0 is the first attempt
        pa.field("seed", pa.int64()),
        pa.field("temperature", pa.float64()),
        pa.field("prompt_tokens", pa.int32()),
        pa.field("completion_tokens", pa.int32()),
        pa.field("finish_reason", pa.string()),
        pa.field("fault", pa.string()),  # null: its captions were taken
    ]
)

#: Columns beside the captions. A row that failed keeps those of its attempts; its captions are null.
PROVENANCE = pa.schema(
    [
        pa.field("missing", pa.list_(pa.struct([pa.field("field", pa.string()), pa.field("reason", pa.string())]))),
        pa.field("grounded", pa.bool_()),  # whether the model was told the alt-text
        pa.field("asked_language", pa.string()),  # null: the prompt asks for none
        pa.field("model", pa.string()),  # name under which it was served
        pa.field("revision", pa.string()),  # digest of the model's folder, or commit on the hub; null if nobody said
        pa.field("licence", pa.string()),  # of the model's weights; null if nobody said
        pa.field("prompt_id", pa.string()),
        pa.field("prompt_hash", pa.string()),  # sha256 of everything that the model was told
        pa.field("seed", pa.int64()),  # of the last attempt
        pa.field("temperature", pa.float64()),  # of the last attempt
        pa.field("prompt_tokens", pa.int32()),  # of all attempts: what the row cost
        pa.field("completion_tokens", pa.int32()),  # of all attempts
        pa.field("finish_reason", pa.string()),  # of the last attempt
        pa.field("attempts", pa.int32()),  # answers that were asked for, the last one included
        pa.field("server", pa.string()),  # name and version
        pa.field("tries", pa.list_(TRY)),
    ]
)


@dataclass(frozen=True)
class Maker:
    """Who captions, by what prompt."""

    model: str
    revision: str | None
    licence: str | None
    prompt_id: str
    prompt_hash: str


def provenance(maker: Maker, tries: Sequence[Try]) -> dict[str, Any]:
    """The provenance of a row; what only an answer can tell is None where none came."""
    told = [_told(one) for one in tries]
    last = told[-1] if told else {}
    servers = [one.answer.server for one in tries if one.answer]
    return {
        "model": maker.model,
        "revision": maker.revision,
        "licence": maker.licence,
        "prompt_id": maker.prompt_id,
        "prompt_hash": maker.prompt_hash,
        **{name: last.get(name) for name in ("seed", "temperature", "finish_reason")},
        **{name: _sum([one[name] for one in told]) for name in ("prompt_tokens", "completion_tokens")},
        "attempts": len(tries),
        "server": servers[-1] if servers else None,
        "tries": told,
    }


def _told(one: Try) -> dict[str, Any]:
    return {
        "asked": one.request.asked,
        "rung": one.request.rung,
        "seed": one.request.sampling.seed,
        "temperature": one.request.sampling.temperature,
        "prompt_tokens": one.answer.prompt_tokens if one.answer else None,
        "completion_tokens": one.answer.completion_tokens if one.answer else None,
        "finish_reason": one.answer.finish_reason if one.answer else None,
        "fault": one.fault,
    }


def _sum(numbers: Sequence[int | None]) -> int | None:
    known = [number for number in numbers if number is not None]
    return sum(known) if known else None
