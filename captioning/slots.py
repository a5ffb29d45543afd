"""How many rows may be in work at once: a semaphore whose size changes while it is used."""

from __future__ import annotations

import asyncio
from collections import deque


class Slots:
    """First come, first served, within one event loop. An async context manager holds one slot.

    Attributes:
        size: how many may be taken. After it shrank, more may be taken for a while; nobody is turned out.
        taken: how many are.
    """

    def __init__(self, size: int) -> None:
        self.size, self.taken = size, 0
        self._waiting: deque[asyncio.Future[None]] = deque()

    def resize(self, size: int) -> None:
        """Let more in, or fewer from now on."""
        self.size = size
        self._admit()

    async def __aenter__(self) -> None:
        ticket = asyncio.get_running_loop().create_future()
        self._waiting.append(ticket)
        self._admit()
        try:
            await ticket
        except asyncio.CancelledError:
            if not ticket.cancelled():  # it was let in at the moment when it was cancelled
                self._leave()
            raise

    async def __aexit__(self, *_: object) -> None:
        self._leave()

    def _leave(self) -> None:
        self.taken -= 1
        self._admit()

    def _admit(self) -> None:
        while self._waiting and self.taken < self.size:
            ticket = self._waiting.popleft()
            if not ticket.done():
                self.taken += 1
                ticket.set_result(None)
