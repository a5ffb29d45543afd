"""What the trials say together: every arm with its interval over seeds and queries, and each claim as a paired difference."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.errors import DataError
from pipeline.recipe import recipe
from pipeline.rows import SUCCESS
from pipeline.step import POOL, Entry, Outcome, Scope, Step, Task, Work
from pipeline.store import Store
from workflows.ablation.claims import claim
from workflows.ablation.diet import faulty, shown
from workflows.ablation.measures import (
    KS,
    PLACE,
    RECALL,
    Numbers,
    languages,
    place,
    place_by_chance,
    recall,
    recall_by_chance,
    size,
)
from workflows.ablation.picture import draw
from workflows.ablation.split import DIET, PROOF
from workflows.ablation.trial import QUERIES, RESULTS

NUMBERS, PICTURE = "ablation.json", "ablation.png"
Told = dict[str, Any]
Measure = Callable[[pa.Table, str], Numbers]


@recipe
class Compare(Step):
    """Compares arms.

    Attributes:
        trials: arm -> its trial steps, one a seed, all in the same order of seeds.
        exports: arm -> what it trained on.
        order: the arms in the order of the table.
        checks: arm -> the step that proved its split disjoint, and counted what it holds.
        pairs: (better, than): what is claimed.
    """

    kind: ClassVar[str] = "ablation"
    scope: ClassVar[Scope] = "pool"

    name: str = "ablate"
    trials: Mapping[str, tuple[str, ...]]
    exports: Mapping[str, str]
    checks: Mapping[str, str]
    order: tuple[str, ...]
    pairs: tuple[tuple[str, str], ...] = ()

    @property
    def inputs(self) -> tuple[str, ...]:
        """All trials, what they trained on, and the proofs."""
        trials = (trial for arm in self.order for trial in self.trials[arm])
        return tuple(dict.fromkeys([*trials, *self.exports.values(), *self.checks.values()]))

    @property
    def folder(self) -> str:
        """Beside the trials."""
        return f"ablation/{self.name}/{self.version}"

    def path(self, role: str, task: Task, digest: str) -> str:
        """Results keep their names, in a folder that belongs to what they were made from."""
        return f"{self.folder}/{task.unit}/{role}"

    @contextmanager
    def start(self, store: Store, tables: Mapping[str, Entry]) -> Iterator[Work]:
        """Give the function that compares."""
        yield lambda task, folder: self._compare(store, task, folder)

    def _compare(self, store: Store, task: Task, folder: Path) -> Outcome:
        arms = {arm: [_trial(store, task, name) for name in self.trials[arm]] for arm in self.order}
        fed = {arm: json.loads(_file(store, task, self.checks[arm], DIET)) for arm in self.order}
        proofs = {self.exports[arm]: json.loads(_file(store, task, self.checks[arm], PROOF)) for arm in self.order}
        told = compared(arms, fed, self.pairs) | {"split": proofs}
        for arm in told["arms"]:
            arm["export"] = self.exports[arm["arm"]]
        (folder / NUMBERS).write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
        draw(told, folder / PICTURE)
        count = sum(len(trials) for trials in arms.values())
        files = {NUMBERS: folder / NUMBERS, PICTURE: folder / PICTURE}
        return Outcome(files, count, {SUCCESS: count}, facts={"arms": len(arms), "queries": told["queries"]})


@dataclass(frozen=True)
class Tried:
    """What one trial left: its queries (`of`, `uid`, `group` and two ranks), its zero-shot results, and the facts of its entry."""

    queries: pa.Table
    zero_shot: Mapping[str, Any] | None
    facts: Mapping[str, Any]


def compared(arms: Mapping[str, Sequence[Tried]], fed: Mapping[str, Told], pairs: Sequence[tuple[str, str]]) -> Told:
    """All numbers of an ablation.

    Args:
        arms: arm -> its trials, one a seed, in the same order of seeds for all.
        fed: arm -> what its export holds, as of `diet`.
        pairs: (better, than).

    Raises:
        DataError: if the trials were not judged on the same queries, or did not see the same number of samples.
    """
    first = next(iter(arms.values()))[0]
    _demand_equal([trial for trials in arms.values() for trial in trials], first)
    measured = {arm: {of: _stack(trials, of) for of in (recall, place)} for arm, trials in arms.items()}
    told: Told = {"measure": RECALL, "place": PLACE, "seeds": len(arms[next(iter(arms))])}
    told |= {"queries": size(first.queries, "txt"), "chance": recall_by_chance(first.queries, "txt")}
    told |= {"chance_place": place_by_chance(first.queries, "txt"), "languages": languages(first.queries)}
    found = {arm: _arm(arm, arms[arm]) | _fed(arms[arm], fed[arm]) for arm in arms}
    claims = [
        claim(found[better], found[than], *(measured[better][of] - measured[than][of] for of in (recall, place)))
        for better, than in pairs
    ]
    return told | {"arms": list(found.values()), "pairs": claims}


def _stack(trials: Sequence[Tried], of: Measure) -> Numbers:
    """A measure of the held-out pairs: seeds x pairs."""
    return np.stack([of(trial.queries, "txt") for trial in trials])


def _demand_equal(trials: Sequence[Tried], first: Tried) -> None:
    asked = ["of", "uid", "group"]
    for tried in trials:
        if not tried.queries.select(asked).equals(first.queries.select(asked)):
            raise DataError("The trials were not judged on the same queries. Run the ablation under a new `version`.")
        if tried.facts["samples_seen"] != first.facts["samples_seen"]:
            raise DataError(
                f"The trials did not see the same number of samples: {tried.facts['samples_seen']} and "
                f"{first.facts['samples_seen']}. Look at the failed samples of the exports."
            )


def _fed(trials: Sequence[Tried], fed: Told) -> Told:
    """What the arm trained on: rows, distinct pictures, faulty rows, and how much of what is shown its texts name."""
    named = [share for trial in trials if (share := shown(fed, trial.facts["texts"])) is not None]
    told: Told = {"rows": fed["rows"], "pictures": fed["pictures"], "fed": fed}
    told |= {"epochs": trials[0].facts["samples_seen"] / fed["rows"]}
    told |= {"faulty": faulty(fed)}
    return told | {"named": float(np.mean(named)) if named else None}


def _arm(arm: str, trials: Sequence[Tried]) -> Told:
    from workflows.training.intervals import crossed

    recalls = _stack(trials, recall)
    told: Told = {"arm": arm, "recall": crossed(recalls), "per_seed": [float(value) for value in recalls.mean(axis=1)]}
    told |= {"place": crossed(_stack(trials, place))}
    told |= {f"R@{k}": crossed(np.stack([recall(trial.queries, "txt", (k,)) for trial in trials])) for k in KS}
    told |= {"samples_seen": trials[0].facts["samples_seen"], "texts": trials[0].facts["texts"]}
    told["languages"] = {
        language: {"recall": crossed(np.stack([recall(trial.queries, f"name_{language}") for trial in trials]))}
        for language in languages(trials[0].queries)
    }
    for language, line in told["languages"].items():
        found = [(trial.zero_shot or {}).get("languages", {}).get(language) for trial in trials]
        if all(found):
            line["top-5"] = float(np.mean([one["top-5"]["value"] for one in found if one]))
            line["top-5 chance"] = found[0]["chance"]["top-5"] if found[0] else None
    return told


def _file(store: Store, task: Task, step: str, role: str) -> bytes:
    return store.get(task.inputs[step][POOL][-1].files[role][0])


def _trial(store: Store, task: Task, name: str) -> Tried:
    results = json.loads(_file(store, task, name, RESULTS))
    queries = pq.read_table(io.BytesIO(_file(store, task, name, QUERIES)))
    return Tried(queries, results["zero_shot"], task.inputs[name][POOL][-1].facts)
