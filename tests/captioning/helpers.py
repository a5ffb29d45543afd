"""Pictures, clients and mortal servers for the tests."""

from __future__ import annotations

import io
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pyarrow as pa
from PIL import Image

from captioning.asking import Asker
from captioning.captioner import Captioner
from captioning.client import Client
from captioning.endpoints import Endpoint
from captioning.exchange import Sampling
from captioning.given import Given
from captioning.ladder import LADDER
from captioning.own import Own
from captioning.prompts import load
from captioning.provenance import Maker
from captioning.server import Server


def picture(number: int = 0, size: tuple[int, int] = (64, 48), kind: str = "JPEG") -> bytes:
    """An encoded picture of one colour, another one for each number."""
    buffer = io.BytesIO()
    Image.new("RGB", size, (number * 37 % 256, number * 91 % 256, number * 53 % 256)).save(buffer, kind)
    return buffer.getvalue()


def batches(count: int, size: int = 8) -> Iterator[pa.RecordBatch]:
    """Rows as the caption stage gets them: uid and image."""
    for start in range(0, count, size):
        rows = range(start, min(start + size, count))
        images = pa.array([picture(row) for row in rows], pa.large_binary())
        yield pa.record_batch({"uid": pa.array([f"{row:032x}" for row in rows]), "download.image": images})


def message(text: str = "hello") -> dict[str, Any]:
    """The body of a request."""
    return {"model": "tiny", "messages": [{"role": "user", "content": [{"type": "text", "text": text}]}]}


@asynccontextmanager
async def client(
    *urls: str,
    timeout: float = 5,
    patience: float = 2,
    tries: int = 2,
    server: Server | None = None,
    growth: float | None = None,
) -> AsyncIterator[Client]:
    """A client of given servers, or of one of our own."""
    async with aiohttp.ClientSession() as session:
        endpoints: list[Endpoint] = [Given(url, None, "tiny", session) for url in urls]
        endpoints += [Own(server, session, restarts=2, growth=growth)] if server else []
        found = Client(endpoints, session, timeout, patience, tries)
        found.watch()
        try:
            yield found
        finally:
            await found.close()


def captioner(client: Client, prompt: str = "multi-alt", retries: int = 2) -> Captioner:
    """Asks `client` for the captions of a prompt."""
    said = load(prompt)
    asker = Asker(client, "tiny", Sampling(0, 0.7, 0.8, 300), LADDER[:retries])
    maker = Maker("tiny", "r1", None, said.id, said.hash)
    return Captioner(asker, maker, said, [one.fields for one in said.passes], (), 256)


def loopback_process(tmp_path: Path, timeout: float = 20) -> Server:
    """A server of our own that is the loopback one, so that it can die."""
    script = Path(__file__).with_name("loopback.py")
    root = str(Path(__file__).parents[2])
    return Server(lambda port: [sys.executable, str(script), str(port)], {"PYTHONPATH": root}, timeout, tmp_path)
