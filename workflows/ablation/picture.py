"""The ablation as a picture: every arm with its interval and its seeds, beside chance; and the differences that are claimed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

BLUE, ORANGE, GREY, INK = "#1f5fa8", "#b4530a", "#8a9099", "#4a4f57"


def draw(told: Mapping[str, Any], path: Path) -> Path:
    """Draw the content of ablation.json as a PNG."""
    from matplotlib.figure import Figure

    pairs = told["pairs"]
    height = 1.3 + 0.36 * max(len(told["arms"]), len(pairs))
    figure = Figure(figsize=(13 if pairs else 6, height), layout="constrained")
    axes = figure.subplots(1, 3 if pairs else 1, squeeze=False)[0]
    points(axes[0], [arm["arm"] for arm in told["arms"]], [arm["recall"] for arm in told["arms"]], told["arms"])
    axes[0].axvline(told["chance"], color=ORANGE, linestyle="--", linewidth=1.4, label="chance")
    axes[0].set(title=f"{told['queries']} held-out pairs, {told['seeds']} seeds", xlabel="mean recall", xlim=(0, None))
    axes[0].legend(fontsize=8)
    names = [f"{pair['better']} − {pair['than']}" for pair in pairs]
    by = [("mean recall", pairs), ("place", [pair["by_place"] for pair in pairs])] if pairs else []
    for axis, (measure, found) in zip(axes[1:], by, strict=True):
        points(axis, names, [one["difference"] for one in found], found)
        axis.axvline(0, color=INK, linewidth=1)
        axis.set(title="Paired differences", xlabel=f"difference in {measure}")
    figure.savefig(path, dpi=120, metadata={"Software": None})
    return path


def points(
    axes: Any, names: Sequence[str], intervals: Sequence[Mapping[str, float]], per_seed: Sequence[Mapping[str, Any]]
) -> None:
    """One line each, from the top: the interval, the mean on it, and every seed as a small ring."""
    for place, (told, seeds) in enumerate(zip(intervals, per_seed, strict=True)):
        axes.plot([told["low"], told["high"]], [place, place], color=BLUE, linewidth=2.4, solid_capstyle="butt")
        axes.plot(told["value"], place, "o", color=BLUE, ms=6)
        axes.plot(seeds["per_seed"], [place] * len(seeds["per_seed"]), "o", mfc="none", mec=GREY, ms=4)
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.grid(axis="x", alpha=0.3)
