"""Asks servers, and tells three things apart: an answer, a row that cannot be answered, and a machine that failed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import aiohttp

from captioning.endpoints import Address, Endpoint, Fault, Unreachable, pause
from captioning.exchange import Answer, answer_of
from captioning.gate import Gate
from captioning.slots import Slots
from captioning.watch import Watch
from pipeline.errors import ConfigError, MachineError

CROWDED = 1.25  # of its pace: so full may a server be that was asked about this image before, and is asked again
SUSPECT = 2  # deaths of a server under a row until the row is asked alone
CULPRIT = 2  # deaths under a row that was asked alone until it is given up

REFUSALS = frozenset({400, 413, 415, 422})
WRONG_ADDRESS = frozenset({401, 403, 404, 405})
BUSY = frozenset({429, 502, 503, 504})


#: Whom this task asked last. A row is one task: its further prompts and attempts find its image in that server's prefix cache.
_asked: ContextVar[Endpoint | None] = ContextVar("asked", default=None)


class Refused(Exception):  # noqa: N818 - it is the row's outcome, not an error of the program
    """A row that no server can answer; its text is the reason, its first line the kind."""


class Trouble(Exception):  # noqa: N818
    """One attempt that failed.

    Attributes:
        reason: of the row, should it be given up for this.
        fault: for which the server is to be looked at; None if only the request can be at fault.
    """

    def __init__(self, reason: str, fault: Fault | None) -> None:
        super().__init__(reason)
        self.reason, self.fault = reason, fault


@dataclass
class _Record:
    """What one row has been through."""

    errors: int = 0
    deaths: int = 0
    deaths_alone: int = 0

    def note(self, trouble: Trouble, broken: bool | None, alone: bool) -> None:
        """Count one trouble: a broken server is a death under this row, unless the request never reached it."""
        if not broken:
            self.errors += 1
        elif trouble.fault is not Fault.AWAY:
            self.deaths += 1
            self.deaths_alone += alone


class Client:
    """Sends requests to the least busy of its endpoints, and tries again what may succeed later.

    Attributes:
        tries: how often a row is asked again for faults of single requests (500, silence) before it is given up.
        timeout: seconds of silence until a request is given up.
        patience: seconds without any answer from any endpoint until the run stops.
    """

    def __init__(
        self,
        endpoints: Sequence[Endpoint],
        session: aiohttp.ClientSession,
        timeout: float = 300,
        patience: float = 600,
        tries: int = 4,
    ) -> None:
        self.timeout, self.patience, self.tries = timeout, patience, tries
        self._endpoints, self._session = list(endpoints), session
        self._gate, self._watch = Gate(), Watch(self._endpoints, session)

    @property
    def slots(self) -> Slots:
        """Rows that should be in work at once; `watch` keeps them up to date."""
        return self._watch.slots

    @property
    def in_flight(self) -> int:
        """Requests that were sent and are not answered."""
        return sum(endpoint.load for endpoint in self._endpoints)

    def watch(self) -> None:
        """Look at the endpoints from now on, and follow their queues."""
        self._watch.begin()

    async def close(self) -> None:
        """Look no more, and let the endpoints go."""
        await self._watch.end()
        for endpoint in self._endpoints:
            await endpoint.close()

    async def ask(self, body: Mapping[str, Any]) -> Answer:
        """The answer to one chat request.

        Raises:
            Refused: if a server refuses this request, or fails on it again and again.
            MachineError: if no server can be brought to answer.
            ConfigError: if a server does not know the model or the key.
        """
        record, failed = _Record(), None
        while True:
            endpoint = await self._well(failed)
            alone = record.deaths >= SUSPECT
            async with self._gate.passage(alone=alone):
                endpoint.load += 1
                try:
                    return await self._try(endpoint, body, record, alone)
                except Unreachable:
                    continue
                except Trouble as trouble:
                    failed = endpoint
                    self._judge(record, trouble)
                finally:
                    endpoint.load -= 1
            await asyncio.sleep(pause(record.errors) if record.errors else 0)

    async def _well(self, failed: Endpoint | None) -> Endpoint:
        """The endpoint that this row asked before, or the least busy one that does not rest.

        Args:
            failed: on which this request has just failed. One that fails at once is never busy, and would draw all requests.
        """
        while True:
            before = _asked.get()
            if before in self._endpoints and before is not failed and self._has_room(before):
                return before
            endpoint = min(self._endpoints, key=lambda one: (one.resting, one is failed, one.load / one.pace.limit))
            if not endpoint.resting:
                _asked.set(endpoint)
                return endpoint
            failing = min(one.failing for one in self._endpoints)
            if failing > self.patience:
                raise MachineError(
                    f"No caption server has answered anything for {failing:.0f} s. See that the servers of `endpoints` run and can "
                    "be reached, and run again: what is committed stays."
                )
            await asyncio.sleep(min(1.0, endpoint.resting))

    def _has_room(self, endpoint: Endpoint) -> bool:
        return not endpoint.resting and endpoint.load < CROWDED * endpoint.pace.limit

    async def _try(self, endpoint: Endpoint, body: Mapping[str, Any], record: _Record, alone: bool) -> Answer:
        try:
            async with endpoint.visit() as address:
                begun = time.monotonic()
                answer = await self._post(endpoint, address, body)
        except Trouble as trouble:
            record.note(trouble, trouble.fault and await endpoint.broken(address, trouble.fault), alone)
            raise
        self._watch.answered(endpoint, time.monotonic() - begun)
        return answer

    def _judge(self, record: _Record, trouble: Trouble) -> None:
        """Give the row up if it has had its tries."""
        if record.errors > self.tries:
            raise Refused(trouble.reason) from trouble
        if record.deaths_alone >= CULPRIT:
            raise Refused(f"server breaks on this row\n{trouble.reason}") from trouble

    async def _post(self, endpoint: Endpoint, address: Address, body: Mapping[str, Any]) -> Answer:
        """One HTTP exchange."""
        limit = aiohttp.ClientTimeout(total=self.timeout, sock_connect=10)
        url = f"{address.url}/v1/chat/completions"
        try:
            async with self._session.post(url, json=body, headers=address.headers, timeout=limit) as response:
                if response.status != 200:
                    raise _failure(response.status, url, (await response.text())[:500])
                return answer_of(await response.json(), address.server)
        except aiohttp.ClientConnectorError as error:
            raise Trouble(f"server cannot be reached\n{error}", Fault.AWAY) from error
        except TimeoutError as error:
            fault = Fault.SILENT if self._watch.hangs(endpoint, self.timeout) else None
            raise Trouble(f"no answer within {self.timeout:g} s", fault) from error
        except aiohttp.ContentTypeError as error:
            raise Trouble(f"answer is no chat completion\n{error}", None) from error
        except aiohttp.ClientError as error:
            raise Trouble(f"connection was lost\n{error!r}", Fault.LOST) from error
        except (ValueError, KeyError, IndexError, TypeError) as error:
            raise Trouble(f"answer is no chat completion\n{error!r}", None) from error


def _failure(status: int, url: str, text: str) -> Exception:
    """What a status other than 200 means."""
    if status in REFUSALS:
        return Refused(f"server refused the request ({status})\n{text}")
    if status in WRONG_ADDRESS:
        return ConfigError(
            f"{url} answered {status}: {text}\nCorrect `endpoints`, `model`, or the key that `api_key_env` names."
        )
    return Trouble(f"server answered {status}\n{text}", Fault.AWAY if status in BUSY else Fault.LOST)
