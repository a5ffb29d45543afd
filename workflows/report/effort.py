"""Time and throughput: what the workers noted beside the ledger, a line a step."""

from __future__ import annotations

import json
from collections import defaultdict
from datetime import UTC, datetime

from workflows.report.sources import Numbers, Sources


def effort(sources: Sources) -> Numbers | None:
    """Worker-seconds, wall time and rates of every step that left notes, in the order in which they began; None without notes.

    The notes are of the last attempt at each unit: what a killed worker did before is in nobody's account.
    """
    notes = _notes(sources)
    if not notes:
        return None
    lines = sorted(
        (_line(step, version, found) for (step, version), found in notes.items()), key=lambda line: line["began"]
    )
    began, ended = min(line["began"] for line in lines), max(line["ended"] for line in lines)
    for line in lines:
        line["start"] = round(line["began"] - began, 3)
    return {
        "lines": lines,
        "seconds": round(sum(line["seconds"] for line in lines), 3),
        "wall": round(ended - began, 3),
        "ended": datetime.fromtimestamp(ended, UTC).strftime("%Y-%m-%d %H:%M UTC"),
    }


def _notes(sources: Sources) -> dict[tuple[str, str], list[Numbers]]:
    """Notes by step and version, of those versions that the report reads and of the steps that it does not."""
    versions = {step: sources.entry(role).version for role, step in sources.roles.items()}
    found: dict[tuple[str, str], list[Numbers]] = defaultdict(list)
    for path in sources.store.list("runs/"):
        _, step, version, _ = path.split("/", 3)
        if step != sources.task.step and versions.get(step, version) == version:
            found[step, version].append(json.loads(sources.store.get(path)))
    return dict(found)


def _line(step: str, version: str, notes: list[Numbers]) -> Numbers:
    rows, seconds = sum(note["rows"] for note in notes), sum(note["seconds"] for note in notes)
    began, ended = min(note["ended"] - note["seconds"] for note in notes), max(note["ended"] for note in notes)
    wall = max(ended - began, 1e-3)
    return {
        "step": step,
        "version": version,
        "units": len(notes),
        "workers": len({(note["host"], note["pid"]) for note in notes}),
        "rows": rows,
        "seconds": round(seconds, 3),
        "wall": round(wall, 3),
        "per_worker_second": round(rows / seconds, 1) if seconds else None,
        "per_second": round(rows / wall, 1),
        "began": began,
        "ended": ended,
    }
