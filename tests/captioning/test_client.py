"""An answer, a row's reason, or a machine that failed: against a real server that misbehaves."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from captioning.client import Refused
from captioning.exchange import Answer
from pipeline.errors import ConfigError, MachineError
from tests.captioning.helpers import client, message
from tests.captioning.loopback import Loopback, texts

Serve = Callable[..., Loopback]


def ask(*urls: str, texts: tuple[str, ...] = ("hello",), **options: Any) -> list[Any]:
    """What a client gets for each text, all asked at once; an error stands for itself."""

    async def session() -> list[Any]:
        async with client(*urls, **options) as found:
            return await asyncio.gather(*(found.ask(message(text)) for text in texts), return_exceptions=True)

    return asyncio.run(session())


def test_an_answer_says_what_it_cost_and_who_gave_it(loopback: Serve) -> None:
    (answer,) = ask(loopback().url)
    assert isinstance(answer, Answer)
    assert (answer.finish_reason, answer.prompt_tokens, answer.completion_tokens) == ("stop", 11, 7)
    assert answer.server == "loopback 0.1"


@pytest.mark.parametrize("fault", ["500", "503", "429", "drop", "page", "odd"])
def test_a_fault_that_passes_costs_nothing(loopback: Serve, fault: str) -> None:
    server = loopback(lambda number, _: fault if number <= 2 else "ok")
    (answer,) = ask(server.url)
    assert isinstance(answer, Answer)
    assert len(server.bodies) == 3


@pytest.mark.parametrize(
    ("fault", "reason"),
    [("500", "server answered 500"), ("odd", "answer is no chat completion"), ("drop", "connection was lost")],
)
def test_a_fault_of_one_row_that_stays_is_its_reason(loopback: Serve, fault: str, reason: str) -> None:
    server = loopback(lambda _, body: fault if "bad" in texts(body) else "ok")
    bad, *good = ask(server.url, texts=("bad", *"abcdef"))
    assert isinstance(bad, Refused)
    assert str(bad).startswith(reason)
    assert all(isinstance(answer, Answer) for answer in good)


def test_a_refused_request_is_not_repeated(loopback: Serve) -> None:
    server = loopback(lambda number, body: "400")
    (refused,) = ask(server.url)
    assert str(refused).splitlines()[0] == "server refused the request (400)"
    assert "asked to answer 400" in str(refused)
    assert len(server.bodies) == 1


def test_silence_while_others_are_answered_is_the_rows_reason(loopback: Serve) -> None:
    def decide(number: int, body: dict[str, Any]) -> str:
        return "hang" if "slow" in texts(body) else "ok"

    async def session(url: str) -> list[Any]:
        async with client(url, timeout=0.8, tries=1) as found:
            slow = asyncio.create_task(found.ask(message("slow")))
            for _ in range(22):
                await found.ask(message("quick"))
                await asyncio.sleep(0.1)
            return list(await asyncio.gather(slow, return_exceptions=True))

    (refused,) = asyncio.run(session(loopback(decide).url))
    assert isinstance(refused, Refused)
    assert str(refused) == "no answer within 0.8 s"


def test_a_dead_endpoint_costs_no_row_while_another_lives(loopback: Serve) -> None:
    server = loopback()
    answers = ask("http://127.0.0.1:9", server.url, texts=tuple("abcdefgh"))
    assert all(isinstance(answer, Answer) for answer in answers)


def test_work_goes_to_the_least_busy(loopback: Serve) -> None:
    quick, slow = loopback(delay=0.01), loopback(delay=0.4)

    async def session() -> None:
        async with client(quick.url, slow.url) as found:
            slots = asyncio.Semaphore(4)

            async def one() -> None:
                async with slots:
                    await found.ask(message())

            await asyncio.gather(*(one() for _ in range(40)))

    asyncio.run(session())
    assert len(quick.bodies) > 3 * len(slow.bodies)


def test_when_no_endpoint_answers_for_too_long_the_run_stops() -> None:
    (error,) = ask("http://127.0.0.1:9", patience=0.5)
    assert isinstance(error, MachineError)
    assert "No caption server has answered anything" in str(error)


def test_a_wrong_model_or_key_is_a_mistake_of_the_config(loopback: Serve) -> None:
    (error,) = ask(loopback(model="other").url)
    assert isinstance(error, ConfigError)
    assert "does not serve 'tiny'. It serves: other" in str(error)
    (error,) = ask(loopback(key="secret").url)
    assert isinstance(error, ConfigError)
    assert "answered 401" in str(error)
