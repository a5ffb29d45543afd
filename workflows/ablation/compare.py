"""The comparison as a step: reads what the trials left, writes the numbers and their picture."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar

import pyarrow.parquet as pq

from pipeline.recipe import content, recipe
from pipeline.rows import SUCCESS
from pipeline.step import POOL, Entry, Outcome, Scope, Step, Task, Work
from pipeline.store import Store
from workflows.ablation.numbers import Tried, compared
from workflows.ablation.picture import draw
from workflows.ablation.split import DIET, PROOF
from workflows.ablation.trial import QUERIES, RESULTS

NUMBERS, PICTURE = "ablation.json", "ablation.png"


@recipe
class Compare(Step):
    """Compares arms.

    Attributes:
        trials: arm -> its trial steps, one a seed, all in the same order of seeds.
        exports: arm -> what it trained on.
        order: the arms in the order of the table.
        checks: arm -> the step that proved its split disjoint, and counted what it holds.
        pairs: (better, than): what is claimed.
        pictures: parquet with `uid` and `group` of the held-out pictures: like ones hang together in the intervals.
    """

    kind: ClassVar[str] = "ablation"
    scope: ClassVar[Scope] = "pool"
    keeps_names: ClassVar[bool] = True

    name: str = "ablate"
    trials: Mapping[str, tuple[str, ...]]
    exports: Mapping[str, str]
    checks: Mapping[str, str]
    order: tuple[str, ...]
    pairs: tuple[tuple[str, str], ...] = ()
    pictures: Path | None = content(default=None)

    @property
    def inputs(self) -> tuple[str, ...]:
        """All trials, what they trained on, and the proofs."""
        trials = (trial for arm in self.order for trial in self.trials[arm])
        return tuple(dict.fromkeys([*trials, *self.exports.values(), *self.checks.values()]))

    @property
    def folder(self) -> str:
        """Beside the trials."""
        return f"ablation/{self.name}/{self.version}"

    @contextmanager
    def start(self, store: Store, tables: Mapping[str, Entry]) -> Iterator[Work]:
        """Give the function that compares."""
        yield lambda task, folder: self._compare(store, task, folder)

    def _compare(self, store: Store, task: Task, folder: Path) -> Outcome:
        arms = {arm: [_trial(store, task, name) for name in self.trials[arm]] for arm in self.order}
        fed = {arm: json.loads(_file(store, task, self.checks[arm], DIET)) for arm in self.order}
        proofs = {self.exports[arm]: json.loads(_file(store, task, self.checks[arm], PROOF)) for arm in self.order}
        told = compared(arms, fed, self.pairs, alike(self.pictures)) | {"split": proofs}
        for arm in told["arms"]:
            arm["export"] = self.exports[arm["arm"]]
        (folder / NUMBERS).write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
        draw(told, folder / PICTURE)
        count = sum(len(trials) for trials in arms.values())
        files = {NUMBERS: folder / NUMBERS, PICTURE: folder / PICTURE}
        return Outcome(files, count, {SUCCESS: count}, facts={"arms": len(arms), "queries": told["queries"]})


def alike(pictures: Path | None) -> Mapping[str, str]:
    """uid -> group of like pictures."""
    rows = pq.read_table(pictures, columns=["uid", "group"]).to_pylist() if pictures else []
    return {row["uid"]: row["group"] for row in rows}


def _file(store: Store, task: Task, step: str, role: str) -> bytes:
    return store.get(task.inputs[step][POOL][-1].files[role][0])


def _trial(store: Store, task: Task, name: str) -> Tried:
    results = json.loads(_file(store, task, name, RESULTS))
    queries = pq.read_table(io.BytesIO(_file(store, task, name, QUERIES)))
    return Tried(queries, results["zero_shot"], task.inputs[name][POOL][-1].facts)
