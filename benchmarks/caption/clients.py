"""Who asks: the bare load generator, naive thread pools, Ray's HTTP processor, and the stage. All send the same requests.

What the stage sends is recorded once, from a server that only listens; the others send those very bodies. The naive clients and Ray
encode each image themselves, as their users must, with the stage's own function; the bare generator has its bytes ready.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from typing import Any

import aiohttp
import pyarrow as pa
import requests
from aiohttp import web

from benchmarks.caption.meter import Target
from captioning.flow import Background
from captioning.images import data_url
from captioning.stage import Caption
from pipeline.stage import Annotate

KEY = "PAIRPOOL_BENCH_KEY"
PATH = "/v1/chat/completions"
SHARD = 250  # rows, as in the pool of the demo; a worker has two in hand


def batches(images: Sequence[bytes], first: int = 0) -> Iterator[pa.RecordBatch]:
    """Rows as the stage gets them, numbered from `first`."""
    for start in range(0, len(images), 64):
        part = images[start : start + 64]
        uids = pa.array([f"{first + start + row:032x}" for row in range(len(part))])
        yield pa.record_batch({"uid": uids, "download.image": pa.array(part, pa.large_binary())})


def record(stage: Caption, images: Sequence[bytes]) -> dict[str, dict[str, Any]]:
    """What the stage sends about each image: the image's data URL -> the body of the request."""
    bodies: dict[str, dict[str, Any]] = {}

    async def hear(request: web.Request) -> web.Response:
        body = await request.json()
        bodies[image_part(body)["url"]] = body
        choice = {"message": {"content": "{}"}, "finish_reason": "stop"}
        return web.json_response({"choices": [choice], "usage": {}})

    async def begin() -> web.AppRunner:
        app = web.Application(client_max_size=2**26)
        app.router.add_post(PATH, hear)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        return runner

    with Background() as background:
        runner = background.run(begin())
        listener = replace(stage, endpoints=(f"http://127.0.0.1:{runner.addresses[0][1]}",))
        with listener.open({}) as annotate:
            for _ in annotate(batches(images)):
                pass
        background.run(runner.cleanup())
    if len(bodies) != len(images):
        raise SystemExit(f"{len(bodies)} requests were recorded for {len(images)} images: they must be as many.")
    return bodies


def image_part(body: dict[str, Any]) -> dict[str, Any]:
    """The part of a request that holds the image."""
    parts = (
        part for message in body["messages"] if isinstance(message["content"], list) for part in message["content"]
    )
    found: dict[str, Any] = next(part["image_url"] for part in parts if part["type"] == "image_url")
    return found


def tokens_of(answer: dict[str, Any]) -> int:
    """Tokens that a server wrote."""
    return int(answer["usage"]["completion_tokens"])


def bare(target: Target, bodies: Sequence[bytes], concurrency: int) -> tuple[int, int]:
    """The load generator: bytes that are ready, so many requests at once, nothing done with the answers."""

    async def run() -> list[int]:
        todo, told = iter(bodies), []

        async def lane(session: aiohttp.ClientSession) -> None:
            for body in todo:
                async with session.post(target.url + PATH, data=body, headers=target.headers) as response:
                    told.append(tokens_of(await response.json()))

        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
            await asyncio.gather(*(lane(session) for _ in range(concurrency)))
        return told

    told = asyncio.run(run())
    return len(told), sum(told)


def naive(
    target: Target, bodies: dict[str, dict[str, Any]], images: Sequence[bytes], side: int, threads: int | None
) -> tuple[int, int]:
    """`ThreadPoolExecutor(threads).map` over the images, with a session for each thread."""
    local = threading.local()

    def ask(image: bytes) -> int:
        if not hasattr(local, "session"):
            local.session = requests.Session()
        body = bodies[data_url(image, side)]
        return tokens_of(local.session.post(target.url + PATH, json=body, headers=target.headers, timeout=600).json())

    with ThreadPoolExecutor(threads) as pool:
        told = list(pool.map(ask, images))
    return len(told), sum(told)


def default_threads() -> int:
    """How many `ThreadPoolExecutor()` has here."""
    with ThreadPoolExecutor() as pool:
        return pool._max_workers


def staged(annotate: Annotate, images: Sequence[bytes], in_hand: int) -> tuple[int, int]:
    """The stage, as a worker runs it: `in_hand` shards at once."""

    def shard(start: int) -> list[int | None]:
        made = annotate(batches(images[start : start + SHARD], start))
        return [tokens for batch in made for tokens in batch["completion_tokens"].to_pylist()]

    with ThreadPoolExecutor(in_hand) as pool:
        told = [tokens for part in pool.map(shard, range(0, len(images), SHARD)) for tokens in part]
    return len(told), sum(tokens or 0 for tokens in told)


def opened(stage: Caption, target: Target) -> AbstractContextManager[Annotate]:
    """The stage on this server."""
    os.environ[KEY] = target.key
    return replace(stage, endpoints=(target.url,), api_key_env=KEY).open({})


@contextmanager
def ray_cluster() -> Iterator[None]:
    """A cluster in this machine, with room for every actor of a processor."""
    import ray

    ray.init(address="local", num_cpus=32, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    ray.data.DataContext.get_current().enable_progress_bars = False
    logging.getLogger("ray").setLevel(logging.ERROR)
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    try:
        yield
    finally:
        ray.shutdown()


def ray_http(
    target: Target, bodies: dict[str, dict[str, Any]], images: Sequence[bytes], side: int, shape: tuple[int, int]
) -> tuple[int, int]:
    """`ray.data.llm` with its HTTP processor, in a cluster that runs; `shape` is (actors, rows of a batch)."""
    import ray
    from ray.data.llm import HttpRequestProcessorConfig, build_processor

    actors, batch = shape
    form = json.dumps(next(iter(bodies.values())))

    def before(row: dict[str, Any]) -> dict[str, Any]:
        body = json.loads(form)
        image_part(body)["url"] = data_url(row["image"], side)
        return {"payload": body | {"seed": row["seed"]}}

    def after(row: dict[str, Any]) -> dict[str, Any]:
        return {"tokens": tokens_of(row["http_response"])}

    config = HttpRequestProcessorConfig(
        url=target.url + PATH, headers=target.headers, max_retries=2, batch_size=batch, concurrency=actors
    )
    seeds = {url: body["seed"] for url, body in bodies.items()}
    rows = [{"image": image, "seed": seeds[data_url(image, side)]} for image in images]
    data = ray.data.from_items(rows, override_num_blocks=max(actors, len(rows) // batch))
    told = [row["tokens"] for row in build_processor(config, preprocess=before, postprocess=after)(data).take_all()]
    return len(told), sum(told)
