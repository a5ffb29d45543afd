"""A server of our own: started, brought back when it dies or hangs, and started anew before its memory runs over."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp

from captioning.endpoints import Address, Fault, describe, pause
from captioning.pace import Pace
from captioning.server import Server, healthy
from pipeline.errors import MachineError

logger = logging.getLogger(__name__)

HEALTH = 60.0  # seconds that a health check may take: a busy machine is no dead server
DRAIN = 300.0  # seconds that requests have to end before their server is recycled
WEIGHED = 15.0  # seconds between two looks at its memory
GIB = 2**30


class Own:
    """A dead or hanging server is started again, after a pause that grows, but not for ever.

    Args:
        restarts: how often in a row it may be started without answering anything in between.
        growth: bytes by which its processes may grow; after that it is recycled: requests that are on it end, the others wait
            until it is back. None: never. (vLLM has leaked host memory more than once: vllm-project/vllm#15085, #28726.)
    """

    def __init__(
        self,
        server: Server,
        session: aiohttp.ClientSession,
        restarts: int,
        pace: Pace | None = None,
        growth: float | None = None,
    ) -> None:
        self.load, self.pace = 0, pace or Pace()
        self._server, self._session, self._restarts, self._growth = server, session, restarts, growth
        self._address = Address("")
        self._in_vain = self._buried = self._guests = self._born = 0
        self._weighed = 0.0
        self._lost: MachineError | None = None
        self._lock = asyncio.Lock()

    @property
    def resting(self) -> float:
        """It is waited for, not passed over."""
        return 0.0

    @property
    def failing(self) -> float:
        """It brings itself back, or raises."""
        return 0.0

    @property
    def present(self) -> Address | None:
        """Where it is, unless it is being started or drained."""
        return self._address if self._server.alive and not self._lock.locked() else None

    @asynccontextmanager
    async def visit(self) -> AsyncIterator[Address]:
        """Start it, if it does not run, and hold its address."""
        async with self._lock:
            while not self._server.alive:
                await self._start()
            self._guests += 1
        try:
            yield self._address
        finally:
            self._guests -= 1

    async def _start(self) -> None:
        if self._lost:
            raise self._lost  # for everybody who waits: one of them has tried
        try:
            await self._try_to_start()
        except MachineError as error:
            self._lost = error
            raise

    async def _try_to_start(self) -> None:
        if self._in_vain > self._restarts:
            raise MachineError(
                f"The caption server died {self._in_vain} times in a row without answering anything in between. Its last "
                f"lines:\n{self._server.tail()}\nLook at its memory, and change `server.args` or the model."
            )
        await asyncio.sleep(pause(self._in_vain) if self._in_vain else 0)
        self._in_vain += 1
        try:
            await asyncio.to_thread(self._server.start)
        except MachineError:
            if not self._address.generation or self._in_vain > self._restarts:
                raise  # what never ran will not run the next time
            return
        headers = {"Authorization": f"Bearer {self._server.key}"}
        name = await describe(self._session, Address(self._server.url, headers))
        self._address = Address(self._server.url, headers, name, self._address.generation + 1)
        self._born = 0

    async def broken(self, address: Address, fault: Fault) -> bool:
        """Look whether it lives and is healthy; if not, or if it hangs, stop what is left of it."""
        async with self._lock:
            if address.generation != self._address.generation:
                return True
            port = int(address.url.rpartition(":")[2])
            if self._server.alive and fault is not Fault.SILENT and await asyncio.to_thread(healthy, port, HEALTH):
                return False
            if self._server.starts != self._buried:
                self._buried = self._server.starts
                state = fault.value if self._server.alive else "dead"
                kept = self._server.keep_log()
                logger.warning(
                    "The caption server is %s (start %d) and is started again. Its log: %s", state, self._buried, kept
                )
                await asyncio.to_thread(self._server.kill)
            return True

    async def tend(self) -> None:
        """Recycle it if it has grown too much since its first request was answered."""
        if self._growth is None or time.monotonic() < self._weighed + WEIGHED or self._in_vain:
            return
        self._weighed = time.monotonic()
        held = await asyncio.to_thread(self._server.memory)
        self._born = self._born or held
        if held > self._born + self._growth:
            logger.warning(
                "The caption server holds %.1f GiB, %.1f more than when it began, and is recycled.",
                held / GIB,
                (held - self._born) / GIB,
            )
            await self.recycle()

    async def recycle(self) -> None:
        """Let the requests on it end, then stop it; the next request starts it again. No row notices."""
        async with self._lock:
            deadline = time.monotonic() + DRAIN
            while self._guests and time.monotonic() < deadline:
                await asyncio.sleep(0.05)
            self._buried = self._server.starts
            await asyncio.to_thread(self._server.stop)

    def answered(self) -> None:
        """Forgive earlier deaths."""
        self._in_vain = 0

    async def close(self) -> None:
        """Stop it."""
        await asyncio.to_thread(self._server.close)
