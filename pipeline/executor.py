"""Who does the work: the protocol of executors, and the one that works in this process."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from pipeline.step import Entry, Step, Task
from pipeline.store import Store
from pipeline.worker import Finished, Worker


@dataclass(frozen=True)
class Died:
    """A worker that was lost in the middle of a unit: killed, out of memory, its node gone.

    Attributes:
        blame: how much of it may be the unit's own doing, in [0, 1]. A node that goes takes every unit on it along.
    """

    task: Task
    reason: str
    blame: float = 1.0


class Executor(Protocol):
    """Takes units of work and gives them back finished, in any order."""

    def has_room(self, step: Step) -> bool:
        """Whether a unit of this step can be taken now."""

    def submit(self, step: Step, task: Task, tables: Mapping[str, Entry]) -> None:
        """Take a unit."""

    def backlog(self, step: Step, units: int) -> None:
        """So many units of this step wait for room."""

    def wait(self) -> Finished | Died | None:
        """The next unit that ended; None if there may be room now where there was none. Errors that a step raised are raised here."""

    def retire(self, step: Step) -> None:
        """No unit of this step will come any more: let its workers go."""

    def close(self) -> None:
        """Let everything go."""


class LocalExecutor:
    """Works in this process, one unit at a time: for tests, small pools and debuggers."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._queue: deque[tuple[Step, Task, Mapping[str, Entry]]] = deque()
        self._workers: dict[str, Worker] = {}

    def has_room(self, step: Step) -> bool:
        """One unit at a time, of whichever step."""
        return not self._queue

    def submit(self, step: Step, task: Task, tables: Mapping[str, Entry]) -> None:
        """Keep the unit until `wait`."""
        self._queue.append((step, task, tables))

    def backlog(self, step: Step, units: int) -> None:
        """No more room can be had."""

    def wait(self) -> Finished:
        """Do the unit."""
        step, task, tables = self._queue.popleft()
        worker = self._workers.setdefault(step.name, Worker(step, self._store))
        return worker.run(task, tables)

    def retire(self, step: Step) -> None:
        """Close the step's worker."""
        if worker := self._workers.pop(step.name, None):
            worker.close()

    def close(self) -> None:
        """Close all workers."""
        for worker in self._workers.values():
            worker.close()
        self._workers.clear()
