"""Our own server: up, down, dead, and gone with its parent. The server is the loopback one, as a process."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from captioning.captioner import Row
from captioning.client import Refused
from captioning.server import Server, healthy
from pipeline.errors import MachineError
from tests.captioning.helpers import captioner, client, loopback_process, message, picture
from tests.captioning.loopback import GOOD


def group_lives(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def gone(group: int, seconds: float = 10) -> bool:
    deadline = time.monotonic() + seconds
    while group_lives(group) and time.monotonic() < deadline:
        time.sleep(0.05)
    return not group_lives(group)


def port(server: Server) -> int:
    return int(server.url.rpartition(":")[2])


def test_it_runs_until_it_is_closed_and_leaves_nothing(tmp_path: Path) -> None:
    server = loopback_process(tmp_path)
    server.start()
    assert server.alive
    assert healthy(port(server))
    assert group_lives(server.group)
    server.close()
    server.close()
    assert not server.alive
    assert not group_lives(server.group)
    assert not list(tmp_path.iterdir())


def with_a_child(tmp_path: Path) -> Server:
    """A server that starts a process of its own, as vLLM does its engine."""
    code = "import subprocess, sys; subprocess.Popen(['sleep', '60']); exec(open(sys.argv[1]).read())"
    script = Path(__file__).with_name("loopback.py")
    program = f"import sys; sys.argv.pop(0); {code.replace('sys.argv[1]', 'sys.argv.pop(0)')}"
    server = Server(
        lambda at: [sys.executable, "-c", program, str(script), str(script), str(at)],
        {"PYTHONPATH": str(Path(__file__).parents[2])},
        20,
        tmp_path,
    )
    server.start()
    return server


def test_children_of_the_server_go_with_it(tmp_path: Path) -> None:
    server = with_a_child(tmp_path)
    os.kill(server.group, signal.SIGKILL)  # the front alone; `sleep` lives on in its group
    assert gone(server.group)
    assert not server.alive
    server.close()


def test_it_ends_when_its_parent_is_killed(tmp_path: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path; from tests.captioning.helpers import loopback_process\n"
        "server = loopback_process(Path(sys.argv[1])); server.start(); print(server.group, flush=True); time.sleep(60)"
    )
    root = Path(__file__).parents[2]
    parent = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True, cwd=root)
    assert parent.stdout is not None
    group = int(parent.stdout.readline())
    assert group_lives(group)
    parent.kill()
    parent.wait()
    parent.stdout.close()
    assert gone(group)


def test_they_go_when_the_watchdog_is_killed(tmp_path: Path) -> None:
    """Ray kills what a worker started, with the worker; an engine is not of that, and would hold its memory for ever."""
    server = with_a_child(tmp_path)
    assert server._process is not None
    server._process.kill()
    assert gone(server.group)
    server.close()


def test_a_server_that_cannot_start_shows_its_log(tmp_path: Path) -> None:
    server = Server(lambda _: [sys.executable, "-c", "raise SystemExit('no such model')"], {}, 20, tmp_path)
    with pytest.raises(MachineError, match=r"(?s)ended while it started.*no such model") as error:
        server.start()
    kept = next(tmp_path.glob("*.failed.log"))
    assert str(kept) in str(error.value)
    server.close()
    assert kept.read_text().strip() == "no such model"


def test_a_server_that_is_never_healthy_is_stopped(tmp_path: Path) -> None:
    server = Server(lambda _: ["sleep", "60"], {}, 0.5, tmp_path)
    with pytest.raises(MachineError, match="startup_timeout"):
        server.start()
    assert not group_lives(server.group)
    server.close()


def ask_own(server: Server, *texts: str, **options: Any) -> list[Any]:
    async def session() -> list[Any]:
        async with client(server=server, **options) as found:
            return await asyncio.gather(*(found.ask(message(text)) for text in texts), return_exceptions=True)

    return asyncio.run(session())


def test_only_we_are_answered(tmp_path: Path) -> None:
    server = loopback_process(tmp_path)
    assert [answer.server for answer in ask_own(server, "hello")] == ["loopback 0.1"]
    assert server.starts == 1


def test_a_killed_server_is_started_again_and_no_row_is_lost(tmp_path: Path) -> None:
    server = loopback_process(tmp_path)

    async def session() -> list[dict[str, Any]]:
        async with client(server=server) as found:
            ask = captioner(found)
            slots = asyncio.Semaphore(8)

            async def one(number: int) -> dict[str, Any]:
                async with slots:
                    if number == 30:
                        os.killpg(server.group, signal.SIGKILL)
                    return await ask(Row(str(number), picture(number), "a square"))

            return await asyncio.gather(*map(one, range(80)))

    rows = asyncio.run(session())
    assert [row["error_message"] for row in rows] == [None] * 80
    assert all(row["long"] == GOOD["long"] for row in rows)
    assert server.starts == 2


@pytest.mark.slow
def test_a_row_that_kills_servers_is_found_and_costs_one_row(tmp_path: Path) -> None:
    server = loopback_process(tmp_path)
    answers = ask_own(server, "a", "b", "c", "DIE", "e", "f", "g", "h")
    assert isinstance(answers[3], Refused)
    assert str(answers[3]).startswith("server breaks on this row")
    assert sum(isinstance(answer, Refused) for answer in answers) == 1


@pytest.mark.slow
def test_a_server_that_hangs_is_started_again(tmp_path: Path) -> None:
    server = loopback_process(tmp_path)

    async def session() -> Any:
        async with client(server=server, timeout=1.5) as found:
            await found.ask(message())
            os.killpg(server.group, signal.SIGSTOP)
            return await found.ask(message())

    assert asyncio.run(session()).finish_reason == "stop"
    assert server.starts == 2


@pytest.mark.slow
def test_a_server_that_only_dies_is_given_up(tmp_path: Path) -> None:
    server = loopback_process(tmp_path)
    answers = ask_own(server, *["DIE"] * 12)
    assert all(isinstance(answer, Refused | MachineError) for answer in answers)
    assert any(isinstance(answer, MachineError) and "died 3 times in a row" in str(answer) for answer in answers)
