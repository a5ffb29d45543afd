"""A server that somebody else runs: passed over while it fails, and never stopped."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace

import aiohttp

from captioning.endpoints import Address, Fault, Unreachable, describe, pause, served
from captioning.pace import Pace
from pipeline.errors import ConfigError


class Given:
    """One that fails rests for a while, longer each time."""

    def __init__(
        self, url: str, key: str | None, model: str, session: aiohttp.ClientSession, pace: Pace | None = None
    ) -> None:
        self.load, self.pace = 0, pace or Pace()
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._address = Address(url.rstrip("/").removesuffix("/v1"), headers)
        self._model, self._session = model, session
        self._failures, self._failing_since, self._rests_until = 0, 0.0, 0.0
        self._lock = asyncio.Lock()

    @property
    def resting(self) -> float:
        """After a failure, longer each time."""
        return max(0.0, self._rests_until - time.monotonic())

    @property
    def failing(self) -> float:
        """Since its first failure after its last answer."""
        return time.monotonic() - self._failing_since if self._failures else 0.0

    @property
    def present(self) -> Address | None:
        """Where it is, once it was met and unless it rests."""
        return self._address if self._address.server and not self.resting else None

    @asynccontextmanager
    async def visit(self) -> AsyncIterator[Address]:
        """The first time, see that it serves the model."""
        async with self._lock:
            if self.resting:
                raise Unreachable(self._address.url)
            if not self._address.server:
                try:
                    await self._meet()
                except (aiohttp.ClientError, TimeoutError) as error:
                    self._rest()
                    raise Unreachable(self._address.url) from error
        yield self._address

    async def _meet(self) -> None:
        models = await served(self._session, self._address)
        if models is not None and self._model not in models:
            raise ConfigError(
                f"{self._address.url} does not serve {self._model!r}. It serves: {', '.join(models) or 'nothing'}. "
                "Correct `model` or `endpoints`."
            )
        self._address = replace(self._address, server=await describe(self._session, self._address))

    async def broken(self, address: Address, fault: Fault) -> bool:
        """Ask whether it is there; if not, or if it was away or silent, let it rest."""
        if fault is Fault.LOST:
            with suppress(aiohttp.ClientError, TimeoutError):
                await served(self._session, address)
                return False
        self._rest()
        return True

    def _rest(self) -> None:
        now = time.monotonic()
        if self._failures == 0:
            self._failing_since = now
        if now >= self._rests_until:  # one failure of many that happen at once
            self._failures += 1
            self._rests_until = now + pause(self._failures)

    async def tend(self) -> None:
        """It is not ours to care for."""

    def answered(self) -> None:
        """Forgive earlier failures."""
        self._failures, self._rests_until = 0, 0.0

    async def close(self) -> None:
        """It is not ours to stop."""
