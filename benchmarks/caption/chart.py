"""The depth of a server's queue over time: in letters for the terminal, and as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from benchmarks.caption.meter import Sample

COLUMNS, LINES = 72, 8


def steady(samples: Sequence[Sample], rows: int) -> list[Sample]:
    """The looks at the server while rows were left that it had not been sent, from its first answer on."""
    before = samples[0].done if samples else 0
    return [s for s in samples if s.done > before and rows - (s.done - before) > s.sent]


def queue(sample: Sample) -> int:
    """Requests that stand before the batch: in the engine's queue, or at the front door, where images and prompts are read."""
    return max(sample.waiting, sample.sent - sample.running)


def text(samples: Sequence[Sample]) -> str:
    """Requests in the batch (#) and before it (+) over time."""
    end = max(s.at for s in samples)
    top = max(1, *(s.running + queue(s) for s in samples))
    cells = [[s for s in samples if column <= s.at / end * COLUMNS < column + 1] for column in range(COLUMNS)]
    lines = []
    for line in range(LINES, 0, -1):
        level = (line - 0.5) / LINES * top
        marks = "".join(_mark(cell, level) for cell in cells)
        lines.append(f"{round(line / LINES * top):4} |{marks}")
    return "\n".join([*lines, f"     +{'-' * COLUMNS}", f"      0 s{f'{end:.0f} s':>{COLUMNS - 4}}"])


def _mark(cell: Sequence[Sample], level: float) -> str:
    if not cell:
        return " "
    running = sum(s.running for s in cell) / len(cell)
    depth = running + sum(queue(s) for s in cell) / len(cell)
    return "#" if running >= level else "+" if depth >= level else " "


def picture(runs: dict[str, Sequence[Sample]], path: Path) -> None:
    """One panel for each contender."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    figure, panels = plt.subplots(len(runs), 1, sharex=True, figsize=(8, 1.7 * len(runs)), squeeze=False)
    for panel, (name, samples) in zip(panels[:, 0], runs.items(), strict=True):
        at = [s.at for s in samples]
        panel.stackplot(
            at, [s.running for s in samples], [queue(s) for s in samples], labels=("in the batch", "before it")
        )
        panel.set_ylabel("requests")
        panel.set_title(name, loc="left", fontsize=9)
    panels[0, 0].legend(loc="upper right", fontsize=8)
    panels[-1, 0].set_xlabel("seconds")
    figure.tight_layout()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
    plt.close(figure)
