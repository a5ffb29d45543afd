"""Order kept, server full, errors at once."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from captioning.flow import Background, Flow
from captioning.gate import Gate
from captioning.slots import Slots
from pipeline.rows import uniform


def rows_of(batch: list[int]) -> list[int]:
    return batch


@dataclass
class Counter:
    """Takes a keyed random time over a row, and counts the rows in flight."""

    longest: float = 0.004
    now: int = 0
    seen: list[int] = field(default_factory=list)

    async def __call__(self, row: int) -> int:
        self.now += 1
        self.seen.append(self.now)
        await asyncio.sleep(self.longest * (1 + uniform(0, str(row), "time")) / 2)
        self.now -= 1
        return -row


@settings(max_examples=25)
@given(st.lists(st.integers(0, 12), max_size=12), st.integers(1, 9))
def test_every_row_comes_out_once_in_order(sizes: list[int], in_flight: int) -> None:
    rows = iter(range(1000))
    batches = [[next(rows) for _ in range(size)] for size in sizes]
    counter = Counter(0.002)
    with Background() as background:
        made = list(Flow(background, rows_of, counter, Slots(in_flight))(iter(batches)))
    assert made == [[-row for row in batch] for batch in batches]
    assert max(counter.seen, default=0) <= in_flight


def test_slots_stay_full_across_batch_borders() -> None:
    counter = Counter(0.02)
    busy: list[int] = []

    def batches() -> Iterator[list[int]]:
        for start in range(0, 600, 10):
            busy.append(counter.now)
            yield list(range(start, start + 10))

    with Background() as background:
        list(Flow(background, rows_of, counter, Slots(8))(batches()))
    later = busy[8:]  # the first batches fill the reserve
    assert sum(later) / len(later) > 7  # of 8 slots, when a further batch is asked for


def test_one_slow_row_does_not_stop_the_batches_behind_it() -> None:
    done: list[int] = []

    async def work(row: int) -> int:
        if row == 0:
            while len(done) < 99:
                await asyncio.sleep(0.001)
        done.append(row)
        return row

    with Background() as background:
        made = list(Flow(background, rows_of, work, Slots(4))(iter([list(range(n, n + 5)) for n in range(0, 100, 5)])))
    assert [row for batch in made for row in batch] == list(range(100))
    assert done[-1] == 0


def test_batches_are_taken_only_as_they_are_needed() -> None:
    taken: list[int] = []
    begun = threading.Event()

    def batches() -> Iterator[list[int]]:
        for number in range(100):
            taken.append(number)
            yield [number] * 4

    async def work(row: int) -> int:
        begun.set()
        await asyncio.sleep(0.05 if row == 0 else 0)
        return row

    with Background() as background:
        flow = Flow(background, rows_of, work, Slots(2))(batches())
        next(flow)
        assert begun.is_set()
        assert len(taken) <= 70  # what is held behind one slow row is bounded
        flow.close()


def test_an_error_of_any_row_ends_the_stream_at_once() -> None:
    async def work(row: int) -> int:
        if row == 7:
            raise RuntimeError("the machine failed")
        await asyncio.sleep(30)
        return row

    begun = time.monotonic()
    with Background() as background, pytest.raises(RuntimeError, match="the machine failed"):
        list(Flow(background, rows_of, work, Slots(16))(iter([[1, 2, 3], [4, 5, 6], [7, 8]])))
    assert time.monotonic() - begun < 5


def test_who_wants_the_gate_alone_gets_it_alone() -> None:
    inside: list[str] = []
    seen: list[tuple[str, ...]] = []

    async def visit(gate: Gate, name: str, alone: bool) -> None:
        async with gate.passage(alone=alone):
            inside.append(name)
            seen.append(tuple(inside))
            await asyncio.sleep(0.002)
            inside.remove(name)

    async def session() -> None:
        gate = Gate()
        await asyncio.gather(*(visit(gate, f"{n}{'!' * (n % 5 == 0)}", n % 5 == 0) for n in range(30)))

    asyncio.run(session())
    assert len(seen) == 30
    assert all(len(names) == 1 for names in seen if names[-1].endswith("!"))
    assert all(not name.endswith("!") for names in seen if len(names) > 1 for name in names)
    assert max(map(len, seen)) > 2
