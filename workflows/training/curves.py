"""A training at a glance: its loss, and retrieval before and after."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def draw(metrics: Path, evaluation: Mapping[str, Any], path: Path) -> Path:
    """Draw metrics.jsonl and the content of evaluation.json (may be empty) as a PNG."""
    from matplotlib.figure import Figure

    lines = [json.loads(line) for line in metrics.read_text(encoding="utf-8").splitlines()]
    figure = Figure(figsize=(9, 3.5), layout="constrained")
    loss, bars = figure.subplots(1, 2)
    loss.plot([line["samples"] for line in lines], [line["loss"] for line in lines], marker=".", color="#1f5fa8")
    loss.set(title="Loss", xlabel="samples seen", ylabel="contrastive loss")
    loss.grid(alpha=0.3)
    if evaluation:
        _bars(bars, evaluation)
    else:
        bars.set_axis_off()
    figure.savefig(path, dpi=120, metadata={"Software": None})
    return path


def _bars(axes: Any, evaluation: Mapping[str, Any]) -> None:
    """Recall with its intervals: two ways, before and after, beside chance."""
    ways = (("image_to_text", "image to text"), ("text_to_image", "text to image"))
    names = list(evaluation["after"]["chance"])
    styles = {("before", 0): "#c9d6e8", ("after", 0): "#1f5fa8", ("before", 1): "#ecd9c3", ("after", 1): "#c46a11"}
    for place, ((moment, way), colour) in enumerate(styles.items()):
        found = [evaluation[moment][ways[way][0]][name] for name in names]
        spread = [[r["value"] - r["low"] for r in found], [r["high"] - r["value"] for r in found]]
        x = [n + (place - 1.5) * 0.2 for n in range(len(names))]
        label = f"{ways[way][1]}, {moment}"
        axes.bar(x, [r["value"] for r in found], 0.19, yerr=spread, color=colour, label=label, ecolor="#555", capsize=2)
    axes.plot(range(len(names)), [evaluation["after"]["chance"][name] for name in names], "k_", ms=40, label="chance")
    axes.set_xticks(range(len(names)), names)
    axes.set(title=f"Retrieval on {evaluation['after']['samples']} held-out pairs", ylabel="recall")
    axes.legend(fontsize=7, markerscale=0.3)
