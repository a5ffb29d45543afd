"""One worker: a started step that does units and commits them. The same object runs in-process and on Ray."""

from __future__ import annotations

import gc
import json
import os
import platform
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from pipeline.errors import ContractError
from pipeline.ledger import Ledger
from pipeline.room import room_for
from pipeline.step import Entry, Outcome, Step, Task, Work
from pipeline.store import Store


@dataclass(frozen=True)
class Finished:
    """A committed unit, and how long it took: time is told, but kept apart from what was made."""

    task: Task
    entry: Entry
    seconds: float


class Worker:
    """Starts a step on its first unit and keeps it open until `close`; a new table opens it anew.

    A step whose `in_hand` is above 1 is given that many units at once, each in a thread: so a device, or a server, does not run
    empty while the last rows of a shard are waited for.
    """

    def __init__(self, step: Step, store: Store) -> None:
        self.step, self.store, self.ledger = step, store, Ledger(store)
        self._stack = ExitStack()
        self._tables: dict[str, Entry] | None = None
        self._work: Work | None = None
        self._busy, self._idle = 0, threading.Condition()

    def run(self, task: Task, tables: Mapping[str, Entry]) -> Finished:
        """Do one unit and commit it.

        Raises:
            ContractError: if the counts of its rows do not add up.
            MachineError: if a disk is full.
        """
        begun = time.perf_counter()
        with self._working(dict(tables)) as work, room_for(f"step {task.step!r}, unit {task.unit}", self.store.root):
            with TemporaryDirectory(prefix=f"pairpool-{task.step}-") as folder:
                outcome = work(task, Path(folder))
                _check(task, outcome)
                entry = self.ledger.commit(self.step, task, outcome)
            finished = Finished(task, entry, time.perf_counter() - begun)
            self._note(finished)
        return finished

    def _note(self, finished: Finished) -> None:
        """Keep who did it and how long it took: beside the ledger, never in it, so that identity stays clean."""
        task, seconds = finished.task, round(finished.seconds, 3)
        note = {"seconds": seconds, "rows": finished.entry.rows, "host": platform.node(), "pid": os.getpid()}
        path = f"runs/{task.step}/{self.step.version}/{task.unit}.{task.part}.json"
        self.store.put(path, json.dumps(note | {"ended": round(time.time(), 3)}).encode())

    @contextmanager
    def _working(self, tables: dict[str, Entry]) -> Iterator[Work]:
        """Hold the started step; it is opened anew for other tables only when nobody holds it."""
        with self._idle:
            self._idle.wait_for(lambda: not self._busy or tables == self._tables)
            work = self._started(tables)
            self._busy += 1
        try:
            yield work
        finally:
            with self._idle:
                self._busy -= 1
                self._idle.notify_all()

    def _started(self, tables: dict[str, Entry]) -> Work:
        if self._work is None or tables != self._tables:
            self.close()
            self._work = self._stack.enter_context(self.step.start(self.store, tables))
            gc.freeze()  # it lives as long as the worker: no collection of garbage needs to look through it
            self._tables = tables
        return self._work

    def close(self) -> None:
        """Let the model, the server or whatever the step holds go."""
        self._stack.close()
        self._work = None
        gc.unfreeze()


def _check(task: Task, outcome: Outcome) -> None:
    if sum(outcome.counts.values()) != outcome.rows:
        raise ContractError(
            f"Step {task.step!r}, unit {task.unit}: {dict(outcome.counts)} do not add up to {outcome.rows} rows. Rows never vanish."
        )
