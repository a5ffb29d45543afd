"""From a config to work: the plan, the executor, the progress, and the exit code."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console

from pipeline.errors import ConfigError
from pipeline.executor import Executor, LocalExecutor
from pipeline.plan import Plan
from pipeline.progress import Progress
from pipeline.removal import finish
from pipeline.run import Run
from pipeline.step import Step
from pipeline.store import Store
from workflows import tell
from workflows.account import account
from workflows.config import Config, Execution


def plan_of(config: Config) -> Plan:
    """The plan of a config over its pool."""
    if not config.steps or config.steps[0].kind not in {"intake", "repack"} or config.steps[0].name != "rows":
        raise ConfigError(
            "The first step of a recipe takes the rows in: `steps: {rows: {kind: intake, urls: ...}, ...}`."
        )
    return Plan(Store(config.pool), config.steps)


def work(config: Config, kinds: Sequence[str]) -> int:
    """Do the steps of `kinds` (all, if empty) and tell what came of it; the exit code."""
    plan, console = plan_of(config), Console()
    names = _names(plan, kinds)
    finish(plan.store)  # a removal that was killed
    plan.claim(names)
    if all(all_done(plan, step) for step in plan.steps if step.name in names):
        console.print(
            f"Nothing to do: every part of {', '.join(sorted(names))} is committed in {config.pool}.", soft_wrap=True
        )
    else:
        with executor(config.execution, plan.store) as hands:
            Run(plan, hands, Progress(console), frozenset(names))()
    _demand_done(plan, names)
    lines = [line for line in account(plan) if line.step in names]
    tell.account(lines, console)
    over = [line for line in lines if line.failed_share > config.execution.failure_budget]
    for line in over:
        budget = f"{config.execution.failure_budget:.0%}"
        console.print(
            f"[red]{line.step}: {line.failed_share:.0%} of its rows failed, over the budget of {budget}[/red]"
        )
    return 3 if over else 0


def done(config: Config) -> bool:
    """Whether every step of the recipe is committed."""
    plan = plan_of(config)
    return all(all_done(plan, step) for step in plan.steps)


def _names(plan: Plan, kinds: Sequence[str]) -> set[str]:
    """The steps of the given kinds, with the maps that belong to their reduces."""
    named = {step.name for step in plan.steps if not kinds or step.kind in kinds}
    if not named:
        raise ConfigError(f"The config has no step of kind {', '.join(kinds)}.")
    return named | {f"{name}-partial" for name in named if f"{name}-partial" in plan.by_name}


def _demand_done(plan: Plan, names: set[str]) -> None:
    waiting = [step for step in plan.steps if step.name in names and not all_done(plan, step)]
    if not waiting:
        return
    missing = [name for name in waiting[0].inputs if not all_done(plan, plan.by_name[name])]
    raise ConfigError(
        f"Step {waiting[0].name!r} waits for {', '.join(missing) or 'its inputs'}. Run those first, or `pairpool run` for all."
    )


def all_done(plan: Plan, step: Step) -> bool:
    """Whether a step is committed on every unit."""
    places = plan.places(step)
    return bool(places) and all(plan.done(step, place) for place in places)


@contextmanager
def executor(execution: Execution, store: Store) -> Iterator[Executor]:
    """The executor that the config asks for."""
    if execution.engine == "local":
        yield LocalExecutor(store)
        return
    from pipeline.ray_executor import RayExecutor, connect, disconnect
    from pipeline.ray_growth import Growth

    connect(execution.address, execution.cpus)
    try:
        yield RayExecutor(store, Growth(execution.autoscale))
    finally:
        disconnect()
