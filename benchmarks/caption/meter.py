"""What a server does while it is asked: its queue over time, its counters, and the CPU seconds of both sides."""

from __future__ import annotations

import http.client
import os
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

NAMES = ("num_requests_running", "num_requests_waiting", "request_success_total", "generation_tokens_total")
EVERY = 0.25  # seconds


@dataclass(frozen=True)
class Target:
    """A server that all contenders ask: its address, its key, its model and its process group (0: not ours)."""

    url: str
    key: str
    model: str
    group: int = 0

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.key}", "Content-Type": "application/json"}

    def call(self, method: str, path: str) -> str:
        host = self.url.removeprefix("http://")
        connection = http.client.HTTPConnection(host, timeout=120)
        try:
            connection.request(method, path, headers=self.headers)
            return connection.getresponse().read().decode("utf-8", "replace")
        finally:
            connection.close()

    def forget(self) -> bool:
        """Empty its caches, so that no contender lives on what another has sent. Needs VLLM_SERVER_DEV_MODE=1."""
        return all("Not Found" not in self.call("POST", f"/reset_{name}_cache") for name in ("prefix", "mm", "encoder"))


@dataclass(frozen=True)
class Sample:
    """One look: seconds since the start, requests sent and not answered (-1: unknown), in the batch, in the queue, and done; tokens."""

    at: float
    sent: int
    running: int
    waiting: int
    done: int
    tokens: int


@dataclass
class Watch:
    """The looks at a server during one contender."""

    samples: list[Sample] = field(default_factory=list)

    @property
    def busy(self) -> float:
        """Seconds from the first request in the server to its last token: what a slow start of a client does not lengthen."""
        first = next((s.at for s in self.samples if s.running + s.waiting or s.done > self.samples[0].done), 0.0)
        last = max(
            (b.at for a, b in zip(self.samples, self.samples[1:], strict=False) if b.done > a.done), default=first
        )
        return max(last - first, EVERY)


@contextmanager
def watch(target: Target, sent: Callable[[], int]) -> Iterator[Watch]:
    """Look at it every quarter of a second, and at what a client has `sent`."""
    found, stop, begun = Watch(), threading.Event(), time.perf_counter()

    def look() -> None:
        while not stop.is_set():
            with suppress(OSError, http.client.HTTPException):
                flying, values = sent(), _figures(target.call("GET", "/metrics"))
                found.samples.append(Sample(time.perf_counter() - begun, flying, *values))
            stop.wait(EVERY)

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    try:
        yield found
    finally:
        stop.set()
        thread.join()


def _figures(text: str) -> list[int]:
    found = re.findall(r"^vllm:(\w+)(?:\{[^}]*\})? (\S+)$", text, re.MULTILINE)
    return [int(sum(float(value) for name, value in found if name == wanted)) for wanted in NAMES]


def server_cpu(group: int) -> float:
    """CPU seconds of all processes of a group."""
    total = 0
    for status in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            fields = status.read_text().rpartition(")")[2].split()
            total += int(fields[11]) + int(fields[12]) if int(fields[2]) == group else 0
    return total / os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Run:
    """What one contender did in one round."""

    rows: int
    tokens: int
    seconds: float
    client_cpu: float
    server_cpu: float
    samples: tuple[Sample, ...]


Contender = Callable[[], tuple[int, int]]


def measure(target: Target, contender: Contender, sent: Callable[[], int] = lambda: -1, by_server: bool = False) -> Run:
    """Run a contender (it gives rows and tokens) from empty caches.

    Args:
        sent: how many of its requests are not answered now.
        by_server: count seconds at the server rather than in the caller: for a client whose start-up is not the question.
    """
    target.forget()
    with watch(target, sent) as seen:
        cpu, served, begun = time.process_time(), server_cpu(target.group), time.perf_counter()
        rows, tokens = contender()
        seconds = time.perf_counter() - begun
        cpu, served = time.process_time() - cpu, server_cpu(target.group) - served
    return Run(rows, tokens, seen.busy if by_server else seconds, cpu, served, tuple(seen.samples))
