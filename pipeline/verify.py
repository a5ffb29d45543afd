"""Proof after the fact: every part re-hashed, every count re-added, every uid where it belongs; and the removal of orphans."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import pyarrow as pa

from pipeline.errors import BrokenPart
from pipeline.parts import read_columns
from pipeline.plan import Plan
from pipeline.stage import Stage
from pipeline.store import Store

DATA = ("rows/", "columns/", "images/", "tables/", "shards/", "models/", "report/")


@dataclass(frozen=True)
class Checked:
    """What was found of one step."""

    step: str
    units: int
    of: int
    files: int
    bytes: int
    problems: tuple[str, ...]


def verify(plan: Plan) -> Iterator[Checked]:
    """Check every committed part of every step of a plan, one step at a time."""
    for step in plan.steps:
        places = plan.places(step)
        done = {place: state for place in places if (state := plan.done(step, place))}
        parts = [part for state in done.values() for part in state.parts]
        problems = [problem for part in parts for problem in _problem_of(partial(plan.ledger.verify, part))]
        if isinstance(step, Stage):
            problems += [p for place in done for p in _problem_of(partial(_same_rows, plan, step, place))]
        files = {path: size for part in parts for path, _, size in part.files.values()}
        yield Checked(step.name, len(done), len(places), len(files), sum(files.values()), tuple(problems))


def _problem_of(check: Callable[[], None]) -> list[str]:
    try:
        check()
    except BrokenPart as error:
        return [str(error)]
    return []


def _same_rows(plan: Plan, step: Stage, place: int) -> None:
    """Raise if a part does not hold exactly the uids of its shard, in their order."""
    rows, made = plan.parts(plan.steps[0], place), plan.parts(step, place)
    try:
        same = read_columns(plan.store, rows, ["uid"])["uid"] == read_columns(plan.store, made, ["uid"])["uid"]
    except (OSError, pa.ArrowInvalid) as error:
        raise BrokenPart(f"{step.name}, shard {place}: a part cannot be read ({error}).") from error
    if not same:
        raise BrokenPart(
            f"{step.name}, shard {place}: the uids are not those of the rows, in order. Remove its entries and run again."
        )


def orphans(store: Store, plan: Plan) -> list[str]:
    """Files that no ledger entry names: left by killed workers and lost races. Safe to delete while nothing runs."""
    named = {path for entry in plan.ledger.all_entries() for path, _, _ in entry.files.values()}
    return [path for prefix in DATA for path in store.list(prefix) if path not in named]
