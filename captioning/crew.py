"""The client and the servers of one worker, put together and let go in its event loop."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import aiohttp

from captioning.client import Client
from captioning.endpoints import Endpoint
from captioning.given import Given
from captioning.model import Model
from captioning.own import GIB, Own
from captioning.pace import Pace
from captioning.vllm_command import ServerOptions, vllm_server


@dataclass(frozen=True)
class Terms:
    """How a worker asks.

    Attributes:
        model: that answers.
        endpoints: servers that are given; none: one of our own.
        key: of the endpoints.
        server: how our own is started.
        gpus: that our own has.
        concurrency: requests at each server; None follows its queue.
        timeout: seconds that a request may take.
        patience: seconds without any answer until the run stops.
    """

    model: Model
    endpoints: Sequence[str]
    key: str | None
    server: ServerOptions
    gpus: float
    concurrency: int | None
    timeout: float
    patience: float


class Crew:
    """A client that watches its servers until it is dismissed."""

    def __init__(self, client: Client, session: aiohttp.ClientSession) -> None:
        self.client, self._session = client, session

    @classmethod
    async def hire(cls, terms: Terms) -> Crew:
        """Make the client. An own server starts with the first request.

        Raises:
            ConfigError: if there is no vLLM, or no GPU for it.
        """
        own = None if terms.endpoints else vllm_server(terms.model, terms.server, terms.gpus)
        session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))

        def pace() -> Pace:
            return Pace(terms.concurrency, terms.timeout)

        endpoints: list[Endpoint] = [
            Given(url, terms.key, terms.model.name, session, pace()) for url in terms.endpoints
        ]
        if own is not None:
            growth = terms.server.growth_gib
            endpoints.append(Own(own, session, terms.server.restarts, pace(), growth and growth * GIB))
        client = Client(endpoints, session, terms.timeout, terms.patience)
        client.watch()
        return cls(client, session)

    async def dismiss(self) -> None:
        """End what was begun; our own server stops."""
        await self.client.close()
        await self._session.close()
