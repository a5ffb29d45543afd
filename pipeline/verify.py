"""Proof after the fact: every part re-hashed, every count re-added, every uid where it belongs; and the removal of orphans."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Set
from dataclasses import dataclass
from functools import partial

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
    damaged: set[str] = set()
    for step in plan.steps:
        places = plan.places(step)
        done = {place: state for place in places if (state := plan.done(step, place))}
        parts = [part for state in done.values() for part in state.parts]
        problems = []
        for part in parts:
            found = _problem_of(partial(plan.ledger.verify, part))
            damaged |= {path for path, _, _ in part.files.values()} if found else set()
            problems += found
        if isinstance(step, Stage):
            problems += [problem for place in done for problem in _shifts(plan, step, place, damaged)]
        files = {path: size for part in parts for path, _, size in part.files.values()}
        yield Checked(step.name, len(done), len(places), len(files), sum(files.values()), tuple(problems))


def _problem_of(check: Callable[[], None]) -> list[str]:
    try:
        check()
    except BrokenPart as error:
        return [str(error)]
    return []


def _shifts(plan: Plan, step: Stage, place: int, damaged: Set[str]) -> list[str]:
    """Rows that do not stand where they should, told of sound parts alone: those of others cannot be read."""
    parts = (*plan.parts(plan.steps[0], place), *plan.parts(step, place))
    names = {path for part in parts for path, _, _ in part.files.values()}
    return [] if names & damaged else _problem_of(partial(_same_rows, plan, step, place))


def _same_rows(plan: Plan, step: Stage, place: int) -> None:
    """Raise if a part does not hold exactly the uids of its shard, in their order."""
    rows, made = plan.parts(plan.steps[0], place), plan.parts(step, place)
    if read_columns(plan.store, rows, ["uid"])["uid"] != read_columns(plan.store, made, ["uid"])["uid"]:
        raise BrokenPart(
            f"{step.name}, shard {place}: the uids are not those of the rows, in order. Remove its entries and run again."
        )


def orphans(store: Store, plan: Plan) -> list[str]:
    """Files that no ledger entry names: left by killed workers and lost races. Safe to delete while nothing runs."""
    named = {path for entry in plan.ledger.all_entries() for path, _, _ in entry.files.values()}
    return [path for prefix in DATA for path in store.list(prefix) if path not in named]
