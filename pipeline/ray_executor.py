"""The distributed executor, and the only module that imports ray to execute: one actor a worker, with one unit or a few in hand.

Ray actors over unit descriptors, not a Ray Data plan: a descriptor weighs a few kilobytes, bytes never enter the object
store, a unit that kills its worker can be counted and quarantined, and a shard of one step starts as soon as that shard's
inputs are committed. Ray's scheduler places the actors; resources are counted here so that an idle actor gives way.
"""

from __future__ import annotations

import os
import pickle
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import ray
from ray.exceptions import ActorDiedError, OutOfMemoryError, RayError, RayTaskError

from pipeline.errors import MachineError, PairpoolError
from pipeline.executor import Died
from pipeline.ray_growth import Growth, needs, size, told
from pipeline.step import Entry, Step, Task
from pipeline.store import Store
from pipeline.worker import Finished, Worker

GLANCE = 5.0  #: seconds without news after which the executor looks whether its actors still have room
BESIDE = 0.25  #: of the blame for a worker that went with its node: a unit survives a dozen lost nodes, not any number


class _Actor:
    """A worker in a process of its own. Unpickles its step on the first unit, where an error is told from a death."""

    def __init__(self, pickled: bytes, store: Store) -> None:
        self._pickled, self._store = pickled, store
        self._worker: Worker | None = None
        self._lock = threading.Lock()

    def here(self) -> None:
        """Answer: the actor has found its place on a node."""

    def run(self, task: Task, tables: Mapping[str, Entry]) -> Finished:
        """Do one unit."""
        with self._lock:
            self._worker = self._worker or Worker(pickle.loads(self._pickled), self._store)
        return self._worker.run(task, tables)

    def close(self) -> None:
        """Let the step go."""
        if self._worker is not None:
            self._worker.close()


@dataclass(eq=False)
class _Hand:
    """An actor, the units that it has in hand, and the answer that it gives when it has found its place."""

    step: Step
    actor: Any
    here: Any
    tasks: list[Task] = field(default_factory=list)

    @property
    def placed(self) -> bool:
        """Whether a node runs it, or did."""
        return bool(ray.wait([self.here], timeout=0)[0])


@dataclass
class RayExecutor:
    """Works on the Ray cluster that `connect` reached.

    Attributes:
        growth: what it asks of a cluster that autoscales.
    """

    store: Store
    growth: Growth = field(default_factory=Growth)
    _hands: list[_Hand] = field(default_factory=list)
    _running: dict[Any, tuple[_Hand, Task]] = field(default_factory=dict)
    # Steps that lost a worker: one unit each, so that the culprit is known.
    _careful: set[str] = field(default_factory=set)

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

    def backlog(self, step: Step, units: int) -> None:
        """Take note of what an autoscaler is to know."""
        self.growth.note(step, units)

    def wait(self) -> Finished | Died | None:
        """The next unit that ended; None if a node has come.

        A node that goes leaves more actors than the cluster has room for: those that wait for a place are given up, since the
        units in their hands would wait until the end of the step, which waits for them.
        """
        begun = time.monotonic()
        while not (ended := self._glance()):
            for hand in list(self._hands):
                if not hand.placed and self._crowded():
                    self._drop(hand)
            if self.growth.grown():
                return None
            if not self._running:
                self.growth.lingers(time.monotonic() - begun)
        hand, task = self._running.pop(ended[0])
        hand.tasks.remove(task)
        try:
            finished: Finished = ray.get(ended[0])
        except RayTaskError as error:
            raise _cause(error, task) from error
        except RayError as error:
            return self._died(hand, task, error)
        return finished

    def _glance(self) -> list[Any]:
        """A unit that has ended, if one does within a few seconds."""
        self.growth.ask(hand.step for hand in self._hands)
        if not self._running:
            time.sleep(GLANCE / 5)
            return []
        ended: list[Any] = ray.wait(list(self._running), num_returns=1, timeout=GLANCE)[0]
        return ended

    def _died(self, hand: _Hand, task: Task, error: RayError) -> Died:
        """Let the actor go, and say whose fault it may be: a process that was lost may have been killed by its unit."""
        reason = next((line for line in str(error).splitlines() if line.startswith("The actor is dead")), str(error))
        killed = isinstance(error, (ActorDiedError, OutOfMemoryError)) and "node has died" not in reason
        own = killed and hand in self._hands  # else it went with another unit of its worker, or was given up
        if own:
            self._careful.add(task.step)
        self._drop(hand)
        return Died(task, reason.splitlines()[0], 1.0 if own else BESIDE)

    def _drop(self, hand: _Hand) -> None:
        self._hands = [other for other in self._hands if other is not hand]
        ray.kill(hand.actor)

    def retire(self, step: Step) -> None:
        """Close the actors of the step."""
        self._dismiss([hand for hand in self._hands if hand.step is step])

    def close(self) -> None:
        """Close all actors."""
        self._dismiss(list(self._hands))
        self.growth.release()

    def _hire(self, step: Step) -> _Hand:
        need = step.resources
        actor = (
            ray.remote(_Actor)
            .options(num_cpus=need.cpus, num_gpus=need.gpus, max_restarts=0, max_concurrency=step.in_hand)
            .remote(pickle.dumps(step), self.store)
        )
        self._hands.append(_Hand(step, actor, actor.here.remote()))
        return self._hands[-1]

    def _crowded(self, *more: Step) -> bool:
        """Whether the cluster has no room for all actors, and one of each of some steps beside them."""
        cpus, gpus = size()
        steps = [*(hand.step for hand in self._hands), *more]
        return sum(step.resources.cpus for step in steps) > cpus or sum(step.resources.gpus for step in steps) > gpus

    def _fits(self, step: Step) -> bool:
        if not self._crowded(step):
            return True
        (cpus, gpus), need = size(), step.resources
        if self.growth.patience is None and (need.cpus > cpus or need.gpus > gpus):
            raise MachineError(
                f"A worker of step {step.name!r} takes {needs(step)}, more than the whole cluster has ({told(cpus, gpus)}). Lower its "
                "resources, add nodes, or set `execution.autoscale` if the cluster adds nodes by itself."
            )
        return False

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
