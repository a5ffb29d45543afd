"""Making samples on several threads, a few ahead of the one that writes them, in the order of the rows."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

A = TypeVar("A")
B = TypeVar("B")
CHUNK = 16


def ahead(make: Callable[[A], B], items: Iterable[A], threads: int) -> Iterator[B]:
    """`map(make, items)`, on so many threads; up to 2 * threads * CHUNK results wait in memory."""
    if threads == 1:
        yield from map(make, items)
        return
    left, waiting = iter(items), deque[Future[list[B]]]()
    with ThreadPoolExecutor(threads) as pool:
        while some := list(islice(left, CHUNK)):
            waiting.append(pool.submit(lambda chunk: [make(item) for item in chunk], some))
            if len(waiting) > 2 * threads:
                yield from waiting.popleft().result()
        while waiting:
            yield from waiting.popleft().result()
