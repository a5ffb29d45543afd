"""Progress with rates and estimates: bars on a terminal, one line a step elsewhere, and nothing at all when asked."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bars

from pipeline.step import Entry


@dataclass
class Progress:
    """Follows a run. `console=None` is silent."""

    console: Console | None = None
    seconds: Counter[str] = field(default_factory=Counter)
    rows: Counter[str] = field(default_factory=Counter)
    _bars: Bars | None = None
    _ids: dict[str, TaskID] = field(default_factory=dict)
    _done: Counter[str] = field(default_factory=Counter)
    _total: Counter[str] = field(default_factory=Counter)
    _begun: dict[str, float] = field(default_factory=dict)

    def stands(self, step: str, done: int, total: int) -> None:
        """What a step has before anything is done."""
        self._done[step], self._total[step] = done, total
        self._begun.setdefault(step, time.monotonic())
        if self.console and self.console.is_terminal:
            self._bar(step, done, total)

    def _bar(self, step: str, done: int, total: int) -> None:
        if self._bars is None:
            rate = TextColumn("{task.fields[rate]}")
            name = TextColumn("{task.description:>20}")
            self._bars = Bars(
                name, BarColumn(), MofNCompleteColumn(), rate, TimeRemainingColumn(), console=self.console
            )
            self._bars.start()
        if step not in self._ids:
            self._ids[step] = self._bars.add_task(step, total=total or None, completed=done, rate="")
        self._bars.update(self._ids[step], total=total or None, completed=done)

    def finished(self, entry: Entry, seconds: float) -> None:
        """A unit was committed."""
        step = entry.step
        self.seconds[step] += seconds  # type: ignore[assignment]  # Counter of floats
        self.rows[step] += entry.rows
        self._done[step] += 1
        rate = f"{self.rows[step] / max(self.seconds[step], 1e-9):,.0f} rows/s"
        if self._bars is not None:
            self._bars.update(self._ids[step], completed=self._done[step], rate=rate)
        elif self.console and self._done[step] == self._total[step]:
            self.console.print(
                f"{step:>20}  {self._total[step]} units  {self.rows[step]:,} rows  {self.seconds[step]:.1f} s  {rate}"
            )

    def note(self, text: str) -> None:
        """Something that a person should see."""
        if self.console:
            self.console.print(text, style="yellow")

    def close(self) -> None:
        """Leave the terminal as it was."""
        if self._bars is not None:
            self._bars.stop()
            self._bars = None
