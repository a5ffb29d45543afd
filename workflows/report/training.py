"""The trainer's own record: its loss, and retrieval on held-out pairs before and after."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from workflows.report.sources import Numbers, Sources

METRICS, EVALUATION = "metrics.jsonl", "evaluation.json"
POINTS = 400
WAYS = {"image_to_text": "image to text", "text_to_image": "text to image"}


def training(sources: Sources) -> Numbers | None:
    """What the model step left beside the weights; None where the recipe trains nothing."""
    entry = sources.pooled("model")
    if entry is None:
        return None
    files = {
        name: sources.store.get(path) for name, (path, _, _) in entry.files.items() if name in (METRICS, EVALUATION)
    }
    lines = [json.loads(line) for line in files.get(METRICS, b"").splitlines() if line.strip()]
    evaluation = json.loads(files[EVALUATION]) if EVALUATION in files else {}
    stride = -(-len(lines) // POINTS) or 1
    thinned = lines[::stride] + (lines[-1:] if lines and (len(lines) - 1) % stride else [])
    return {
        "step": entry.step,
        "facts": {name: value for name, value in entry.facts.items() if isinstance(value, int | float | str | bool)},
        "curve": [[line["samples"], line["loss"]] for line in thinned],
        "last": lines[-1] if lines else None,
        "retrieval": _retrieval(evaluation),
        "held_out": evaluation.get("after", {}).get("samples"),
    }


def _retrieval(evaluation: Mapping[str, Any]) -> list[Numbers]:
    """One line a direction and k: chance, before and after with their intervals."""
    if not evaluation:
        return []
    before, after = evaluation["before"], evaluation["after"]
    return [
        {"way": words, "k": k, "chance": after["chance"][k], "before": before[way][k], "after": after[way][k]}
        for way, words in WAYS.items()
        for k in after["chance"]
    ]
