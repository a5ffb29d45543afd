"""What is known of every caption: enough to make it again, to count what it cost, and to say who made it."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from captioning.exchange import Answer, Request

#: Columns beside the captions. A row that failed keeps those of its last attempt; its captions are null.
PROVENANCE = pa.schema(
    [
        pa.field("model", pa.string()),  # name under which it was served
        pa.field("revision", pa.string()),  # digest of the model's folder, or revision on the hub; null if nobody said
        pa.field("prompt_id", pa.string()),
        pa.field("prompt_hash", pa.string()),  # sha256 of everything that the model was told
        pa.field("seed", pa.int64()),  # of this attempt
        pa.field("temperature", pa.float64()),  # of this attempt
        pa.field("prompt_tokens", pa.int32()),
        pa.field("completion_tokens", pa.int32()),
        pa.field("finish_reason", pa.string()),
        pa.field("attempts", pa.int32()),  # answers that were asked for, the last one included
        pa.field("server", pa.string()),  # name and version
    ]
)


def provenance(request: Request, answer: Answer | None, revision: str | None, prompt_hash: str) -> dict[str, Any]:
    """The provenance of the last attempt at a row; what only an answer can tell is None where none came."""
    return {
        "model": request.model,
        "revision": revision,
        "prompt_id": request.prompt_id,
        "prompt_hash": prompt_hash,
        "seed": request.sampling.seed,
        "temperature": request.sampling.temperature,
        "prompt_tokens": answer.prompt_tokens if answer else None,
        "completion_tokens": answer.completion_tokens if answer else None,
        "finish_reason": answer.finish_reason if answer else None,
        "attempts": request.attempt,
        "server": answer.server if answer else None,
    }
