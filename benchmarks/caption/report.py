"""From runs to ratios, a table, charts and a verdict."""

from __future__ import annotations

import json
import os
import platform
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from statistics import median

from rich.console import Console
from rich.table import Table

from benchmarks.caption import chart
from benchmarks.caption.clients import default_threads
from benchmarks.caption.meter import Run
from captioning.images import data_url

OUT = Path("build/bench")
GPU_SHARE = 0.95  # of the bare server's tokens a second, on a GPU; on a CPU client and server share the cores
FASTER = {"ray": 1.0, "threads default": 1.5, "threads 16": 1.0, "threads 64": 1.0}
COLUMNS = (
    "contender",
    "images/s",
    "tokens/s",
    "client CPU ms/image",
    "server CPU ms/image",
    "stage is faster by",
    "by CPU",
)

Runs = Mapping[str, Sequence[Run]]


def speed(runs: Sequence[Run]) -> float:
    """Output tokens a second, the median of the rounds."""
    return median(run.tokens / run.seconds for run in runs)


def best(runs: Runs, family: str) -> Sequence[Run]:
    """The runs of the fastest contender of a family, of those that ran in every round."""
    rounds = len(runs["stage"])
    return max((found for name, found in runs.items() if name.split()[0] == family and len(found) == rounds), key=speed)


def ratio(runs: Runs, rivals: Sequence[Run]) -> tuple[float, float]:
    """The stage over a rival, in tokens and in images a second: medians over the rounds, turn by turn."""
    pairs = list(zip(runs["stage"], rivals, strict=False))
    return (
        median(a.tokens / a.seconds / (b.tokens / b.seconds) for a, b in pairs),
        median(a.rows / a.seconds / (b.rows / b.seconds) for a, b in pairs),
    )


def frugal(runs: Runs, rivals: Sequence[Run]) -> float:
    """A rival's CPU seconds for an image, of client and server together, over the stage's: where both share the cores and these
    are busy, the ratio of speeds without the noise of other programs. Medians over the rounds, turn by turn.
    """

    def each(run: Run) -> float:
        return (run.client_cpu + run.server_cpu) / run.rows

    return median(each(b) / each(a) for a, b in zip(runs["stage"], rivals, strict=False))


@dataclass(frozen=True)
class Queue:
    """The server during the stage, while rows were left that it had not been sent: in how many looks was what.

    Attributes:
        looks: all.
        empty: nothing stood before its batch, neither in the engine's queue nor at the front door.
        engine_empty: nothing in the engine's own queue: images and prompts are still being read, or the batch takes all.
        idle: nothing was there at all.
    """

    looks: int
    empty: int
    engine_empty: int
    idle: int

    @classmethod
    def of(cls, runs: Sequence[Run]) -> Queue:
        calm = [sample for run in runs for sample in chart.steady(run.samples, run.rows)]
        return cls(
            len(calm),
            sum(chart.queue(s) == 0 for s in calm),
            sum(s.waiting == 0 for s in calm),
            sum(s.running + chart.queue(s) == 0 for s in calm),
        )


def preprocessing(images: Sequence[bytes], side: int) -> float:
    """CPU seconds that one image takes to be decoded, scaled, encoded and written as base64."""
    begun = time.process_time()
    for image in images[:64]:
        data_url(image, side)
    return (time.process_time() - begun) / min(64, len(images))


def report(title: str, gpu: bool, runs: Runs, images: Sequence[bytes], side: int) -> int:
    """Print and write everything. Gives the exit status: 1 if a target is missed."""
    console = Console(width=120)
    console.print(_table(title, runs))
    ratios = {"bare": ratio(runs, best(runs, "bare"))}
    ratios |= {name: ratio(runs, runs[name]) for name in FASTER if name in runs}
    ratios |= {"ray": ratio(runs, best(runs, "ray"))} if any(name.startswith("ray") for name in runs) else {}
    queue = Queue.of(runs["stage"])
    _say_queue(console, runs, queue)
    each = preprocessing(images, side)
    wall = median(run.seconds / run.rows for run in runs["stage"])
    console.print(
        f"Preprocessing: {each * 1000:.2f} CPU ms an image (decode, scale, encode, base64), {each / wall:.1%} of the "
        f"{wall * 1000:.1f} ms in which the server answers one; one core prepares {1 / each:.0f} images/s."
    )
    wanted = ({"bare": GPU_SHARE} if gpu else {}) | {name: least for name, least in FASTER.items() if name in ratios}
    missed = [name for name, least in wanted.items() if ratios[name][0] < least]
    for name, (tokens, rows) in ratios.items():
        said = (
            f"target {wanted[name]:.2f}, {'missed' if name in missed else 'met'}"
            if name in wanted
            else "no target on a CPU"
        )
        console.print(f"stage / {name:16} {tokens:.2f} of the tokens/s, {rows:.2f} of the images/s ({said})")
    console.print(
        f"ThreadPoolExecutor() has {default_threads()} threads here. {platform.machine()}, {os.cpu_count()} CPUs, load "
        f"{os.getloadavg()[0]:.1f}, Python {platform.python_version()}, Ray {version('ray')}. Ray is timed at the server, without "
        "the start of its actors."
    )
    record = {
        "title": title,
        "ratios": ratios,
        "targets": wanted,
        "ratios of CPU": {name: frugal(runs, found) for name, found in runs.items() if not name.startswith("ray")},
        "queue": asdict(queue),
        "preprocessing": {"cpu_seconds": each, "share": each / wall},
        "load": os.getloadavg(),
        "runs": {name: [asdict(run) for run in found] for name, found in runs.items()},
    }
    (OUT / "caption.json").write_text(json.dumps(record))
    console.print(f"The record: {OUT / 'caption.json'}; the queues of all contenders: {OUT / 'caption.png'}")
    return int(bool(missed) or queue.empty > 0)


def _table(title: str, runs: Runs) -> Table:
    table = Table(title=title)
    for column in COLUMNS:
        table.add_column(column, justify="left" if column == "contender" else "right")
    for name, found in runs.items():
        client = median(run.client_cpu / run.rows * 1000 for run in found)
        server = median(run.server_cpu / run.rows * 1000 for run in found)
        table.add_row(
            name,
            f"{median(run.rows / run.seconds for run in found):.2f}",
            f"{speed(found):.0f}",
            "not counted" if name.startswith("ray") else f"{client:.1f}",
            f"{server:.1f}",
            f"{ratio(runs, found)[0]:.2f}x",
            "" if name.startswith("ray") else f"{frugal(runs, found):.2f}x",
        )
    return table


def _say_queue(console: Console, runs: Runs, queue: Queue) -> None:
    longest = max(runs["stage"], key=lambda run: len(run.samples))
    console.print(
        f"Requests at the server during the stage, in its batch (#) and before it (+):\n{chart.text(longest.samples)}"
    )
    console.print(
        f"While rows were left that it had not been sent ({queue.looks} looks): nothing before its batch in {queue.empty} (target 0), "
        f"nothing in the engine's own queue in {queue.engine_empty}, nothing there at all in {queue.idle}."
    )
    OUT.mkdir(parents=True, exist_ok=True)
    chart.picture({name: found[-1].samples for name, found in runs.items()}, OUT / "caption.png")
