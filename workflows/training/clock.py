"""How far a training is, and how much of its time it waits for data."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import torch

from workflows.training.batch import Batch
from workflows.training.config import TrainConfig


def learning_rate(config: TrainConfig, progress: float) -> float:
    """Linear warm-up from 0, then half a cosine to 0, over the progress in [0, 1]."""
    if progress < config.warmup:
        return config.lr * progress / config.warmup
    rest = (min(progress, 1.0) - config.warmup) / (1 - config.warmup)
    return config.lr * 0.5 * (1 + math.cos(math.pi * rest))


@dataclass
class Clock:
    """Of one process. What it has run before, if the training is resumed, is taken over.

    Attributes:
        waited: seconds without a batch. On a GPU these are its own, by CUDA events: from the end of a step's work until the next
            batch is here; a loader that is late while the GPU still works costs nothing.
        samples: of all ranks.
        seconds: that were spent before.
    """

    config: TrainConfig
    gpu: bool = False
    seconds: float = 0.0
    waited: float = 0.0
    samples: int = 0
    _begun: float = field(default_factory=time.perf_counter)
    _gaps: list[tuple[Any, Any]] = field(default_factory=list)

    def begin(self) -> None:
        """The training begins now: what was prepared before is none of its time."""
        self._begun = time.perf_counter()

    def timed(self, batches: Iterable[Batch]) -> Iterator[Batch]:
        """The batches, the wait for each counted."""
        waiting, asked = iter(batches), self._now()
        while (batch := next(waiting, None)) is not None:
            self._gaps.append((asked, self._now()))
            yield batch
            asked = self._now()

    @property
    def elapsed(self) -> float:
        """Seconds of training."""
        return self.seconds + time.perf_counter() - self._begun

    def waiting(self) -> float:
        """Share of the time; waits for the GPU to come to where the CPU is."""
        if self._gaps and self.gpu:
            self._gaps[-1][1].synchronize()
            self.waited += sum(asked.elapsed_time(came) for asked, came in self._gaps) / 1000
        else:
            self.waited += sum(came - asked for asked, came in self._gaps)
        self._gaps.clear()
        return self.waited / self.elapsed

    def progress(self, steps: float) -> float:
        """Share of the schedule: of the steps or of the seconds, whichever is nearer its end."""
        spent = self.elapsed / self.config.seconds if self.config.seconds else 0.0
        return max(steps / self.config.steps, spent)

    @property
    def rate(self) -> float:
        """Samples a second since the beginning."""
        return self.samples / max(self.elapsed, 1e-9)

    def _now(self) -> Any:
        """A moment: of the clock, or of the GPU, which may come to it later."""
        if not self.gpu:
            return time.perf_counter()
        event: Any = torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]
        event.record()
        return event
