"""What a server says of itself under /metrics, in the names that vLLM gives its figures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import aiohttp

RUNNING, WAITING = "vllm:num_requests_running", "vllm:num_requests_waiting"
MADE = ("vllm:generation_tokens_total", "vllm:prompt_tokens_total")


@dataclass(frozen=True)
class Reading:
    """One look at a server.

    Attributes:
        running, waiting: requests in its batch and in its queue.
        tokens: that it has read and written since it started.
    """

    running: int
    waiting: int
    tokens: float


async def look(
    session: aiohttp.ClientSession, url: str, headers: Mapping[str, str], timeout: float = 10
) -> Reading | None:
    """Read the figures of a server; None from one that answers but does not tell.

    Raises:
        aiohttp.ClientError, TimeoutError: if it does not answer at all.
    """
    limit = aiohttp.ClientTimeout(total=timeout)
    async with session.get(f"{url}/metrics", headers=headers, timeout=limit) as response:
        return parse(await response.text("utf-8", "replace")) if response.status == 200 else None


def parse(text: str) -> Reading | None:
    """The figures in the text form of Prometheus, summed over engines; None if they are not there."""
    sums: dict[str, float] = {}
    for line in text.splitlines():
        if line.startswith("vllm:"):
            name, _, value = line.replace("{", " {", 1).partition(" ")
            if name in (RUNNING, WAITING, *MADE):
                sums[name] = sums.get(name, 0.0) + float(value.rpartition(" ")[2])
    if RUNNING not in sums or WAITING not in sums:
        return None
    return Reading(int(sums[RUNNING]), int(sums[WAITING]), sum(sums.get(name, 0.0) for name in MADE))
