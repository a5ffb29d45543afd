"""The run: units go to an executor as soon as their inputs are committed, until every step is done."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, field

from pipeline.executor import Died, Executor
from pipeline.plan import Plan
from pipeline.progress import Progress
from pipeline.quarantine import quarantine
from pipeline.step import POOL, Step, Task
from pipeline.worker import Finished


@dataclass
class Run:
    """One pass over a plan.

    Attributes:
        names: the steps to do; the others are left as they are. Empty for all.
        patience: how many workers a unit may kill before it is set aside; those that went with their node count less.
    """

    plan: Plan
    executor: Executor
    progress: Progress
    names: frozenset[str] = frozenset()
    patience: int = 3
    _ready: dict[str, deque[int]] = field(default_factory=dict)
    _left: Counter[str] = field(default_factory=Counter)
    _kills: dict[tuple[str, str], float] = field(default_factory=dict)
    _flying: int = 0
    _idle: bool = False

    def __call__(self) -> None:
        """Work until nothing is left that can be done.

        Raises:
            PairpoolError: the first error of a step that is not a row's; what was committed stays.
        """
        self.plan.claim(self.names)
        try:
            self._survey(self._steps())
            while self._submit() or self._flying or any(self._ready.values()):
                self._hint()
                if ended := self.executor.wait():
                    self._take(ended)
        finally:
            self.executor.close()
            self.progress.close()

    def _steps(self) -> list[Step]:
        return [step for step in self.plan.steps if not self.names or step.name in self.names]

    def _survey(self, steps: list[Step]) -> None:
        """Queue every unit of `steps` that is ready, and tell the progress what stands."""
        for step in steps:
            done, total = self.plan.extent(step)
            self._left[step.name] = total - done
            self.progress.stands(step.name, done, total)
            for place in self.plan.places(step):
                self._queue(step, place)

    def _queue(self, step: Step, place: int) -> None:
        queue = self._ready.setdefault(step.name, deque())
        if place not in queue and self.plan.task(step, place) is not None:
            queue.append(place)

    def _submit(self) -> bool:
        """Fill the executor, late steps first, so that shards reach the end while others begin; and say what had no room."""
        sent = False
        for step in reversed(self._steps()):
            queue = self._ready.get(step.name, deque())
            while queue and self.executor.has_room(step):
                task = self.plan.task(step, queue.popleft())
                if task is not None:
                    self.executor.submit(step, task, self.plan.tables(task))
                    self._flying += 1
                    sent = True
            self.executor.backlog(step, len(queue))
        return sent

    def _hint(self) -> None:
        """Say that nothing runs, and what waits, when that begins."""
        if not self._flying and not self._idle:
            waiting = ", ".join(name for name, queue in self._ready.items() if queue)
            self.progress.note(f"Nothing can be done until the cluster grows. No room for: {waiting}.")
        self._idle = not self._flying

    def _take(self, ended: Finished | Died) -> None:
        self._flying -= 1
        step = self.plan.by_name[ended.task.step]
        finished = self._after_death(step, ended) if isinstance(ended, Died) else ended
        if finished is not None:
            self._record(step, finished)

    def _after_death(self, step: Step, died: Died) -> Finished | None:
        """Queue the unit again; after `patience` deaths set it aside with every row accounted for."""
        unit = step.name, died.task.unit
        self._kills[unit] = self._kills.get(unit, 0) + died.blame
        self.progress.note(f"{step.name} {died.task.unit}: worker died ({died.reason})")
        if self._kills[unit] < self.patience:
            self._ready.setdefault(step.name, deque()).append(_place(step, died.task))
            return None
        return Finished(died.task, quarantine(self.plan, step, died), 0.0)

    def _record(self, step: Step, ended: Finished) -> None:
        """Take note of a committed part and queue what waited for it."""
        self.plan.record(ended.entry)
        self._left[step.name] -= 1
        self.progress.finished(ended.entry, ended.seconds)
        if self._left[step.name] <= 0:
            self.executor.retire(step)
        if step is self.plan.steps[0]:
            self._queue(step, POOL)  # the next list, if there is one
            if self.plan.done(step, POOL):
                self._survey([other for other in self._steps() if other is not step])
            return
        for other in self._steps():
            if step.name in other.upstream:
                self._wake(other, step, _place(step, ended.task))

    def _wake(self, other: Step, step: Step, place: int) -> None:
        """Queue the units of `other` that may have waited for one unit of `step`."""
        if other.scope == "pool" and self._left[step.name] > 0:
            return  # a barrier: looking earlier would cost a scan of all shards for each of them
        for at in [place] if POOL not in (place, *self.plan.places(other)) else self.plan.places(other):
            self._queue(other, at)


def _place(step: Step, task: Task) -> int:
    return POOL if step.scope == "pool" else task.shards[0]
