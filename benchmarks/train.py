"""The trainer against open_clip_train, and its loader against webdataset: the same shards, models, batch and workers.

    python -m benchmarks.train [--samples 2048] [--runs 3] [--only loader trainer] [--shards DIR]
    python -m benchmarks.train --gpu [--samples 40000] [--workers 14]

`loader`: one epoch of decoded, cropped, normalised and tokenised batches, on one thread of one process each, turn by turn.
`trainer`: both as commands, with one worker that decodes and one thread that computes; a rate is taken between two lines of the
log, after the first quarter, by the clock and by the CPU-seconds of all its processes. `--gpu` trains a ViT-B/16 at bf16: the
share of the time that the GPU waits for data, and model FLOPs utilisation. Fails where a target is missed. Without --shards
pictures are made: JPEGs of 256 to 512 pixels a side. The record is kept in build/bench/train.json.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from rich.console import Console
from rich.table import Table

from benchmarks import loader

TARGETS = {"loader": 1.5, "trainer": 1.1, "waiting": 0.03}
RECORD = Path("build/bench/train.json")
PEER = Path("build/bench/webdataset")
BATCH = 64
H100_BF16 = 989e12  #: dense FLOP/s of an H100 SXM, by its data sheet


class Mark(NamedTuple):
    """A line of a log as it came: samples so far, the clock, and the CPU-seconds of all processes of the training."""

    samples: int
    wall: float
    cpu: float


def turns(runs: int, work: Callable[[str], dict[str, Any]]) -> dict[str, Any]:
    """Both sides in turn: the median rate of each, and the median ratio of neighbours."""
    found = []
    for turn in range(runs):
        found.append({side: work(side) for side in ("open_clip", "pairpool")})
        said = (
            f"{side} {rates['rate']:,.0f}/s, {rates['rate_cpu']:,.0f} a CPU-second" for side, rates in found[-1].items()
        )
        print(f"turn {turn + 1} of {runs}: {'; '.join(said)}", flush=True)
    sides = {
        side: {name: median(turn[side][name] for turn in found) for name in ("rate", "rate_cpu")} for side in found[0]
    }
    ratios = {
        name: sorted(round(turn["pairpool"][name] / turn["open_clip"][name], 3) for turn in found)
        for name in ("rate", "rate_cpu")
    }
    return {**sides, "ratio": median(ratios["rate"]), "ratio_cpu": median(ratios["rate_cpu"]), "ratios": ratios}


def loaders(chosen: argparse.Namespace, shards: Path, name: str) -> dict[str, Any]:
    """One epoch a turn; rates by the clock and by CPU-seconds."""
    samples = samples_of(shards) // BATCH * BATCH

    def work(side: str) -> dict[str, Any]:
        done = loader.epoch(loader.Job(side, shards, loader.MODELS[name], BATCH, samples, PEER))
        return {"rate": samples / done["wall"], "rate_cpu": samples / done["cpu"]}

    return turns(chosen.runs, work)


def trainers(chosen: argparse.Namespace, shards: Path, name: str) -> dict[str, Any]:
    """One epoch a turn, by both commands."""

    def work(side: str) -> dict[str, Any]:
        with tempfile.TemporaryDirectory() as folder:
            command, log, prefix = {"pairpool": ours, "open_clip": peers}[side](shards, name, Path(folder))
            marks = followed(command, log, prefix, Path(folder))
        first, last = next(mark for mark in marks if mark.samples >= marks[-1].samples / 4), marks[-1]
        samples = last.samples - first.samples
        return {"rate": samples / (last.wall - first.wall), "rate_cpu": samples / (last.cpu - first.cpu)}

    return turns(chosen.runs, work)


def ours(shards: Path, name: str, folder: Path) -> tuple[list[str], Path, str]:
    """The command, its log, and where samples stand in a line."""
    config = {
        "model": "bench", "architecture": loader.MODELS[name], "batch": BATCH, "workers": 1, "threads": 1, "device": "cpu",
        "steps": samples_of(shards) // BATCH, "cache_mb": 0, "log_every": 2, "checkpoint_minutes": 0,
    }  # fmt: skip
    (folder / "config.json").write_text(json.dumps(config))  # JSON is YAML
    command = ["-m", "workflows.training", "--shards", str(shards), "--out", str(folder / "out")]
    return (
        [sys.executable, *command, "--config", str(folder / "config.json")],
        folder / "out" / "metrics.jsonl",
        '"samples": ',
    )


def peers(shards: Path, name: str, folder: Path) -> tuple[list[str], Path, str]:
    """open_clip_train 3.3.0 with the webdataset that it asks for."""
    (folder / f"{name}.json").write_text(json.dumps(loader.MODELS[name]))
    tars = sorted(shards.glob("*.tar"))
    start = (
        f"import sys; sys.path.insert(0, {str(PEER.absolute())!r}); import torch, open_clip; torch.set_num_threads(1); "
        f"open_clip.add_model_config({str(folder / f'{name}.json')!r}); from open_clip_train.main import main; main(sys.argv[1:])"
    )
    options = {
        "model": name, "train-data": f"{shards}/{{{tars[0].stem}..{tars[-1].stem}}}.tar", "dataset-type": "webdataset",
        "batch-size": BATCH, "workers": 1, "epochs": 1, "device": "cpu", "precision": "fp32", "warmup": 2, "lr": 1e-3,
        "grad-clip-norm": 1.0, "log-every-n-steps": 2, "logs": folder, "name": "peer", "train-num-samples": samples_of(shards),
    }  # fmt: skip
    given = [str(part) for option, value in options.items() for part in (f"--{option}", value)]
    return [sys.executable, "-c", start, *given], folder / "peer" / "out.log", "Train Epoch: 0 ["


def followed(command: list[str], log: Path, prefix: str, folder: Path) -> list[Mark]:
    """Run a command and mark each line of its log that says how many samples there were.

    Raises:
        SystemExit: with what it said, if it fails.
    """
    with (folder / "said").open("w+") as said:
        begun = {"env": os.environ | {"OMP_NUM_THREADS": "1"}, "start_new_session": True}
        running = subprocess.Popen(command, stdout=said, stderr=subprocess.STDOUT, **begun)  # type: ignore[call-overload]
        marks = [Mark(0, time.perf_counter(), 0.0)]
        ended = False
        while not ended:
            ended = running.poll() is not None
            moment, cpu = time.perf_counter(), max(cpu_of(running.pid), marks[-1].cpu)
            counts = [int(line.partition(prefix)[2].split("/")[0].split(",")[0]) for line in lines_with(prefix, log)]
            if counts and counts[-1] > marks[-1].samples:
                marks.append(Mark(counts[-1], moment, cpu))
            time.sleep(0.02)
    if running.returncode or len(marks) < 3:
        raise SystemExit(f"{command} ended with {running.returncode}:\n{(folder / 'said').read_text()[-2000:]}")
    return marks


def lines_with(prefix: str, log: Path) -> list[str]:
    """The whole lines of a log that have the prefix."""
    text = log.read_text() if log.is_file() else ""
    return [line for line in text.splitlines(keepends=True) if prefix in line and line.endswith("\n")]


def cpu_of(session: int) -> float:
    """CPU-seconds of all living processes of a session."""
    ticks = 0
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[3]) == session:
            ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def gpu(chosen: argparse.Namespace, shards: Path) -> dict[str, Any]:
    """Train a ViT-B/16 and read the second half of its log."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    from workflows.training.config import TrainConfig
    from workflows.training.loop import train
    from workflows.training.model import build
    from workflows.training.shards import Shards

    config = TrainConfig(
        model="ViT-B-16", precision="bf16", batch=chosen.batch, workers=chosen.workers, cache_mb=0, log_every=5,
        steps=chosen.samples // chosen.batch, lr=5e-4, checkpoint_minutes=0, device="cuda",
    )  # fmt: skip
    built = build(config, "cpu")
    pixels, tokens = (
        torch.zeros(2, 3, built.size, built.size, device="meta"),
        built.tokenizer(["one", "two"]).to("meta"),
    )
    with FlopCounterMode(display=False) as counter:  # of shapes alone
        found = built.model.to("meta")(pixels, tokens)
        (found["image_features"].sum() + found["text_features"].sum()).backward()
    with tempfile.TemporaryDirectory() as folder:
        train(config, Shards.of(shards), Path(folder))
        lines = [json.loads(line) for line in (Path(folder) / "metrics.jsonl").read_text().splitlines()]
    first, last = lines[len(lines) // 2], lines[-1]
    seconds = last["seconds"] - first["seconds"]
    waited = last["waiting_for_data"] * last["seconds"] - first["waiting_for_data"] * first["seconds"]
    rate, flops = (last["samples"] - first["samples"]) / seconds, counter.get_total_flops() / 2
    return {
        "device": torch.cuda.get_device_name(), "rate": rate, "waiting": waited / seconds, "flops_a_sample": flops,
        "utilisation": rate * flops / H100_BF16, "batch": chosen.batch, "workers": chosen.workers,
    }  # fmt: skip


def samples_of(shards: Path) -> int:
    """Of all tars of a folder."""
    return sum(json.loads((shards / "sizes.json").read_text()).values())


def show(record: Mapping[str, Any], console: Console) -> None:
    """The tables."""
    table = Table(title="samples/s, medians of alternating runs", title_justify="left")
    for name in ("part", "pictures", "open_clip_train", "pairpool", "ratio", "by CPU-second", "ratio", "target"):
        table.add_column(name, justify="left" if name in ("part", "pictures") else "right")
    for part in ("loader", "trainer"):
        for name, found in record.get(part, {}).items():
            rates = [
                [f"{found[side][kind]:,.0f}" for side in ("open_clip", "pairpool")] for kind in ("rate", "rate_cpu")
            ]
            wall, cpu = f"{found['ratio']:.2f}x", f"{found['ratio_cpu']:.2f}x"
            table.add_row(part, name, *rates[0], wall, " / ".join(rates[1]), cpu, f"{TARGETS[part]}x")
    if table.row_count:
        console.print(table)
    if found := record.get("gpu"):
        console.print(
            f"{found['device']}, ViT-B/16 bf16, batch {found['batch']}, {found['workers']} workers: {found['rate']:,.0f} samples/s, "
            f"waits for data {found['waiting']:.2%} (target {TARGETS['waiting']:.0%}), {found['flops_a_sample'] / 1e9:.1f} GFLOP a "
            f"sample, {found['utilisation']:.1%} of {H100_BF16 / 1e12:.0f} TFLOP/s"
        )


def missed(record: Mapping[str, Any]) -> list[str]:
    """The targets that were not reached: the loader's by CPU-seconds, the trainer's by the clock."""
    kinds = {"loader": "ratio_cpu", "trainer": "ratio"}
    found = [
        f"{part} {name}"
        for part, kind in kinds.items()
        for name, of in record.get(part, {}).items()
        if of[kind] < TARGETS[part]
    ]
    return found + (["waiting"] if record.get("gpu", {}).get("waiting", 0) > TARGETS["waiting"] else [])


def measure(chosen: argparse.Namespace, console: Console) -> dict[str, Any]:
    """All parts that were asked for."""
    names = ("torch", "open_clip_torch", "pillow", "numpy")
    versions = {name: version(name) for name in names} | {"webdataset of the peer": loader.PEER}
    load = round(os.getloadavg()[0], 1)
    record: dict[str, Any] = {
        "machine": {"cores": os.cpu_count(), "load": load, "python": platform.python_version()} | versions
    }
    with tempfile.TemporaryDirectory() as folder:
        shards = chosen.shards or Path(folder) / "shards"
        if not chosen.shards:
            size = loader.write_shards(shards, chosen.samples if not chosen.gpu else 8192, 256)
            record["shards"] = f"made JPEGs of 256 to 512 pixels a side, {size:,} bytes on average"
        if chosen.gpu:
            record["gpu"] = gpu(chosen, shards)
        else:
            loader.peers_webdataset(PEER)
        for part, work in {"loader": loaders, "trainer": trainers}.items():
            if part in chosen.only and not chosen.gpu:
                record[part] = {name: work(chosen, shards, name) for name in chosen.pictures}
                show({part: record[part]}, console)
    return record


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=2048)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--shards", type=Path, help="folder of tars and sizes.json; else pictures are made")
    parser.add_argument("--only", nargs="+", choices=("loader", "trainer"), default=("loader", "trainer"))
    parser.add_argument("--pictures", nargs="+", choices=tuple(loader.MODELS), default=tuple(loader.MODELS))
    parser.add_argument("--gpu", action="store_true", help="measure on a GPU instead")
    parser.add_argument("--batch", type=int, default=512, help="with --gpu")
    parser.add_argument("--workers", type=int, default=14, help="with --gpu")
    chosen, console = parser.parse_args(), Console(width=150)
    if chosen.gpu:
        import torch

        if not torch.cuda.is_available():
            console.print(
                "--gpu needs a GPU that torch sees; there is none here. Run it on such a machine, or leave it out."
            )
            return 2
    record = measure(chosen, console)
    RECORD.parent.mkdir(parents=True, exist_ok=True)
    RECORD.write_text(json.dumps(record, indent=1) + "\n")
    if chosen.gpu:
        show(record, console)
    console.print(", ".join(f"{name} {value}" for name, value in record["machine"].items()), f"; record: {RECORD}")
    failed = missed(record)
    console.print(f"missed: {', '.join(failed)}" if failed else "all targets reached")
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main())
