"""From an ablation to steps of the engine: selections, exports, the proof of the split, trials, the comparison, the report."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from curation.select import Rule, Select
from pipeline.errors import ConfigError
from pipeline.recipe import fingerprint, literals
from pipeline.step import Resources, Step
from workflows.ablation.compare import Compare
from workflows.ablation.config import Ablation, Arm
from workflows.ablation.draw import Draw
from workflows.ablation.split import Disjoint
from workflows.ablation.trial import Trial
from workflows.export.step import Export
from workflows.report.step import Report

PREFIX = "ablate"
DRAW = f"{PREFIX}-draw"


def steps(ablation: Ablation, base: Sequence[Step]) -> list[Step]:
    """What an ablation adds to the steps of its recipe, in order.

    Raises:
        ConfigError: if the recipe lacks the export or a selection that the arms name.
    """
    export = _export(ablation, base)
    selections = {name: _selection(ablation, name) for name in ablation.selections}
    wanted = dict.fromkeys(arm.rows for arm in ablation.arms.values())
    known = {step.name for step in base}
    if strange := [name for name in wanted if name not in selections and name not in known]:
        raise ConfigError(
            f"{strange[0]!r} is no selection: neither under `selections` ({', '.join(selections) or 'none'}) nor a step of "
            f"{ablation.recipe}."
        )
    exports = {rows: _exported(ablation, export, rows) for rows in wanted}
    checks = {rows: _check(ablation, rows) for rows in wanted}
    trials = {name: _trials(ablation, name, arm) for name, arm in ablation.arms.items()}
    chosen = [selections[name] for name in wanted if name in selections]
    drawn = [Draw(name=DRAW, version=ablation.version)] if any(_shared(ablation, name) for name in wanted) else []
    every = [trial for tried in trials.values() for trial in tried]
    return [*drawn, *chosen, *exports.values(), *checks.values(), *every, _compare(ablation, trials)]


def reports(base: Sequence[Step], compare: Step) -> list[Step]:
    """The recipe's reports once more, with the ablation's section."""
    found = [step for step in base if isinstance(step, Report)]
    return [replace(step, name=f"{step.name}-{PREFIX}", version=compare.version, ablation=PREFIX) for step in found]


def needed(added: Iterable[Step], base: Sequence[Step]) -> list[Step]:
    """The steps of the recipe that others read, and what those read, in their order."""
    by_name, wanted = {step.name: step for step in base}, set[str]()
    waiting = [name for step in added for name in step.inputs]
    while waiting:
        name = waiting.pop()
        if name in by_name and name not in wanted:
            wanted.add(name)
            step = by_name[name]
            waiting += step.upstream
    return [step for step in base if step.name in wanted]


def _export(ablation: Ablation, base: Sequence[Step]) -> Export:
    found = next((step for step in base if step.name == ablation.export), None)
    if not isinstance(found, Export):
        raise ConfigError(f"{ablation.recipe} has no export step {ablation.export!r}. Correct `export`.")
    return found


def _shared(ablation: Ablation, name: str) -> bool:
    return name in ablation.selections and ablation.selections[name].share < 1


def _selection(ablation: Ablation, name: str) -> Select:
    rows, rules = ablation.selections[name], ablation.selections[name].rules
    if _shared(ablation, name):
        rules = (*rules, Rule(column=f"{DRAW}.number", max=rows.share, reason="not drawn"))
    return Select(
        name=f"{PREFIX}-{name}", version=ablation.version, rules=rules, after=rows.after, explain=rows.explain
    )


def _exported(ablation: Ablation, export: Export, rows: str) -> Export:
    selection = f"{PREFIX}-{rows}" if rows in ablation.selections else rows
    return replace(
        export,
        name=_shards(rows),
        version=ablation.version,
        selection=selection,
        formats=(),
        validation=0.0,
        title=f"Ablation: {rows}",
    )


def _shards(rows: str) -> str:
    return f"{PREFIX}-shards-{rows}"


def _check(ablation: Ablation, rows: str) -> Disjoint:
    split = ablation.split
    return Disjoint(
        name=f"{PREFIX}-split-{rows}",
        version=ablation.version,
        export=_shards(rows),
        holdout=ablation.holdout,
        names=ablation.names,
        pictures=split.pictures if split else None,
        pool=split.pool if split else None,
        judged=split.judged if split else Disjoint.judged,
    )


def _trials(ablation: Ablation, name: str, arm: Arm) -> list[Trial]:
    return [
        Trial(
            name=f"{PREFIX}-{name}-s{seed}",
            version=ablation.version,
            shards=_shards(arm.rows),
            check=f"{PREFIX}-split-{arm.rows}",
            config=ablation.training(name, seed),
            holdout=ablation.holdout,
            names=ablation.names,
            keep_models=ablation.keep_models,
            resources=Resources(cpus=ablation.cpus),
        )
        for seed in ablation.seeds
    ]


def _compare(ablation: Ablation, trials: Mapping[str, Sequence[Trial]]) -> Compare:
    """Its version names what it compares, so that more arms or seeds leave the trials that are there as they are."""
    found = Compare(
        name=PREFIX,
        trials={arm: tuple(trial.name for trial in tried) for arm, tried in trials.items()},
        exports={name: _shards(arm.rows) for name, arm in ablation.arms.items()},
        checks={name: f"{PREFIX}-split-{arm.rows}" for name, arm in ablation.arms.items()},
        order=tuple(ablation.arms),
        pairs=ablation.compare,
    )
    pictures = ablation.split.pictures if ablation.split else None
    return replace(found, version=f"{ablation.version}-{fingerprint(literals(found))[:8]}", pictures=pictures)
