"""A server that is kept full, looked after, and asked twice about one image; what disks and second runs do to a pool."""

from __future__ import annotations

import asyncio
import random
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from captioning import own
from captioning.metrics import Reading, parse
from captioning.model import Model
from captioning.pace import FIRST, LEAST, MOST, Pace, reserve
from captioning.server import Server
from captioning.slots import Slots
from captioning.stage import Caption
from captioning.vllm_command import ServerOptions, arguments, require_gpus
from pipeline.errors import ConfigError, MachineError
from tests.captioning.drawn import Pictures
from tests.captioning.helpers import batches, client, loopback_process, message
from tests.captioning.loopback import GOOD, Loopback, texts
from tests.captioning.test_stage import rows

Serve = Callable[..., Loopback]


@given(st.lists(st.integers(1, 9), min_size=1, max_size=6), st.integers(1, 30), st.integers(0, 4))
def test_slots_hold_as_many_as_their_size_and_lose_none(sizes: list[int], visitors: int, cancelled: int) -> None:
    seen: list[int] = []

    async def session() -> int:
        slots, sizes_left = Slots(sizes[0]), iter(sizes[1:])

        async def visit() -> None:
            async with slots:
                seen.append(slots.taken)
                await asyncio.sleep(0)
                if (size := next(sizes_left, None)) is not None:
                    slots.resize(size)

        tasks = [asyncio.create_task(visit()) for _ in range(visitors)]
        await asyncio.sleep(0)
        for task in tasks[visitors - cancelled :]:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        return slots.taken

    assert asyncio.run(session()) == 0
    assert max(seen, default=0) <= max(sizes)
    assert len(seen) >= visitors - cancelled


def follow(pace: Pace, capacity: int, readings: int, lag: float = 1.0) -> list[int]:
    """Queues of a server that has room for `capacity` requests, sent as many as the pace says."""
    queues = []
    for _ in range(readings):
        sent = pace.limit
        running = min(sent, capacity)
        queues.append(sent - running)
        pace.see(running, int((sent - running) * lag), sent)
    return queues


@pytest.mark.parametrize("capacity", [1, 8, 32, 256, 1000])
def test_the_pace_finds_the_size_of_a_server(capacity: int) -> None:
    pace = Pace()
    queues = follow(pace, capacity, 40)
    assert min(queues[10:]) >= 1
    assert queues[-1] <= 5 * reserve(capacity) + LEAST


def test_the_pace_has_bounds_and_a_chosen_one_stays() -> None:
    hungry, chosen, slow = Pace(), Pace(fixed=7), Pace(timeout=100)
    follow(hungry, 10**6, 60)
    assert hungry.limit == MOST
    follow(chosen, 100, 20)
    assert chosen.limit == 7
    for _ in range(100):
        slow.answered(90)  # of 100 seconds: as many requests as these will time out
    follow(slow, 10**6, 60)
    assert slow.limit == LEAST


def test_a_client_that_has_nothing_to_send_learns_nothing() -> None:
    pace = Pace()
    for _ in range(20):
        pace.see(running=2, waiting=0, sent=2)
    assert pace.limit == FIRST


def test_a_server_is_looked_at_again_soon_only_while_more_would_be_sent_and_would_help() -> None:
    rising, slow, chosen = Pace(), Pace(timeout=100), Pace(fixed=64)
    rising.see(running=64, waiting=0, sent=64)
    assert rising.hungry
    rising.see(running=64, waiting=0, sent=64)  # on the way to the new limit
    assert rising.hungry
    rising.see(running=64, waiting=40, sent=104)
    assert not rising.hungry
    rising.see(running=3, waiting=0, sent=3)  # the last rows
    assert not rising.hungry
    for _ in range(100):
        slow.answered(90)
    for pace in (slow, chosen):
        pace.see(running=64, waiting=0, sent=64)
        assert not pace.hungry


def test_figures_are_read_in_vllms_form() -> None:
    text = (
        "# HELP vllm:num_requests_running Number of requests in model execution batches.\n"
        'vllm:num_requests_running{engine="0",model_name="a b"} 3.0\nvllm:num_requests_running{engine="1",model_name="a b"} 4.0\n'
        'vllm:num_requests_waiting{engine="0",model_name="a b"} 5.0\nvllm:num_requests_waiting_by_reason{reason="x"} 9.0\n'
        'vllm:generation_tokens_total{engine="0"} 1.5e+03\n'
    )
    assert parse(text) == Reading(7, 5, 1500.0)
    assert parse("process_cpu_seconds_total 1.0\n") is None


def captioned(stage: Caption, count: int) -> list[dict[str, Any]]:
    with stage.open({}) as annotate:
        return [row for made in annotate(batches(count)) for row in made.to_pylist()]


@pytest.mark.slow
def test_the_queue_of_a_server_is_never_empty_while_rows_remain(loopback: Serve) -> None:
    server = loopback(capacity=40, delay=0.5)
    found = captioned(Caption(model="tiny", endpoints=(server.url,), prompt="plain"), 480)
    assert [row["error_message"] for row in found] == [None] * 480
    later = server.busy[240:400]  # requests there whenever one ended
    assert sum(there >= 40 for there in later) > 0.9 * len(later), server.busy
    assert max(server.busy) <= 4 * 40


def test_all_that_is_asked_about_one_image_goes_to_one_replica(loopback: Serve) -> None:
    replicas = [loopback(delay=0.01) for _ in range(3)]

    async def session() -> None:
        async with client(*(replica.url for replica in replicas)) as found:

            async def row(number: int) -> None:
                for prompt in ("short", "long", "again"):
                    await found.ask(message(f"{prompt} {number}"))

            await asyncio.gather(*map(row, range(24)))

    asyncio.run(session())
    seen = [{texts(body).split()[1] for body in replica.bodies} for replica in replicas]
    assert [len(replica.bodies) for replica in replicas] == [3 * len(rows_) for rows_ in seen]
    assert sum(map(len, seen)) == 24
    assert min(map(len, seen)) >= 6


def test_rows_of_a_replica_that_fails_move_to_another(loopback: Serve) -> None:
    well, ill = loopback(delay=0.01), loopback(lambda number, _: "drop" if number > 3 else "ok", delay=0.01)

    async def session() -> list[Any]:
        async with client(well.url, ill.url) as found:

            async def row(number: int) -> Any:
                return [await found.ask(message(f"{prompt} {number}")) for prompt in ("short", "long")]

            return await asyncio.gather(*map(row, range(12)))

    answers = [answer for pair in asyncio.run(session()) for answer in pair]
    assert {answer.finish_reason for answer in answers} == {"stop"}
    assert len(answers) == 24


@pytest.mark.slow
def test_a_server_that_grows_is_recycled_and_no_request_is_cut(tmp_path: Path) -> None:
    server = loopback_process(tmp_path)

    async def session() -> list[Any]:
        async with client(server=server) as found:
            (endpoint,) = found._endpoints
            assert isinstance(endpoint, own.Own)
            first = await found.ask(message())
            assert server.memory() > 10 * 2**20
            slow = [asyncio.create_task(found.ask(message(f"SLOW {n}"))) for n in range(8)]
            await asyncio.sleep(0.2)
            await asyncio.gather(endpoint.recycle(), *(found.ask(message(str(n))) for n in range(8)))
            assert all(task.done() for task in slow), "requests end before their server does"
            return [first, *[task.result() for task in slow]]

    assert {answer.finish_reason for answer in asyncio.run(session())} == {"stop"}
    assert server.starts == 2


def test_growth_alone_recycles(tmp_path: Path) -> None:
    server = loopback_process(tmp_path)

    async def session() -> int:
        async with client(server=server, growth=-1.0) as found:  # whatever it holds, it has grown by more than that
            await found.ask(message())
            (endpoint,) = found._endpoints
            await endpoint.tend()
            assert not server.alive
            await found.ask(message())
            return server.starts

    assert asyncio.run(session()) == 2


def test_a_slow_start_of_answers_costs_no_row_and_no_restart(loopback: Serve) -> None:
    """The first request after a start may take as long as all others together: weights are read, kernels are compiled."""
    first = threading.Event()

    def decide(number: int, body: dict[str, Any]) -> str:
        if not first.is_set():
            first.wait(1.0)  # the whole server stands still
            first.set()
        return "ok"

    found = captioned(Caption(model="tiny", endpoints=(loopback(decide).url,), prompt="plain", timeout=3), 40)
    assert [row["short"] for row in found] == [GOOD["short"]] * 40
    assert {row["attempts"] for row in found} == {1}


def test_two_runs_on_one_pool_at_once_lose_and_double_nothing(make_pool: Callable[..., Any], loopback: Serve) -> None:
    server = loopback(delay=0.01)
    pool = make_pool(rows(60), shard_rows=6)
    pool.run(Pictures())
    stage = Caption(model="tiny", endpoints=(server.url,), prompt="plain")
    errors: list[BaseException] = []

    def run() -> None:
        try:
            pool.run(Pictures(), stage)
        except BaseException as error:  # noqa: BLE001 - reported by the test
            errors.append(error)

    threads = [threading.Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    found = pool.columns(pool.run(Pictures(), stage), "captions", "uid", "status", "long")
    assert found.num_rows == len(set(found["uid"].to_pylist())) == 60
    assert set(found["status"].to_pylist()) == {"success"}
    assert set(found["long"].to_pylist()) == {GOOD["long"]}


def test_a_server_without_a_place_for_its_log_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(MachineError, match=r"no place for its log.*server\.log_dir"):
        Server(lambda _: ["true"], {}, 5, tmp_path / "file" / "logs")


def test_a_full_disk_under_the_log_does_not_stop_a_server(tmp_path: Path) -> None:
    server = loopback_process(tmp_path)
    server.log.unlink()
    server.log.symlink_to("/dev/full")  # every write to it fails with ENOSPC

    async def session() -> Any:
        async with client(server=server) as found:
            return await found.ask(message("SAY"))

    assert asyncio.run(session()).finish_reason == "stop"


def test_gpus_are_one_tensor_parallel_group_and_their_lack_is_said(tmp_path: Path) -> None:
    model = Model("m", tmp_path, "r")
    argv = arguments(model, ServerOptions(), cpu=False, port=1, gpus=2)
    assert argv[argv.index("--tensor-parallel-size") + 1] == "2"
    assert "--tensor-parallel-size" not in arguments(model, ServerOptions(), cpu=True, port=1, gpus=2)
    with pytest.raises(ConfigError, match=r"needs 64 GPU\(s\), and this worker sees"):
        require_gpus(64)


def interrupted(source: Iterator[pa.RecordBatch], at: int) -> Iterator[pa.RecordBatch]:
    """Rows until the machine under them fails."""
    for number, batch in enumerate(source):
        if number == at:
            raise MachineError("the disk is gone")
        yield batch


def test_a_fault_of_the_source_ends_the_stage_and_is_told(loopback: Serve) -> None:
    server = loopback(delay=random.Random(0).uniform(0.01, 0.02))
    stage = Caption(model="tiny", endpoints=(server.url,), prompt="plain")
    with stage.open({}) as annotate, pytest.raises(MachineError, match="the disk is gone"):
        list(annotate(interrupted(batches(80), 5)))
