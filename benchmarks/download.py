"""Our download against img2dataset's own command, on the same pictures from the same loopback server.

    python benchmarks/download.py [--images 3000] [--rounds 3]

Ours is the same img2dataset behind a guarded fetch, another decoder and a journal, and rewrites the tar: the question is what
that costs. Fails if ours takes more than LIMIT times the peer's wall time (median of rounds), or if the pictures differ.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import json
import multiprocessing
import os
import resource
import subprocess
import sys
import tarfile
import tempfile
import time
from pathlib import Path
from statistics import median

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from curation.download.attempts import download_rows
from curation.download.job import Canonical, Job, Limits
from curation.download.rekey import write_tar
from curation.download.stage import ROWS
from curation.download.watch import Nursery

LIMIT = 1.25
THREADS, SIZE, DISTINCT = 64, 256, 64
PEER = """
import sys
from img2dataset import download
if __name__ == "__main__":
    download(url_list=sys.argv[1], input_format="parquet", output_folder=sys.argv[2], output_format="webdataset",
        image_size=256, resize_mode="keep_ratio_largest", resize_only_if_bigger=True, processes_count=1, thread_count=64,
        number_sample_per_shard=10**6, save_additional_columns=["row"], extract_exif=False)
"""


def pictures() -> list[bytes]:
    """640 x 480 JPEGs and PNGs, half and half, of about the weight of web photographs."""
    made = []
    for seed in range(DISTINCT):
        noise = np.random.default_rng(seed).integers(0, 255, (60, 80, 3), np.uint8)
        buffer = io.BytesIO()
        Image.fromarray(noise).resize((640, 480), Image.Resampling.BICUBIC).save(
            buffer, ("JPEG", "PNG")[seed % 2], **({"quality": 90} if seed % 2 == 0 else {"compress_level": 1})
        )
        made.append(buffer.getvalue())
    return made


def serve(port: multiprocessing.Queue[int]) -> None:
    """The server, in a process of its own."""
    from aiohttp import web

    bodies = pictures()

    async def answer(request: web.Request) -> web.Response:
        return web.Response(body=bodies[int(request.match_info["k"]) % DISTINCT], content_type="image/jpeg")

    async def main() -> None:
        app = web.Application()
        app.router.add_get("/{k}.jpg", answer)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0, backlog=1024).start()
        port.put(runner.addresses[0][1])
        await asyncio.Event().wait()

    asyncio.run(main())


def peer(folder: Path, urls: list[str]) -> dict[int, bytes]:
    """img2dataset as its users call it."""
    pq.write_table(pa.table({"url": urls, "row": range(len(urls))}), folder / "urls.parquet")
    script = folder / "peer.py"
    script.write_text(PEER)
    environment = os.environ | {"NO_ALBUMENTATIONS_UPDATE": "1"}
    with (folder / "log").open("w") as log:
        command = [sys.executable, str(script), str(folder / "urls.parquet"), str(folder / "out")]
        subprocess.run(command, check=True, stdout=log, stderr=log, env=environment)
    return images(folder / "out" / "00000.tar")


def ours(folder: Path, urls: list[str]) -> dict[int, bytes]:
    """A shard as the stage does it."""
    rows = pa.Table.from_pylist([{"row": k, "url": url} for k, url in enumerate(urls)], ROWS)
    host = urls[0].split("/")[2]
    canonical = Canonical(SIZE, "keep_ratio_largest", True, "jpg", 95, 0, None, 20_000_000)
    with Nursery() as nursery:
        found = download_rows(nursery, Job(folder, THREADS, Limits(allow_hosts=(host,)), canonical), rows, 60, 3600)
    samples = ((f"{k:014d}", found.samples[k], found.samples[k].meta) for k in sorted(found.samples))
    write_tar(folder / "images.tar", samples, "jpg")
    return images(folder / "images.tar")


def images(path: Path) -> dict[int, bytes]:
    """Row -> encoded image."""
    with tarfile.open(path) as tar:
        members = {member.name: tar.extractfile(member).read() for member in tar}  # type: ignore[union-attr]
    stems = [name.removesuffix(".json") for name in members if name.endswith(".json")]
    return {int(json.loads(members[f"{stem}.json"])["row"]): members[f"{stem}.jpg"] for stem in stems}


def largest_difference(one: dict[int, bytes], other: dict[int, bytes]) -> int:
    """Of any pixel of any picture. Two builds of libjpeg may round differently."""
    if one.keys() != other.keys():
        raise SystemExit(f"{len(one)} and {len(other)} pictures came")

    def pixels(data: bytes) -> np.ndarray:
        return np.asarray(Image.open(io.BytesIO(data)), np.int16)

    return max(int(np.abs(pixels(one[k]) - pixels(other[k])).max()) for k in sorted(one)[:DISTINCT])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=3000)
    parser.add_argument("--rounds", type=int, default=3)
    chosen = parser.parse_args()
    context = multiprocessing.get_context("spawn")
    queue: multiprocessing.Queue[int] = context.Queue()
    server = context.Process(target=serve, args=(queue,), daemon=True)
    server.start()
    base = f"http://127.0.0.1:{queue.get()}"
    urls = [f"{base}/{k}.jpg" for k in range(chosen.images)]
    wall: dict[str, list[float]] = {"img2dataset": [], "pairpool": []}
    cpu: dict[str, list[float]] = {"img2dataset": [], "pairpool": []}
    for _ in range(chosen.rounds):
        made = {}
        for name, run in (("img2dataset", peer), ("pairpool", ours)):
            with tempfile.TemporaryDirectory() as folder:
                begun, used = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
                made[name] = run(Path(folder), urls)
                wall[name].append(time.perf_counter() - begun)
                now = resource.getrusage(resource.RUSAGE_CHILDREN)
                cpu[name].append(now.ru_utime + now.ru_stime - used.ru_utime - used.ru_stime)
        difference = largest_difference(made["img2dataset"], made["pairpool"])
    server.terminate()
    for name, seconds in wall.items():
        rate = chosen.images / median(seconds)
        print(
            f"{name:12} {median(seconds):6.1f} s  {rate:6.0f} images/s  {median(cpu[name]):6.1f} CPU-s, start included"
        )
    ratio = median(a / b for a, b in zip(wall["pairpool"], wall["img2dataset"], strict=True))
    print(f"ours / peer: {ratio:.2f} (limit {LIMIT}); largest difference of a pixel: {difference}")
    print(
        f"{chosen.images} pictures of 640 x 480, {THREADS} threads, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}"
    )
    return int(ratio > LIMIT or difference > 8)


if __name__ == "__main__":
    sys.exit(main())
