"""A Ray cluster that autoscales: it is told what a run could use, and waited for."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import ray
from ray.util import placement_group, remove_placement_group

from pipeline.errors import MachineError
from pipeline.step import Step


@dataclass(frozen=True)
class _Wish:
    """Room for one worker, asked for: a placement group that is pending, which an autoscaler reads as demand.

    Ray takes it back when the driver is gone, however it went. `ray.autoscaler.sdk.request_resources` would stand, and keep
    nodes that nobody uses.
    """

    group: Any
    granted: Any

    @classmethod
    def of(cls, step: Step) -> _Wish:
        need = step.resources
        bundle = {name: amount for name, amount in (("CPU", need.cpus), ("GPU", need.gpus)) if amount}
        group = placement_group([bundle])
        return cls(group, group.ready())


@dataclass
class Growth:
    """What is asked of the autoscaler, and when the cluster has grown.

    Workers are only hired where they fit now, so an autoscaler would never see that more are wanted.

    Attributes:
        patience: seconds that a run in which nothing else can be done waits for a node; None: nothing is asked, nothing waited for.
    """

    patience: float | None = None
    _backlog: dict[str, tuple[Step, int]] = field(default_factory=dict)
    _wishes: dict[str, list[_Wish]] = field(default_factory=dict)
    _had: tuple[float, float] = (0, 0)

    def note(self, step: Step, units: int) -> None:
        """So many units of a step wait for a worker."""
        self._backlog[step.name] = step, units

    def ask(self, workers: Iterable[Step]) -> None:
        """Ask for room for the workers that what waits could use, beside those that there are (their steps)."""
        if self.patience is None:
            return
        there = Counter(step.name for step in workers)
        for step, units in self._backlog.values():
            if not (step.resources.cpus or step.resources.gpus):
                continue  # it fits everywhere, and Ray refuses an empty bundle
            more = min(step.resources.workers - there[step.name], math.ceil(units / step.in_hand))
            self._wish(step, max(more, 0))

    def _wish(self, step: Step, count: int) -> None:
        """Have so many wishes open. One that was granted holds the room that a worker is to take."""
        mine = self._wishes.setdefault(step.name, [])
        ready = ray.wait([wish.granted for wish in mine], num_returns=len(mine), timeout=0)[0] if mine else []
        open_ = [wish for wish in mine if wish.granted not in ready]
        for wish in mine:
            if wish not in open_[:count]:
                remove_placement_group(wish.group)
        self._wishes[step.name] = open_[:count] + [_Wish.of(step) for _ in range(count - len(open_))]

    def release(self) -> None:
        """Ask for nothing any more, so that the nodes may go."""
        for step, _ in self._backlog.values():
            self._wish(step, 0)

    def grown(self) -> bool:
        """Whether the cluster has more than at the last look."""
        had, self._had = self._had, size()
        return self._had[0] > had[0] or self._had[1] > had[1]

    def lingers(self, seconds: float) -> None:
        """Take note that a run in which nothing is in work has waited so long without any growth.

        Raises:
            MachineError: if that is longer than `patience`.
        """
        patience = self.patience or 0
        if seconds > patience:
            waiting = ", ".join(f"{step.name} ({needs(step)})" for step, units in self._backlog.values() if units)
            raise MachineError(
                f"The cluster has {told(*size())}, and within {patience:g} s no node came with room for a worker of {waiting}. See "
                "what the autoscaler says (`ray status`), give `execution.autoscale` more seconds, or lower the step's resources."
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
