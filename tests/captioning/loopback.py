"""A real OpenAI-compatible server on loopback that misbehaves on purpose: in a thread of a test, or as a process that can die.

What it does to a request is decided by words in its text parts (as a process) or by a function of the test (in a thread).
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from captioning.flow import Background
from pipeline.rows import uniform

GOOD = {
    "short": "A red square.",
    "medium": "A red square on white.",
    "long": "A red square in the middle of white paper.",
}

#: (number of the request from 1, its body) -> what to do: see `Loopback._does`
Decide = Callable[[int, dict[str, Any]], str]


@dataclass
class Loopback:
    """The server and what it saw."""

    decide: Decide = lambda number, body: "ok"
    delay: float = 0.0  # seconds, give or take a half
    model: str = "tiny"
    key: str | None = None
    capacity: int = 10**6  # requests that it works on at once; the others wait
    bodies: list[dict[str, Any]] = field(default_factory=list)
    in_flight: int = 0
    busy: list[int] = field(default_factory=list)  # requests in flight whenever one ends
    url: str = ""
    _room: asyncio.Semaphore | None = None

    def app(self) -> web.Application:
        app = web.Application(client_max_size=2**24)
        app.router.add_get("/health", lambda _: _answer(web.Response()))
        app.router.add_get("/version", lambda _: _answer(web.json_response({"version": "0.1"})))
        models = {"data": [{"id": self.model, "owned_by": "loopback"}]}
        app.router.add_get("/v1/models", lambda _: _answer(web.json_response(models)))
        app.router.add_get("/metrics", lambda _: _answer(web.Response(text=self._figures())))
        app.router.add_post("/v1/chat/completions", self._chat)
        return app

    def _figures(self) -> str:
        """As vLLM writes them."""
        running = min(self.in_flight, self.capacity)
        figures = {"running": running, "waiting": self.in_flight - running}
        lines = [
            f'vllm:num_requests_{name}{{engine="0",model_name="tiny"}} {value}.0' for name, value in figures.items()
        ]
        return "\n".join(["# TYPE vllm:num_requests_running gauge", *lines, "vllm:generation_tokens_total 7.0", ""])

    async def _chat(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        self.bodies.append(body)
        self.in_flight += 1
        self._room = self._room or asyncio.Semaphore(self.capacity)
        try:
            async with self._room:
                await asyncio.sleep(self.delay * (0.5 + uniform(0, str(len(self.bodies)), "delay")))
            return await self._does(self.decide(len(self.bodies), body), request)
        finally:
            self.busy.append(self.in_flight)
            self.in_flight -= 1

    async def _does(self, what: str, request: web.Request) -> web.StreamResponse:
        if self.key and request.headers.get("Authorization") != f"Bearer {self.key}":
            return web.json_response({"error": {"message": "wrong key"}}, status=401)
        if what.isdigit():
            return web.json_response({"error": {"message": f"asked to answer {what}"}}, status=int(what))
        if what == "hang":
            await asyncio.sleep(60)
        if what == "slow":
            await asyncio.sleep(0.8)
            what = "ok"
        if what == "die":
            os._exit(9)
        if what == "drop":
            assert request.transport is not None
            request.transport.abort()
        if what == "page":
            return web.Response(text="<html>no API here</html>", content_type="text/html")
        if what == "odd":
            return web.json_response({"choices": []})
        return web.json_response(completion(what))


async def _answer(response: web.Response) -> web.Response:
    return response


def completion(what: str) -> dict[str, Any]:
    """A chat completion: good, cut (`length`), or whatever text was asked for."""
    text = json.dumps(GOOD) if what == "ok" else json.dumps(GOOD)[:30] if what == "length" else what
    choice = {"message": {"content": text}, "finish_reason": "length" if what == "length" else "stop"}
    return {"choices": [choice], "usage": {"prompt_tokens": 11, "completion_tokens": 7}}


@contextmanager
def serve(server: Loopback, background: Background) -> Iterator[Loopback]:
    """Run it in a thread on a free port."""

    async def begin() -> web.AppRunner:
        runner = web.AppRunner(server.app(), shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        server.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        return runner

    runner = background.run(begin())
    try:
        yield server
    finally:
        background.run(runner.cleanup())


def texts(body: dict[str, Any]) -> str:
    """All text of a request."""
    parts = [
        part for message in body["messages"] if isinstance(message["content"], list) for part in message["content"]
    ]
    return " ".join(part["text"] for part in parts if part["type"] == "text")


def _by_words(number: int, body: dict[str, Any]) -> str:
    """As a process: `DIE`, `HANG`, `SLOW` or `SAY` (a line in its log) in the text does that."""
    said = texts(body)
    if "SAY" in said:
        with suppress(OSError):
            print(said, flush=True)
    return "slow" if "SLOW" in said else "die" if "DIE" in said else "hang" if "HANG" in said else "ok"


if __name__ == "__main__":
    own = Loopback(decide=_by_words, delay=0.02, key=os.environ.get("VLLM_API_KEY"))
    web.run_app(own.app(), host="127.0.0.1", port=int(sys.argv[1]), print=None)
