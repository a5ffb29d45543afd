"""The demo: build the pool once, serve it on loopback, run configs/demo.yaml on it, and say where the report is.

python -m workflows.demo.run --out build/demo --size 1500
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from pipeline.errors import PairpoolError
from pipeline.step import POOL
from workflows.config import Config, load
from workflows.demo.build import build
from workflows.demo.pool import PoolRecipe
from workflows.demo.rows import PORT
from workflows.demo.serving import serve
from workflows.runner import done, plan_of, work
from workflows.training.holdout import write_holdout

CONFIG = Path("configs/demo.yaml")
HOLDOUT = 500  #: pictures of the evaluation split on which the demo's trainer is judged


def prepare(out: Path, recipe: PoolRecipe, console: Console) -> None:
    """Everything that the config names, made once: pool, word lists, held-out shards."""
    worked = build(out, out / "cache", recipe, say=lambda text: console.print(text, soft_wrap=True))
    if worked or not (out / "holdout" / "sizes.json").exists():
        counts = write_holdout(out / "art.parquet", out / "art", out / "holdout", limit=HOLDOUT)
        console.print(f"holdout: {counts}")
    else:
        console.print(f"demo pool: nothing to do, it stands under {out}")


def run(config: Config, out: Path, console: Console) -> int:
    """Run the recipe with the pool's web server beside it; the exit code."""
    if done(config):
        return work(config, ())
    with serve(out) as address:
        console.print(f"serving the pool's pictures and faults on {address}")
        return work(config, ())


def report(config: Config) -> Path | None:
    """Where the report is."""
    plan = plan_of(config)
    parts = plan.parts(plan.by_name["report"], POOL)
    return plan.store.fetch(parts[-1].files["report.html"][0]) if parts else None


def main(arguments: Sequence[str] | None = None) -> int:
    """The command behind `make demo`."""
    parser = argparse.ArgumentParser(prog="python -m workflows.demo.run", description=__doc__.partition("\n")[0])
    parser.add_argument(
        "--out", type=Path, default=Path("build/demo"), help="where everything goes (default: build/demo)"
    )
    parser.add_argument("--size", type=int, default=1500, help="pairs in the pool (default: 1500)")
    parser.add_argument("--full", action="store_true", help="every picture of the pool's split, whatever --size")
    parser.add_argument("--set", action="append", default=[], metavar="A.B=V", help="override one value of the config")
    chosen = parser.parse_args(arguments)
    console, begun = Console(), time.monotonic()
    try:
        prepare(chosen.out, PoolRecipe(chosen.size, chosen.full, PORT), console)
        config = load(CONFIG, chosen.set)
        code = run(config, chosen.out, console)
        page = report(config)
    except PairpoolError as error:
        Console(stderr=True).print(f"[red]error:[/red] {error}", highlight=False, soft_wrap=True)
        return error.exit_code
    console.print(f"{time.monotonic() - begun:.0f} s. The report: {page}", soft_wrap=True)
    return code


if __name__ == "__main__":
    sys.exit(main())
