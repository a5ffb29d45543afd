"""A Ray cluster that autoscales: it is told what a run could use, and waited for."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable
from dataclasses import dataclass, field

import ray
from ray.autoscaler.sdk import request_resources

from pipeline.errors import MachineError
from pipeline.step import Resources, Step


@dataclass
class Growth:
    """What is asked of the autoscaler, and when the cluster has grown.

    Workers are only hired where they fit now, so the autoscaler would never see that more are wanted: it is told. A cluster
    that does not autoscale takes no notice.

    Attributes:
        patience: seconds that a run in which nothing else can be done waits for a node; None: nothing is asked, nothing waited for.
    """

    patience: float | None = None
    _backlog: dict[str, tuple[Step, int]] = field(default_factory=dict)
    _asked: list[dict[str, float]] = field(default_factory=list)
    _had: tuple[float, float] = (0, 0)
    _idle_since: float | None = None

    def note(self, step: Step, units: int) -> None:
        """So many units of a step wait for a worker."""
        self._backlog[step.name] = step, units

    def ask(self, workers: Iterable[Step]) -> None:
        """Ask for room for the workers that there are (their steps), and for those that what waits could use."""
        if self.patience is None:
            return
        steps = list(workers)
        for step, units in self._backlog.values():
            mine = sum(worker.name == step.name for worker in steps)
            steps += [step] * min(step.resources.workers - mine, math.ceil(units / step.in_hand))
        self._request([_bundle(step.resources) for step in steps])

    def release(self) -> None:
        """Ask for nothing any more, so that the nodes may go."""
        self._backlog.clear()
        self._request([])

    def _request(self, bundles: list[dict[str, float]]) -> None:
        if bundles != self._asked:
            request_resources(bundles=bundles)
            self._asked = bundles

    def grown(self) -> bool:
        """Whether the cluster has more than at the last look."""
        had, self._had = self._had, size()
        return self._had[0] > had[0] or self._had[1] > had[1]

    def lingers(self, idle: bool) -> None:
        """Take note that nothing has come yet.

        Args:
            idle: whether nothing is in work either.

        Raises:
            MachineError: if it has been so for longer than `patience`.
        """
        now = time.monotonic()
        self._idle_since = (self._idle_since or now) if idle else None
        if self._idle_since is not None and now - self._idle_since > (self.patience or 0):
            waiting = ", ".join(f"{step.name} ({needs(step)})" for step, units in self._backlog.values() if units)
            raise MachineError(
                f"The cluster has {told(*size())}, and within {self.patience or 0:g} s no node came with room for a worker of "
                f"{waiting}. See what the autoscaler says (`ray status`), give `execution.autoscale` more seconds, or lower the step's "
                "resources."
            )


def size() -> tuple[float, float]:
    """CPUs and GPUs of the whole cluster."""
    have = ray.cluster_resources()
    return have.get("CPU", 0), have.get("GPU", 0)


def needs(step: Step) -> str:
    """What one worker takes."""
    return told(step.resources.cpus, step.resources.gpus)


def told(cpus: float, gpus: float) -> str:
    """Resources, for a reader."""
    return f"{cpus:g} CPUs and {gpus:g} GPUs"


def _bundle(need: Resources) -> dict[str, float]:
    return {name: amount for name, amount in (("CPU", need.cpus), ("GPU", need.gpus)) if amount}
