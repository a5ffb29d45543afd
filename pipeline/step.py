"""Steps: named recipes that turn committed inputs into committed parts, one unit of work at a time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

from pipeline.recipe import Identity, execution, literals, recipe

if TYPE_CHECKING:
    from pipeline.store import Store

Scope = Literal["shard", "pool"]
POOL = -1  #: stands for "the whole pool" where a shard number is expected


@recipe
class Resources:
    """What one worker of a step takes, and how many workers there may be. Never part of an identity."""

    cpus: float = 1
    gpus: float = 0
    workers: int = 1


@dataclass(frozen=True)
class Entry:
    """One line of the ledger: a part that exists.

    Attributes:
        step, version, unit, part: which part this is; `part` counts supplements to one unit from 0.
        basis: digest of the inputs that it was made from.
        files: role -> (path in the store, sha256, bytes).
        rows: how many rows it answers for.
        counts: status -> rows; they add up to `rows`.
        reasons: reason -> rows, for every row that was rejected or failed.
        facts: small numbers and texts worth keeping (sizes, rates, versions).
        first: of files that a removal rewrote, what was committed at first; what was made of them is still theirs.
    """

    step: str
    version: str
    unit: str
    part: int
    basis: str
    files: Mapping[str, tuple[str, str, int]]
    rows: int
    counts: Mapping[str, int]
    reasons: Mapping[str, int] = field(default_factory=dict)
    facts: Mapping[str, object] = field(default_factory=dict)
    first: Mapping[str, tuple[str, str, int]] = field(default_factory=dict)

    @property
    def origin(self) -> dict[str, tuple[str, str, int]]:
        """The files as they were first committed: the identity of the part."""
        return {**self.files, **self.first}

    def only(self, role: str, as_role: str) -> Entry:
        """This part with one file alone, under another role."""
        first = {as_role: self.first[role]} if role in self.first else {}
        return replace(self, files={as_role: self.files[role]}, first=first)


@dataclass(frozen=True)
class Task:
    """One unit of work as it travels to a worker: descriptors only, never rows or bytes.

    `inputs[step][shard]` are the committed parts of an input, oldest first; a pool-wide input stands under `POOL`.
    """

    step: str
    unit: str
    part: int
    basis: str
    shards: tuple[int, ...]
    inputs: Mapping[str, Mapping[int, tuple[Entry, ...]]]
    own: tuple[Entry, ...] = ()


@dataclass(frozen=True)
class Outcome:
    """What a unit of work made, before it is committed: local files by role, and the account of its rows.

    `digests` has the sha256 of files that were hashed as they were written; the others are read again for theirs.
    """

    files: Mapping[str, Path]
    rows: int
    counts: Mapping[str, int]
    reasons: Mapping[str, int] = field(default_factory=dict)
    facts: Mapping[str, object] = field(default_factory=dict)
    digests: Mapping[str, str] = field(default_factory=dict)


Work = Callable[[Task, Path], Outcome]


@recipe
class Step:
    """Base of all steps. A step is its own config: whatever is not `execution(...)` is its identity.

    Attributes:
        name: of this instance; its columns are addressed `name.column`.
        version: names the data; change it when the recipe changes and the old parts should stay.
        only: a selection (a step with a `keep` column) that this step is limited to; never part of its identity.
        resources: of one worker.
    """

    kind: ClassVar[str]
    scope: ClassVar[Scope] = "shard"
    keeps_names: ClassVar[bool] = False  # whether files keep their names, in a folder of their unit
    in_hand: ClassVar[int] = 1  # units that one worker does at once, each in a thread of its own: see `Worker`

    name: str
    version: str = "1"
    only: str | None = execution(default=None)
    resources: Resources = execution(default=Resources())

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the steps whose parts this one reads."""
        raise NotImplementedError(f"{type(self).__name__} does not say what it reads")

    @property
    def upstream(self) -> tuple[str, ...]:
        """All that it reads, once each: its inputs, and the selection that it is limited to."""
        return tuple(dict.fromkeys([*self.inputs, *([self.only] if self.only else [])]))

    @property
    def editions(self) -> tuple[str, ...]:
        """What the first step takes in, one part each, oldest first: a digest of every list. A pool grows by one more."""
        return ("",)

    @property
    def supplements(self) -> bool:
        """Whether a wider input adds a part for the new rows only (True), or a new unit is made of all (False)."""
        return False

    @property
    def folder(self) -> str:
        """Where the parts lie in the store."""
        return f"columns/{self.name}/{self.version}"

    def path(self, role: str, task: Task, digest: str) -> str:
        """Where a file of a part lies in the store: under its digest, so that it is never overwritten, or under its name.

        Roles are suffixes or file names: `parquet` gives `<unit>-<digest>.parquet`, `stats.json` `<unit>-<digest>_stats.json`.
        """
        if self.keeps_names:
            return f"{self.folder}/{task.unit}/{role}"
        supplement = f".{task.part}" if task.part else ""
        return f"{self.folder}/{task.unit}{supplement}-{digest[:16]}{'_' if '.' in role else '.'}{role}"

    def start(self, store: Store, tables: Mapping[str, Entry]) -> AbstractContextManager[Work]:
        """Load what the work needs, once per worker, and give the function that does one unit.

        Args:
            store: of the pool.
            tables: the committed entry of every pool-wide input.
        """
        raise NotImplementedError(f"{type(self).__name__} does not say how it works")

    def identity(self, inputs: Mapping[str, str]) -> Identity:
        """The literals of this recipe and the fingerprints of what it reads."""
        return {"kind": self.kind, "recipe": literals(self), "inputs": dict(sorted(inputs.items()))}
