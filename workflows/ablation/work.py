"""The run of an ablation: the steps that it adds to a pool, done once each, and what they found."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console

from pipeline.errors import ConfigError
from pipeline.plan import Plan
from pipeline.progress import Progress
from pipeline.removal import finish
from pipeline.run import Run
from pipeline.step import POOL, Step
from pipeline.store import Store
from workflows.ablation.compare import NUMBERS, PICTURE
from workflows.ablation.recipe import needed
from workflows.ablation.tell import show
from workflows.config import Config
from workflows.report.step import PAGE
from workflows.runner import all_done, executor


def run(base: Config, added: Sequence[Step], pages: Sequence[Step], console: Console) -> None:
    """Run the added steps on the recipe's pool; the pages too, if all that they show is there.

    Raises:
        ConfigError: if the recipe is not done as far as the added steps read it.
    """
    store, before = Store(base.pool), needed(added, base.steps)
    finish(store)  # a removal that was killed
    waiting = undone(Plan(store, before), before)
    if waiting:
        raise ConfigError(
            f"The ablation reads {', '.join(step.name for step in waiting)} of {base.pool}, which is not done. Run the recipe "
            "first: pairpool run."
        )
    shown = needed(pages, base.steps)
    pages = pages if shown and not undone(Plan(store, shown), shown) else ()
    steps_ = [step for step in base.steps if step in before or (pages and step in shown)]
    plan = Plan(store, [*steps_, *added, *pages])
    with executor(base.execution, store) as hands:
        Run(plan, hands, Progress(console), frozenset(step.name for step in [*added, *pages]))()
    told, places = results(plan, added[-1])
    show(told, console)
    console.print(", ".join(places + [where(plan, page, PAGE) for page in pages]), soft_wrap=True)


def results(plan: Plan, compare: Step) -> tuple[Mapping[str, Any], list[str]]:
    """The numbers of the comparison, and where they and the picture lie.

    Raises:
        ConfigError: if a trial is missing.
    """
    if not plan.done(compare, POOL):
        raise ConfigError("A trial of the ablation was not done. Run it again; what is committed is not done twice.")
    entry = plan.parts(compare, POOL)[-1]
    told: Mapping[str, Any] = json.loads(plan.store.get(entry.files[NUMBERS][0]))
    return told, [where(plan, compare, NUMBERS), where(plan, compare, PICTURE)]


def where(plan: Plan, step: Step, role: str) -> str:
    """Where a file of a pool-wide step lies."""
    return str(plan.store.fetch(plan.parts(step, POOL)[-1].files[role][0]))


def undone(plan: Plan, of: Sequence[Step]) -> list[Step]:
    """The steps that are not committed on every unit."""
    return [step for step in of if not all_done(plan, step)]
