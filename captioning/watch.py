"""Looks at every server about once a second: is it there, is it at work, how long is its queue."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Sequence

import aiohttp

from captioning.endpoints import Address, Endpoint, Fault
from captioning.metrics import Reading, look
from captioning.slots import Slots
from pipeline.errors import MachineError

EVERY = 1.0  # seconds between two looks at a server
SOON = 0.2  # the same while its queue is too short: until as much is sent as its batch takes
SILENCE = 60.0  # seconds in which a server says nothing to anybody until it is taken to hang: a busy one is not dead


class Watch:
    """What is known of some endpoints.

    Attributes:
        slots: rows that should be in work at once, for all endpoints together.
    """

    def __init__(self, endpoints: Sequence[Endpoint], session: aiohttp.ClientSession) -> None:
        self._endpoints, self._session = endpoints, session
        self.slots = Slots(sum(endpoint.pace.limit for endpoint in endpoints))
        self._signs: dict[Endpoint, float] = {}  # when it last answered anybody, or was seen at work
        self._tokens: dict[Endpoint, float] = {}
        self._tasks: list[asyncio.Task[None]] = []

    def begin(self) -> None:
        """Look from now on; for use within an event loop."""
        self._tasks = [asyncio.create_task(self._look(endpoint)) for endpoint in self._endpoints]

    async def end(self) -> None:
        """Look no more."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def answered(self, endpoint: Endpoint, seconds: float) -> None:
        """Take note that an endpoint answered, after so many seconds."""
        self._signs[endpoint] = time.monotonic()
        endpoint.pace.answered(seconds)
        endpoint.answered()

    def hangs(self, endpoint: Endpoint, timeout: float) -> bool:
        """Whether an endpoint on which a request has just timed out is silent altogether, rather than slow."""
        return time.monotonic() - self._signs.get(endpoint, 0.0) >= min(SILENCE, timeout / 2)

    async def _look(self, endpoint: Endpoint) -> None:
        while True:
            await asyncio.sleep(SOON if endpoint.pace.hungry else EVERY)
            if address := endpoint.present:
                await self._look_once(endpoint, address)

    async def _look_once(self, endpoint: Endpoint, address: Address) -> None:
        try:
            reading = await look(self._session, address.url, address.headers, SILENCE)
        except (aiohttp.ClientError, TimeoutError) as error:
            await endpoint.broken(address, Fault.SILENT if isinstance(error, TimeoutError) else Fault.LOST)
            return
        if reading is not None:
            self._learn(endpoint, reading)
        with contextlib.suppress(MachineError):  # whoever asks next meets it too
            await endpoint.tend()

    def _learn(self, endpoint: Endpoint, reading: Reading) -> None:
        endpoint.pace.see(reading.running, reading.waiting, endpoint.load)
        self.slots.resize(sum(one.pace.limit for one in self._endpoints))
        if reading.tokens != self._tokens.get(endpoint):
            self._tokens[endpoint], self._signs[endpoint] = reading.tokens, time.monotonic()
