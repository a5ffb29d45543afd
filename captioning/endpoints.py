"""Where questions go: servers that are given, or one of our own that is brought back when it dies."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Protocol

import aiohttp

from captioning.server import Server, healthy
from pipeline.errors import ConfigError, MachineError

logger = logging.getLogger(__name__)

HEALTH = 60.0  # seconds that a health check may take: a busy machine is no dead server
LONGEST_PAUSE = 30.0  # seconds
SHORT = aiohttp.ClientTimeout(total=10)  # of questions that cost a server nothing


@dataclass(frozen=True)
class Address:
    """A server as it is now: after a restart it has another address.

    Attributes:
        url: without the trailing `/v1`.
        headers: of every request.
        server: its name and version, for provenance.
        generation: counts the restarts.
    """

    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    server: str = ""
    generation: int = 0


class Fault(Enum):
    """What a request met with."""

    LOST = "lost"  #: the connection broke, or the server answered that it failed
    AWAY = "away"  #: it could not be reached, or said that it is busy
    SILENT = "silent"  #: nothing came, to nobody, for a whole timeout


class Unreachable(Exception):  # noqa: N818 - reads as the sentence it is
    """A server that cannot be asked now; another may."""


class Endpoint(Protocol):
    """One server, whoever runs it."""

    load: int  #: requests that are on it

    @property
    def resting(self) -> float:
        """Seconds until it should be asked again; 0 if it seems well."""

    @property
    def failing(self) -> float:
        """Seconds for which it has answered nothing but failures; 0 if it works, or brings itself back."""

    async def address(self) -> Address:
        """Its address, once it can be asked.

        Raises:
            Unreachable: if it cannot be asked now; it rests.
            MachineError: if it cannot be brought back.
        """

    async def broken(self, address: Address, fault: Fault) -> bool:
        """Look at it after a fault. Says whether it is broken, rather than only the one request."""

    def answered(self) -> None:
        """Take note that it works."""

    async def close(self) -> None:
        """Let it go."""


class Own:
    """A server of our own. A dead or hanging one is started again, but not for ever."""

    def __init__(self, server: Server, session: aiohttp.ClientSession, restarts: int) -> None:
        self.load = 0
        self._server, self._session, self._restarts = server, session, restarts
        self._address = Address("")
        self._in_vain = self._buried = 0
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

    async def address(self) -> Address:
        """Start it, if it does not run."""
        async with self._lock:
            while not self._server.alive:
                await self._start()
            return self._address

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

    def answered(self) -> None:
        """Forgive earlier deaths."""
        self._in_vain = 0

    async def close(self) -> None:
        """Stop it."""
        await asyncio.to_thread(self._server.close)


class Given:
    """A server that somebody else runs. One that fails rests for a while, longer each time."""

    def __init__(self, url: str, key: str | None, model: str, session: aiohttp.ClientSession) -> None:
        self.load = 0
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

    async def address(self) -> Address:
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
        return self._address

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

    def answered(self) -> None:
        """Forgive earlier failures."""
        self._failures, self._rests_until = 0, 0.0

    async def close(self) -> None:
        """It is not ours to stop."""


def pause(failures: int) -> float:
    """Seconds to wait after so many failures in a row: 0.5, 1, 2, ... up to 30."""
    return float(min(LONGEST_PAUSE, 0.25 * 2 ** min(failures, 16)))


async def served(session: aiohttp.ClientSession, address: Address) -> list[str] | None:
    """The names of the models that a server serves; None if it does not say."""
    async with session.get(f"{address.url}/v1/models", headers=address.headers, timeout=SHORT) as response:
        if response.status >= 500:
            response.raise_for_status()
        with suppress(ValueError, KeyError, TypeError, aiohttp.ContentTypeError):
            return [str(model["id"]) for model in (await response.json())["data"]]
    return None


async def describe(session: aiohttp.ClientSession, address: Address) -> str:
    """Name and version of a server, such as `vllm 0.31.0`; `unknown` where it keeps them to itself."""
    name, number = "unknown", ""
    with suppress(ValueError, KeyError, TypeError, IndexError, aiohttp.ClientError):
        async with session.get(f"{address.url}/v1/models", headers=address.headers, timeout=SHORT) as response:
            name = str((await response.json())["data"][0]["owned_by"])
        async with session.get(f"{address.url}/version", headers=address.headers, timeout=SHORT) as response:
            number = str((await response.json())["version"])
    return f"{name} {number}".strip()
