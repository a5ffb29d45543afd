"""`pairpool ablate CONFIG`: run what is not committed yet, and show the table."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console


def ablate(
    config: Annotated[Path, typer.Argument(metavar="CONFIG", help="A YAML file, for example configs/ablate.yaml.")],
    *,
    set_: Annotated[
        list[str],
        typer.Option("--set", metavar="A.B=V", help="Override one value of the recipe, e.g. pool=other/pool."),
    ] = [],  # noqa: B006
    ray_address: Annotated[str | None, typer.Option("--ray-address", help="Join this Ray cluster instead.")] = None,
    engine: Annotated[str | None, typer.Option("--engine", help="`ray`, or `local` for this process.")] = None,
) -> None:
    """Train the same model on raw rows, curated rows and mixed captions, and compare; what is committed is not done again."""
    from workflows.ablation.config import read
    from workflows.ablation.recipe import reports, steps
    from workflows.ablation.work import run
    from workflows.config import load

    ablation = read(config)
    address = [f"execution.address={ray_address}"] if ray_address else []
    base = load(ablation.recipe, [*set_, *address, *([f"execution.engine={engine}"] if engine else [])])
    added = steps(ablation, base.steps)
    run(base, added, reports(base.steps, added[-1]), Console())
