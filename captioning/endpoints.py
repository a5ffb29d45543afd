"""Where questions go: what a server is to the client, whoever runs it (`own.py`, `given.py`)."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager, suppress
from dataclasses import dataclass, field
from enum import Enum
from typing import Protocol

import aiohttp

from captioning.pace import Pace

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

    load: int  #: requests that are on it, or wait for it to come back
    pace: Pace  #: how many it should have

    @property
    def resting(self) -> float:
        """Seconds until it should be asked again; 0 if it seems well."""

    @property
    def failing(self) -> float:
        """Seconds for which it has answered nothing but failures; 0 if it works, or brings itself back."""

    @property
    def present(self) -> Address | None:
        """Where it is, if it can be looked at now."""

    def visit(self) -> AbstractAsyncContextManager[Address]:
        """Hold its address for one request, once it can be asked.

        Raises:
            Unreachable: if it cannot be asked now; it rests.
            MachineError: if it cannot be brought back.
        """

    async def broken(self, address: Address, fault: Fault) -> bool:
        """Look at it after a fault. Says whether it is broken, rather than only the one request."""

    async def tend(self) -> None:
        """Care for it, every second or so while it can be looked at."""

    def answered(self) -> None:
        """Take note that it works."""

    async def close(self) -> None:
        """Let it go."""


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
