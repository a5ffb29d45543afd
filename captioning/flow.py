"""From batches to rows in flight and back: a server is kept full across batch borders, and rows keep their order.

The engine hands batches to a generator in its own thread; requests live in an event loop in a thread beside it. The generator
takes further batches while few rows are unfinished, however long the oldest batch still waits for its slowest row.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Generator, Iterator, Sequence
from concurrent.futures import Future
from typing import Any, Generic, TypeVar

from captioning.slots import Slots

Batch = TypeVar("Batch")
Row = TypeVar("Row")
Made = TypeVar("Made")

RESERVE = 64  # rows that wait beyond those in flight, so that slots fill while the next batch is read
BATCHES_HELD = 64  # behind one slow row; what they hold are captions, images are gone by then


class Background:
    """An event loop in a thread of its own. A context manager; what still runs at its end is cancelled."""

    def __enter__(self) -> Background:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="captioning", daemon=True)
        self._thread.start()
        return self

    def submit(self, work: Coroutine[Any, Any, Made]) -> Future[Made]:
        """Run a coroutine there."""
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    def run(self, work: Coroutine[Any, Any, Made]) -> Made:
        """Run a coroutine there and wait for it."""
        return self.submit(work).result()

    def __exit__(self, *_: object) -> None:
        self.submit(_cancel_others()).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.run_until_complete(self._loop.shutdown_default_executor())
        self._loop.close()


async def _cancel_others() -> None:
    tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


class Flow(Generic[Batch, Row, Made]):
    """Streams batches through an asynchronous function of one row, once.

    Args:
        background: where it runs.
        rows: the rows of a batch.
        work: makes something of one row. An exception of it ends the stream.
        slots: how many rows it is given at once; several streams may share them.
    """

    def __init__(
        self,
        background: Background,
        rows: Callable[[Batch], Sequence[Row]],
        work: Callable[[Row], Awaitable[Made]],
        slots: Slots,
    ) -> None:
        self._background, self._rows, self._work = background, rows, work
        self._slots = slots
        self._changed = threading.Condition()
        self._unfinished = 0
        self._failed: BaseException | None = None

    def __call__(self, batches: Iterator[Batch]) -> Generator[list[Made], None, None]:
        """What was made of the rows of each batch, in order."""
        held: deque[list[Future[Made]]] = deque()
        source: Iterator[Batch] | None = batches
        try:
            while source is not None or held:
                while source is not None and self._wants(len(held)):
                    batch = next(source, None)
                    source = None if batch is None else source
                    held += [] if batch is None else [self._begin(batch)]
                if held and self._head_is_done(held[0], source is not None, len(held)):
                    yield [future.result() for future in held.popleft()]
        finally:
            self._drop(held)

    def _wants(self, held: int) -> bool:
        """Whether fewer rows are unfinished than keep all slots busy for another round."""
        return self._unfinished < self._slots.size + max(RESERVE, self._slots.size) and held < BATCHES_HELD

    def _begin(self, batch: Batch) -> list[Future[Made]]:
        rows = self._rows(batch)
        with self._changed:
            self._unfinished += len(rows)
        futures = [self._background.submit(self._one(row)) for row in rows]
        for future in futures:
            future.add_done_callback(self._ended)
        return futures

    async def _one(self, row: Row) -> Made:
        async with self._slots:
            return await self._work(row)

    def _ended(self, future: Future[Made]) -> None:
        with self._changed:
            self._unfinished -= 1
            if not future.cancelled() and self._failed is None:
                self._failed = future.exception()
            self._changed.notify_all()

    def _head_is_done(self, head: list[Future[Made]], more: bool, held: int) -> bool:
        """Wait until the oldest batch is done (True) or further rows are wanted (False).

        Raises:
            BaseException: the first error of any row, at once, whichever batch it is in.
        """
        with self._changed:
            while True:
                if self._failed is not None:
                    raise self._failed
                if all(future.done() for future in head):
                    return True
                if more and self._wants(held):
                    return False
                self._changed.wait()

    def _drop(self, held: deque[list[Future[Made]]]) -> None:
        for future in (future for futures in held for future in futures):
            future.cancel()
