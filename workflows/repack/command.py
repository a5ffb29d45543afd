"""`pairpool repack CONFIG --selection select --to FOLDER`: the child's note, config and parts; run again, it resumes."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
import yaml
from rich.console import Console

from pipeline.errors import ConfigError
from pipeline.ledger import Ledger
from pipeline.plan import Plan
from pipeline.step import POOL
from pipeline.store import Store
from workflows.config import Config, load
from workflows.repack.origin import NOTE, ROWS, Origin
from workflows.runner import plan_of, work

CONFIG = "pool.yaml"
HEAD = """\
# The pool of the rows that {selection!r} keeps of {pool}.
# Its steps are carried over as they are. Write further steps after them and run `pairpool run` with this file.
"""


def repack(  # noqa: PLR0917 - the command line reads them by name
    config: Annotated[Path, typer.Argument(metavar="CONFIG", help="Of the pool that is repacked.")],
    selection: Annotated[str, typer.Option(help="The step whose `keep` says which rows.")] = "select",
    to: Annotated[Path, typer.Option(help="The child: a folder, or a bucket such as s3://bucket/child.")] = Path(
        "child"
    ),
    shard_rows: Annotated[int, typer.Option(help="Rows of each of its shards.")] = 10_000,
    set_: Annotated[list[str], typer.Option("--set", metavar="A.B=V", help="Override one value of the config.")] = [],  # noqa: B006
    engine: Annotated[str | None, typer.Option("--engine", help="`ray`, or `local` for this process.")] = None,
) -> None:
    """Make a pool of the rows that a selection keeps, with all their columns and images, in full shards."""
    parent = load(config, [*set_, *([f"execution.engine={engine}"] if engine else [])])
    path = begin(parent, selection, to, shard_rows)
    child = load(path, [f"execution.engine={engine}"] if engine else [])
    code = work(child, ("repack", "carried"))
    tell(plan_of(child), path, Console())
    raise typer.Exit(code)


def begin(parent: Config, selection: str, to: Path | str, shard_rows: int) -> Path:
    """Note what the child is made of, and write its config unless it is there; where.

    Raises:
        ConfigError: if the selection is not done, or the child was begun of something else.
    """
    plan, store = plan_of(parent), Store(to)
    origin = Origin.of(plan, selection)
    if str(store.root) == str(plan.store.root):
        raise ConfigError(f"A pool cannot be repacked into itself ({to}). Name another folder with --to.")
    if not store.create(NOTE, origin.json()) and Origin.read(store).digest != origin.digest:
        raise ConfigError(
            f"{to} was begun of {Origin.read(store).pool} as it was then, or with another selection. Repack into another folder."
        )
    _pass_on(plan, store)
    path = store.root / CONFIG if isinstance(store.root, Path) else Path(f"{store.root.rpartition('/')[2]}.yaml")
    if not path.exists():
        head = HEAD.format(selection=selection, pool=plan.store.root)
        path.write_text(head + yaml.safe_dump(_config(parent, origin, store, shard_rows), sort_keys=False))
    return path


def _config(parent: Config, origin: Origin, store: Store, shard_rows: int) -> dict[str, Any]:
    steps: dict[str, Any] = {ROWS: {"kind": "repack", "made": origin.digest, "shard_rows": shard_rows}}
    for name, source in origin.steps.items():
        if name != ROWS:
            steps[name] = {"kind": "carried", "of": source.fingerprint, "version": source.version}
            steps[name] |= {"images": True} if source.images else {}
    execution = {name: held for name, held in asdict(parent.execution).items() if name != "resources"}
    return {"pool": str(store.root), "execution": execution, "steps": steps}


def _pass_on(plan: Plan, store: Store) -> None:
    """Give the child the recipes of all that its parent was made by, under `<step>@parent`: a card tells the whole of it."""
    ledger = Ledger(store)
    for step, version, identity in plan.ledger.identities():
        ledger.bind(f"{step}@parent", version, identity)


def tell(plan: Plan, path: Path, console: Console) -> None:
    """Parent = child + rejected + failed."""
    done = plan.done(plan.by_name[ROWS], POOL)
    fates = done.parts[0].facts["parent"] if done else {}
    assert isinstance(fates, dict)
    removed = f" + {fates['removed']:,} removed" if fates.get("removed") else ""
    console.print(
        f"{fates['rows']:,} rows of the parent = {fates['kept']:,} of the child + {fates.get('rejected', 0):,} rejected + "
        f"{fates.get('failed', 0):,} failed{removed}; {len(plan.shards())} shards. Go on with {path}",
        soft_wrap=True,
        highlight=False,
    )
