"""What a child is made of: the parts of its parent, noted in the child, so that neither config nor ledger can change it later."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

from pipeline.errors import ConfigError, DataError
from pipeline.ledger import Ledger
from pipeline.plan import Plan, shard_name
from pipeline.recipe import fingerprint
from pipeline.reduce import Partial
from pipeline.step import POOL, Entry, Step
from pipeline.store import Store

NOTE = "parent.json"  #: in the child
ROWS = "rows"


@dataclass(frozen=True)
class Source:
    """One step of the parent.

    Attributes:
        version: of it.
        fingerprint: of its recipe.
        images: whether its parts have a tar.
        units: of each shard, its unit and a mark of each of its parts: what they were first committed with.
    """

    version: str
    fingerprint: str
    images: bool
    units: Sequence[tuple[str, Sequence[str]]]


@dataclass(frozen=True)
class Origin:
    """The parent of a pool.

    Attributes:
        pool: where it lies. Never part of the identity.
        selection: the step whose `keep` says which rows.
        steps: by name, `rows` and the selection among them.
    """

    pool: str
    selection: str
    steps: Mapping[str, Source]

    @classmethod
    def of(cls, plan: Plan, selection: str) -> Origin:
        """The parent as it stands: all of its steps that have a part for every shard.

        Raises:
            ConfigError: if the selection is no step, is not done, or decides nothing.
        """
        done = {step.name: step for step in plan.steps if _carried(plan, step)}
        if selection not in done:
            known = ", ".join(name for name in done if name != ROWS) or "none"
            raise ConfigError(
                f"{selection!r} is no step that is done for every shard (these are: {known}). Run it first."
            )
        steps = {name: _source(plan, step) for name, step in done.items()}
        return cls(str(plan.store.root), selection, steps)

    @classmethod
    def read(cls, child: Store) -> Origin:
        """The note in a child."""
        told: dict[str, Any] = json.loads(child.get(NOTE))
        return cls(told["pool"], told["selection"], {name: Source(**held) for name, held in told["steps"].items()})

    def json(self) -> bytes:
        """The note."""
        return json.dumps(asdict(self)).encode()

    @property
    def digest(self) -> str:
        """What the child is made of, wherever the parent lies."""
        return fingerprint(asdict(self) | {"pool": None})

    @property
    def shards(self) -> int:
        """How many the parent has."""
        return len(self.steps[ROWS].units)

    @cached_property
    def store(self) -> Store:
        """Of the parent."""
        return Store(self.pool)

    @cached_property
    def _lists(self) -> tuple[Entry, ...]:
        """The parts of the intake: each has a file for many shards, so they are read once."""
        return self._entries(ROWS, 0)

    def parts(self, step: str, shard: int) -> tuple[Entry, ...]:
        """The committed parts of one shard, oldest first.

        Raises:
            DataError: if they are not those that were noted.
        """
        if step != ROWS:
            return self._entries(step, shard)
        name = shard_name(shard)
        return tuple(entry.only(name, "parquet") for entry in self._lists if name in entry.files)

    def _entries(self, step: str, shard: int) -> tuple[Entry, ...]:
        source, ledger = self.steps[step], Ledger(self.store)
        unit, marks = source.units[shard]
        found = tuple(ledger.entry(step, source.version, unit, part) for part in range(len(marks)))
        if [_mark(entry) for entry in found] != list(marks):
            raise DataError(
                f"Step {step!r} of {self.pool} was made anew since this pool was begun. Repack it into another folder."
            )
        return found


def _carried(plan: Plan, step: Step) -> bool:
    """Whether all of a step can be copied: one part for every shard, with a line a row."""
    if step is plan.steps[0]:
        return bool(plan.shards())
    if step.scope != "shard" or isinstance(step, Partial) or not plan.shards():
        return False
    return all((done := plan.done(step, place)) and "parquet" in done.parts[0].files for place in plan.places(step))


def _source(plan: Plan, step: Step) -> Source:
    if step is plan.steps[0]:
        parts = plan.done(step, POOL).parts  # type: ignore[union-attr]
        units = [("pool", [_mark(part) for part in parts])] * len(plan.shards())
    else:
        states = [plan.done(step, place) for place in plan.places(step)]
        parts = tuple(part for state in states if state for part in state.parts)
        units = [(state.unit, [_mark(part) for part in state.parts]) for state in states if state]
    images = any("tar" in part.files for part in parts)
    return Source(step.version, plan.fingerprints[step.name], images, units)


def _mark(entry: Entry) -> str:
    """Of a part as it was first committed: a removal in the parent does not change it."""
    return fingerprint([entry.basis, {role: list(file) for role, file in entry.origin.items()}])[:12]
