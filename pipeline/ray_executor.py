"""The distributed executor, and the only module that imports ray to execute: one actor a worker, one unit at a time each.

Ray actors over unit descriptors, not a Ray Data plan: a descriptor weighs a few kilobytes, bytes never enter the object
store, a unit that kills its worker can be counted and quarantined, and a shard of one step starts as soon as that shard's
inputs are committed. Ray's scheduler places the actors; resources are counted here so that an idle actor gives way.
"""

from __future__ import annotations

import os
import pickle
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import ray
from ray.exceptions import RayActorError, RayTaskError

from pipeline.errors import MachineError, PairpoolError
from pipeline.executor import Died
from pipeline.step import Entry, Step, Task
from pipeline.store import Store
from pipeline.worker import Finished, Worker


class _Actor:
    """A worker in a process of its own. Unpickles its step on the first unit, where an error is told from a death."""

    def __init__(self, pickled: bytes, store: Store) -> None:
        self._pickled, self._store = pickled, store
        self._worker: Worker | None = None

    def run(self, task: Task, tables: Mapping[str, Entry]) -> Finished:
        """Do one unit."""
        if self._worker is None:
            self._worker = Worker(pickle.loads(self._pickled), self._store)
        return self._worker.run(task, tables)

    def close(self) -> None:
        """Let the step go."""
        if self._worker is not None:
            self._worker.close()


@dataclass
class _Hand:
    """An actor and the units that it has in hand."""

    step: Step
    actor: Any
    tasks: list[Task] = field(default_factory=list)


@dataclass
class RayExecutor:
    """Works on the Ray cluster that `connect` reached."""

    store: Store
    _hands: list[_Hand] = field(default_factory=list)
    _running: dict[Any, tuple[_Hand, Task]] = field(default_factory=dict)
    _careful: set[str] = field(
        default_factory=set
    )  # steps that lost a worker: one unit at a time, so that the culprit is known

    def has_room(self, step: Step) -> bool:
        """Whether an actor of the step can take a unit, or one more is allowed and fits beside those that are there."""
        return self._least_busy(step) is not None or self._may_hire(step)

    def _least_busy(self, step: Step) -> _Hand | None:
        depth = 1 if step.name in self._careful else step.in_hand
        free = [hand for hand in self._hands if hand.step is step and len(hand.tasks) < depth]
        return min(free, key=lambda hand: len(hand.tasks), default=None)

    def _may_hire(self, step: Step) -> bool:
        mine = sum(hand.step is step for hand in self._hands)
        return mine < step.resources.workers and (self._fits(step) or self._make_room(step))

    def submit(self, step: Step, task: Task, tables: Mapping[str, Entry]) -> None:
        """Give the unit to an idle actor, to a new one, or to the least busy one."""
        hand = self._least_busy(step)
        if hand is None or (hand.tasks and self._may_hire(step)):
            hand = self._hire(step)
        hand.tasks.append(task)
        self._running[hand.actor.run.remote(task, dict(tables))] = hand, task

    def wait(self) -> Finished | Died:
        """The next unit that ended."""
        (ref,), _ = ray.wait(list(self._running), num_returns=1)
        hand, task = self._running.pop(ref)
        hand.tasks.remove(task)
        try:
            finished: Finished = ray.get(ref)
        except RayActorError as error:
            self._careful.add(task.step)
            self._hands = [other for other in self._hands if other is not hand]
            return Died(task, str(error).splitlines()[0])
        except RayTaskError as error:
            raise _cause(error, task) from error
        return finished

    def retire(self, step: Step) -> None:
        """Close the actors of the step."""
        self._dismiss([hand for hand in self._hands if hand.step is step])

    def close(self) -> None:
        """Close all actors."""
        self._dismiss(list(self._hands))

    def _hire(self, step: Step) -> _Hand:
        need = step.resources
        actor = (
            ray.remote(Worker)
            .options(num_cpus=need.cpus, num_gpus=need.gpus, max_restarts=0, max_concurrency=step.in_hand)
            .remote(step, self.store)
        )
        self._hands.append(_Hand(step, actor))
        return self._hands[-1]

    def _fits(self, step: Step) -> bool:
        have = ray.cluster_resources()
        cpus = sum(hand.step.resources.cpus for hand in self._hands) + step.resources.cpus
        gpus = sum(hand.step.resources.gpus for hand in self._hands) + step.resources.gpus
        if step.resources.cpus > have.get("CPU", 0) or step.resources.gpus > have.get("GPU", 0):
            raise MachineError(
                f"A worker of step {step.name!r} takes {step.resources.cpus} CPUs and {step.resources.gpus} GPUs, more than the whole "
                f"cluster has ({have.get('CPU', 0)} and {have.get('GPU', 0)}). Lower its resources or add nodes."
            )
        return bool(cpus <= have.get("CPU", 0) and gpus <= have.get("GPU", 0))

    def _make_room(self, step: Step) -> bool:
        """Dismiss idle actors of other steps, the oldest first, until one of this step fits."""
        for hand in [hand for hand in self._hands if not hand.tasks and hand.step is not step]:
            self._dismiss([hand])
            if self._fits(step):
                return True
        return False

    def _dismiss(self, hands: list[_Hand]) -> None:
        for hand in hands:
            self._hands.remove(hand)
            if not hand.tasks:
                ray.wait([hand.actor.close.remote()], timeout=60)
            ray.kill(hand.actor)


def _cause(error: RayTaskError, task: Task) -> PairpoolError:
    """The error that the step raised on purpose, or a wrapper that names the step and the unit."""
    if isinstance(error.cause, PairpoolError):
        return error.cause
    return MachineError(f"Step {task.step!r} failed on unit {task.unit}: {error.cause!r}\n{error}")


def connect(address: str, cpus: int | None) -> None:
    """Join the cluster at `address`, or start one on this machine where it is `local`."""
    for name, wait in {"raylet_start_wait_time_s": "180", "agent_register_timeout_ms": "180000"}.items():
        os.environ.setdefault(f"RAY_{name}", wait)  # a busy machine takes longer than Ray's half a minute
    options: dict[str, Any] = {"num_cpus": cpus, "include_dashboard": False} if address == "local" else {}
    ray.init(address=address, log_to_driver=False, logging_level="WARNING", **options)


def disconnect() -> None:
    """Leave the cluster; a local one ends."""
    ray.shutdown()
