"""The command: `pairpool run CONFIG`, one command a stage, and what tells about a pool.

Exit codes: 0 done, 1 failed, 2 the command line or the config is wrong, 3 done but over the failure budget, 130 interrupted.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from curation.subset import read_uids
from pipeline.errors import PairpoolError
from pipeline.removal import remove as takedown
from workflows import metadata, tell
from workflows.ablation.command import ablate
from workflows.config import Config, load
from workflows.evaluate import evaluate
from workflows.kinds import KINDS, OF_CHILDREN
from workflows.repack.command import repack
from workflows.runner import plan_of, work

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__)
ConfigFile = Annotated[Path, typer.Argument(metavar="CONFIG", help="A YAML file, for example configs/demo.yaml.")]
Overrides = Annotated[
    list[str], typer.Option("--set", metavar="A.B=V", help="Override one value, e.g. lang.threshold=0.6.")
]
Address = Annotated[str | None, typer.Option("--ray-address", help="Join this Ray cluster instead of starting one.")]
Engine = Annotated[str | None, typer.Option("--engine", help="`ray`, or `local` for this process.")]


def _config(path: Path, overrides: list[str], address: str | None = None, engine: str | None = None) -> Config:
    extra = [f"execution.address={address}"] if address else []
    return load(path, [*overrides, *extra, *([f"execution.engine={engine}"] if engine else [])])


@app.command()
def run(config: ConfigFile, set_: Overrides = [], ray_address: Address = None, engine: Engine = None) -> None:  # noqa: B006
    """Run the whole recipe; what is committed is not done again."""
    raise typer.Exit(work(_config(config, set_, ray_address, engine), ()))


@app.command()
def plan(config: ConfigFile, set_: Overrides = []) -> None:  # noqa: B006
    """Show steps, columns and resources, what is done and what is left. Does nothing."""
    tell.plan(plan_of(_config(config, set_)), Console())


@app.command()
def status(config: ConfigFile, set_: Overrides = []) -> None:  # noqa: B006
    """Show rows per step, reasons, rates and the time left."""
    tell.status(plan_of(_config(config, set_)), Console())


@app.command()
def verify(config: ConfigFile, set_: Overrides = []) -> None:  # noqa: B006
    """Re-hash every part and re-add every count."""
    raise typer.Exit(tell.verify(plan_of(_config(config, set_)), Console()))


@app.command()
def gc(config: ConfigFile, set_: Overrides = []) -> None:  # noqa: B006
    """Delete files that no ledger entry names. Only while nothing runs on the pool."""
    tell.collect(plan_of(_config(config, set_)), Console())


@app.command()
def remove(
    config: ConfigFile,
    uids: Annotated[
        Path, typer.Option("--uids", help="A file of uids (or URLs), one a line; or a DataComp .npy subset.")
    ],
    reason: Annotated[str, typer.Option("--reason", help="Kept with the tombstone.")] = "taken down on request",
    set_: Overrides = [],  # noqa: B006
) -> None:
    """Delete rows from every part of the pool, for good. Only while nothing runs on the pool."""
    store = plan_of(_config(config, set_)).store
    tell.removed(takedown(store, read_uids(uids), reason), Console())


def _stage_command(kind: str) -> None:
    @app.command(name=kind, help=f"Run the {kind} steps of a recipe alone; their inputs must be there.")
    def one(config: ConfigFile, set_: Overrides = [], ray_address: Address = None, engine: Engine = None) -> None:  # noqa: B006
        raise typer.Exit(work(_config(config, set_, ray_address, engine), (kind,)))


for _kind in (kind for kind in KINDS if kind not in OF_CHILDREN):
    _stage_command(_kind)
app.command()(repack)
app.command()(evaluate)
app.command()(ablate)

app.add_typer(metadata.app, name="metadata")


def main() -> None:
    """The console command."""
    try:
        code = app(standalone_mode=False)
    except PairpoolError as error:
        Console(stderr=True).print(f"[red]error:[/red] {error}", highlight=False, markup=True, soft_wrap=True)
        code = error.exit_code
    except typer.Abort:
        code = 130
    except KeyboardInterrupt:
        Console(stderr=True).print("interrupted; what was committed stays, run again to go on")
        code = 130
    except Exception as error:
        show = getattr(error, "show", None)  # what the command-line library raises for a wrong command line
        if show is None:
            raise  # a defect of ours keeps its trace
        show()
        code = 2
    sys.exit(code)


if __name__ == "__main__":
    main()
