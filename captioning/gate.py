"""A gate that many pass together, or one alone: who is suspected of killing servers is asked with nobody else on them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Gate:
    """Shared and exclusive passage within one event loop. Who wants it alone is let in before further company."""

    def __init__(self) -> None:
        self._inside = self._waiting_alone = 0
        self._alone = False
        self._changed = asyncio.Condition()

    @asynccontextmanager
    async def passage(self, *, alone: bool) -> AsyncIterator[None]:
        """Hold the gate, with others or alone."""
        async with self._changed:
            self._waiting_alone += alone
            try:
                await self._changed.wait_for(self._free_for_one if alone else self._free_for_many)
            finally:
                self._waiting_alone -= alone
            self._inside, self._alone = self._inside + 1, alone
        try:
            yield
        finally:
            async with self._changed:
                self._inside, self._alone = self._inside - 1, False
                self._changed.notify_all()

    def _free_for_one(self) -> bool:
        return self._inside == 0

    def _free_for_many(self) -> bool:
        return not self._alone and self._waiting_alone == 0
