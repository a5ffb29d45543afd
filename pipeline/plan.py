"""What is done, what is ready, what waits: the state of every unit of every step, derived from the ledger alone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from pipeline.errors import ConfigError, RecipeChanged, UnknownStep
from pipeline.ledger import Ledger
from pipeline.recipe import fingerprint
from pipeline.reduce import Partial, Reduce
from pipeline.step import POOL, Entry, Step, Task
from pipeline.store import Store

Parts = tuple[Entry, ...]


@dataclass(frozen=True)
class Done:
    """A unit whose parts are committed and made from the inputs of now."""

    parts: Parts
    unit: str


def expand(steps: Sequence[Step]) -> list[Step]:
    """The steps of a recipe, with the map of each reduce before it; inputs are checked to come first.

    Raises:
        UnknownStep: if a step reads one that does not stand before it.
        ConfigError: if two steps share a name.
    """
    ordered: list[Step] = []
    for step in steps:
        ordered += [Partial.of(step), step] if isinstance(step, Reduce) else [step]
    seen: set[str] = set()
    for step in ordered:
        if step.name in seen:
            raise ConfigError(f"Two steps are named {step.name!r}. Give each its own name.")
        for name in step.upstream:
            if name not in seen:
                known = ", ".join(sorted(seen)) or "none"
                raise UnknownStep(
                    f"Step {step.name!r} reads {name!r}, which does not stand before it (before it: {known})."
                )
        seen.add(step.name)
    return ordered


class Plan:
    """The units of a recipe over one pool.

    The first step is the intake: it is pool-wide, is called `rows`, and its parts, one for every list that the pool was given,
    hold a file for every shard.
    """

    def __init__(self, store: Store, steps: Sequence[Step]) -> None:
        self.store, self.ledger = store, Ledger(store)
        self.steps = expand(steps)
        self.by_name = {step.name: step for step in self.steps}
        self.fingerprints = self._fingerprints()
        self._entries: dict[str, dict[str, Parts]] = {}
        self._done: dict[tuple[str, int], Done] = {}

    def _fingerprints(self) -> dict[str, str]:
        found: dict[str, str] = {}
        for step in self.steps:
            found[step.name] = fingerprint(step.identity({name: found[name] for name in step.inputs}))
        return found

    def claim(self, names: Iterable[str] = ()) -> None:
        """Bind the versions of steps (all, if none is named) and of whatever they are made from to their recipes.

        A step that is not done yet stays free: its recipe may still change while earlier ones are run.

        Raises:
            RecipeChanged: if one was made by another.
        """
        wanted = set(names) or set(self.by_name)
        for step in reversed(self.steps):  # inputs stand before what reads them
            if step.name in wanted:
                wanted.update(step.upstream)
        for step in self.steps:
            if step.name in wanted:
                self.ledger.claim(step, step.identity({name: self.fingerprints[name] for name in step.inputs}))

    def places(self, step: Step) -> Sequence[int]:
        """The units of a step: shard numbers, or POOL alone. Empty before the rows are there."""
        return (POOL,) if step.scope == "pool" else self.shards()

    def shards(self) -> Sequence[int]:
        """All shards, once the rows are there."""
        rows = self.done(self.steps[0], POOL)
        return range(sum(len(part.files) for part in rows.parts)) if rows else ()

    def extent(self, step: Step) -> tuple[int, int]:
        """How many units of a step are done, and how many there are; of the intake, lists."""
        if step is self.steps[0]:
            return len(self._of(step).get("pool", ())), len(self._wanted)
        places = self.places(step)
        return sum(self.done(step, place) is not None for place in places), len(places)

    def done(self, step: Step, place: int) -> Done | None:
        """The committed parts of a unit, if it is done."""
        key = (step.name, place)
        if key not in self._done:
            state = self._resolve(step, place)
            if not isinstance(state, Done):
                return None
            self._done[key] = state
        return self._done[key]

    def task(self, step: Step, place: int) -> Task | None:
        """The work of a unit whose inputs are all committed; None if it is done or must wait."""
        if (step.name, place) in self._done:
            return None
        state = self._resolve(step, place)
        return state if isinstance(state, Task) else None

    def parts(self, step: Step, place: int) -> Parts:
        """The committed parts of a unit as others read them: of the intake, the rows of one shard. Empty if not done."""
        state = self._part_of(step, place)
        return state.parts if state else ()

    def record(self, entry: Entry) -> None:
        """Take note of a part that a worker committed."""
        units = self._of(self.by_name[entry.step])
        units[entry.unit] = (*(part for part in units.get(entry.unit, ()) if part.part != entry.part), entry)

    def tables(self, task: Task) -> dict[str, Entry]:
        """The entries of the pool-wide inputs of a task."""
        return {name: parts[POOL][-1] for name, parts in task.inputs.items() if POOL in parts}

    def _of(self, step: Step) -> dict[str, Parts]:
        if step.name not in self._entries:
            self._entries[step.name] = self.ledger.entries(step.name, step.version)
        return self._entries[step.name]

    def _resolve(self, step: Step, place: int) -> Done | Task | None:
        if step is self.steps[0]:
            return self._source(step)
        inputs = self._inputs(step, place)
        if inputs is None:
            return None
        basis = _digest([name, shard, [part.origin for part in state.parts]] for name, shard, state in _flat(inputs))
        unit = self._unit(step, place, inputs, basis)
        own = self._of(step).get(unit, ())
        if any(part.basis == basis for part in own):
            return Done(own, unit)
        shards = (place,) if place != POOL else tuple(sorted({shard for _, shard, _ in _flat(inputs)} - {POOL}))
        parts = {name: {shard: state.parts for shard, state in found.items()} for name, found in inputs.items()}
        return Task(step.name, unit, len(own), basis, shards, parts, own)

    @cached_property
    def _wanted(self) -> list[str]:
        """The basis of the intake's part for every list that the recipe names; their bytes are read for it, once."""
        return [_digest([edition]) for edition in self.steps[0].editions]

    def _source(self, step: Step) -> Done | Task:
        """The intake: done when every list that the recipe names has its part.

        Raises:
            RecipeChanged: if the lists that were taken in are not the first ones of the recipe.
        """
        own, wanted = self._of(step).get("pool", ()), self._wanted
        for k, part in enumerate(own):
            if part.basis != (wanted[k] if k < len(wanted) else None):
                taken = part.facts.get("list", "unknown")
                raise RecipeChanged(
                    f"{self.store.root} was made of {len(own)} lists, and the config's list {k + 1} of {len(wanted)} is not "
                    f"the one that was taken in ({taken}). Rows are never taken back: name the lists as before, in their "
                    "order, and new ones after them, or use another pool folder."
                )
        return (
            Done(own, "pool")
            if len(own) == len(wanted)
            else Task(step.name, "pool", len(own), wanted[len(own)], (), {}, own)
        )

    def _inputs(self, step: Step, place: int) -> dict[str, dict[int, Done]] | None:
        """Every input unit that this one reads, or None if one is not done."""
        found: dict[str, dict[int, Done]] = {}
        for name in step.upstream:
            source = self.by_name[name]
            states = {at: self._part_of(source, at) for at in self._places_read(source, place)}
            if not states or None in states.values():
                return None
            found[name] = {at: state for at, state in states.items() if state}
        return found

    def _places_read(self, source: Step, place: int) -> Sequence[int]:
        if source.scope == "pool" and source is not self.steps[0]:
            return (POOL,)
        return (place,) if place != POOL else self.shards()

    def _part_of(self, source: Step, place: int) -> Done | None:
        """A unit of an input; the rows of one shard are one file of the intake's part."""
        if source is not self.steps[0]:
            return self.done(source, place)
        rows = self.done(source, POOL)
        if rows is None:
            return None
        part = next(part for part in rows.parts if shard_name(place) in part.files)
        return Done((part.only(shard_name(place), "parquet"),), rows.unit)

    def _unit(self, step: Step, place: int, inputs: Mapping[str, Mapping[int, Done]], basis: str) -> str:
        """A unit's name: its shard, and the digest of whatever makes all of it new when that changes."""
        name = "pool" if place == POOL else shard_name(place)
        if not inputs:
            return name
        if not step.supplements:
            return f"{name}-{basis}"
        epochs = [
            [source, state.parts[-1].origin if at == POOL else state.unit.partition("-")[2]]
            for source, at, state in _flat(inputs)
            if source != step.only and (at == POOL or "-" in state.unit)
        ]
        return f"{name}-{_digest(epochs)}" if epochs else name


def shard_name(shard: int) -> str:
    """Eight digits: the form that the field's tools expect of shard files."""
    return f"{shard:08d}"


def _flat(inputs: Mapping[str, Mapping[int, Done]]) -> Iterator[tuple[str, int, Done]]:
    for name in sorted(inputs):
        for place in sorted(inputs[name]):
            yield name, place, inputs[name][place]


def _digest(items: Iterable[object]) -> str:
    return fingerprint(list(items))[:12]
