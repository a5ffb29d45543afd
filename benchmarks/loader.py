"""What `make bench-train` reads: shards of made photographs, and one epoch of them through either loader, in a process of its own.

The peer is open_clip_train's own webdataset pipeline: shard and sample shuffle, decode, RandomResizedCrop (bicubic, antialiased),
ToTensor, Normalize, tokenizer. Ours does the same: a random crop of .9 to 1 of the area, bicubic and antialiased (from a picture
that the JPEG decoder may have halved, never below 1.5 times the crop's side), the tokenizer, and the same normalisation.
"""

from __future__ import annotations

import io
import multiprocessing
import subprocess
import sys
import time
from argparse import Namespace
from collections.abc import Callable
from itertools import islice
from multiprocessing.queues import Queue
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

CONTEXT = multiprocessing.get_context("spawn")
WORDS = ("red", "old", "small", "lighthouse", "bicycle", "under", "the", "table", "harbour", "cat", "market", "evening")
PEER = "0.2.86"
DISTINCT = 256  #: pictures; a data set repeats them, and its texts are all different

#: Two sizes of picture, each with a model that is small enough for a CPU: name -> open_clip's JSON.
MODELS: dict[str, dict[str, Any]] = {
    "48px": {
        "embed_dim": 128,
        "vision_cfg": {"image_size": 48, "layers": 4, "width": 128, "head_width": 32, "patch_size": 12},
        "text_cfg": {"context_length": 24, "vocab_size": 49408, "width": 64, "heads": 2, "layers": 2},
    },
    "224px": {
        "embed_dim": 128,
        "vision_cfg": {"image_size": 224, "layers": 4, "width": 128, "head_width": 32, "patch_size": 32},
        "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 64, "heads": 2, "layers": 2},
    },
}


class Job(NamedTuple):
    """One epoch of one side: `pairpool` or `open_clip`, whose webdataset lies in a folder of its own."""

    side: str
    shards: Path
    model: dict[str, Any]
    batch: int
    samples: int
    webdataset: Path


def photograph(seed: int) -> bytes:
    """A JPEG of 256 to 512 pixels a side: smooth shapes with grain, about as many bytes a pixel as a photograph."""
    draw = np.random.default_rng(seed)
    width, height = (int(side) for side in draw.integers(256, 513, 2))
    smooth = Image.fromarray(draw.integers(0, 256, (height // 16, width // 16, 3), dtype=np.uint8))
    shapes = np.asarray(smooth.resize((width, height), Image.Resampling.BICUBIC)).astype(int)
    grain = draw.normal(0, 8, (height, width, 1)).astype(int)
    buffer = io.BytesIO()
    Image.fromarray((shapes + grain).clip(0, 255).astype(np.uint8)).save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


def write_shards(folder: Path, samples: int, per_shard: int) -> int:
    """Shards as an export writes them; the mean size of a picture in bytes."""
    from workflows.export.sample import Sample
    from workflows.export.writer import writing

    pictures = [photograph(seed) for seed in range(min(DISTINCT, samples))]
    with writing(folder, samples=per_shard) as writer:
        for number in range(samples):
            words = np.random.default_rng(number).choice(WORDS, 12)
            text = f"{' '.join(words)} {number}"
            writer.add(Sample(f"{number:09d}", pictures[number % len(pictures)], text, {"uid": f"{number:032x}"}))
        writer.close()
    return sum(map(len, pictures)) // len(pictures)


def ours(shards: Path, model: dict[str, Any], batch: int, samples: int) -> Callable[[], int]:
    """One epoch by pairpool's loader, as normalised floats."""
    from workflows.training.config import TrainConfig
    from workflows.training.data import training_batches
    from workflows.training.model import build
    from workflows.training.shards import Shards

    config = TrainConfig(model="bench", architecture=model, batch=batch, device="cpu", cache_mb=0)
    built = build(config, "cpu")

    def read() -> int:
        batches = training_batches(Shards.of(shards), config, built.size, built.tokenizer)
        return sum(len(built.prepare(found.images)) for found in islice(batches, samples // batch))

    return read


def peers(shards: Path, model: dict[str, Any], batch: int, samples: int) -> Callable[[], int]:
    """One epoch by open_clip_train's."""
    from open_clip import image_transform
    from open_clip.tokenizer import SimpleTokenizer
    from open_clip_train.data import get_wds_dataset  # type: ignore[import-untyped]

    tars = sorted(shards.glob("*.tar"))
    given = Namespace(
        train_data=f"{shards}/{{{tars[0].stem}..{tars[-1].stem}}}.tar", train_num_samples=samples, batch_size=batch, workers=0,
        world_size=1, seed=0, train_data_upsampling_factors=None, dataset_resampled=False,
    )  # fmt: skip
    transform = image_transform(model["vision_cfg"]["image_size"], is_train=True)
    tokenizer = SimpleTokenizer(context_length=model["text_cfg"]["context_length"])

    def read() -> int:
        loader = get_wds_dataset(given, transform, is_train=True, tokenizer=tokenizer).dataloader
        return sum(len(images) for images, _ in islice(loader, samples // batch))

    return read


def peers_webdataset(folder: Path) -> Path:
    """The webdataset that open_clip_train works with, installed beside ours: 3.3.0 ends with a KeyError under a later one."""
    if not (folder / "webdataset").is_dir():
        install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(folder)]
        subprocess.run([*install, f"webdataset=={PEER}"], check=True)
    return folder


def _epoch(job: Job, out: Queue[dict[str, Any]]) -> None:
    if job.side == "open_clip":
        sys.path.insert(0, str(job.webdataset))
    import torch

    torch.set_num_threads(1)
    side = ours if job.side == "pairpool" else peers
    read = side(job.shards, job.model, job.batch, job.samples)
    wall, cpu = time.perf_counter(), time.process_time()
    found = read()
    out.put({"samples": found, "wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu})


def epoch(job: Job) -> dict[str, Any]:
    """Samples, wall and CPU-seconds of one epoch in a fresh process, on one thread, without workers.

    Raises:
        SystemExit: if the process died, or left samples out.
    """
    out: Queue[dict[str, Any]] = CONTEXT.Queue()
    process = CONTEXT.Process(target=_epoch, args=(job, out))
    process.start()
    process.join()
    if process.exitcode:
        raise SystemExit(f"the loader of {job.side} ended with {process.exitcode}")
    found = out.get(timeout=10)
    if found["samples"] != job.samples:
        raise SystemExit(f"{job.side} gave {found['samples']} of {job.samples} samples")
    return found
