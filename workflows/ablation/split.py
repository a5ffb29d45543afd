"""The proof that no model of ours has seen what judges it: run on an export before anything is trained on it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

import pyarrow.parquet as pq

from pipeline.errors import DataError
from pipeline.recipe import content, recipe
from pipeline.rows import SUCCESS
from pipeline.step import Entry, Outcome, Scope, Step, Task, Work
from pipeline.store import Store
from workflows.ablation.diet import Truth, diet
from workflows.ablation.trial import samples
from workflows.train import tars

PROOF, DIET = "split.json", "diet.json"
KNOWN = ("group", "fault", "true_name")


@recipe
class Disjoint(Step):
    """Checks held-out pictures against an export and every split that models learned from; counts what the export holds.

    Attributes:
        export: what an arm trains on.
        holdout, names: the held-out shards.
        pictures, pool, judged: as of `Split`; without the tables only uids are compared.
    """

    kind: ClassVar[str] = "ablation-split"
    scope: ClassVar[Scope] = "pool"

    export: str
    judged: str = "evaluation"
    holdout: Path | None = content(default=None)
    names: Path | None = content(default=None)
    pictures: Path | None = content(default=None)
    pool: Path | None = content(default=None)

    @property
    def inputs(self) -> tuple[str, ...]:
        """The export."""
        return (self.export,)

    @property
    def folder(self) -> str:
        """Beside the trials."""
        return f"ablation/{self.name}/{self.version}"

    @contextmanager
    def start(self, store: Store, tables: Mapping[str, Entry]) -> Iterator[Work]:
        """Give the function that checks."""
        yield lambda task, folder: self._check(store, task, folder)

    def _check(self, store: Store, task: Task, folder: Path) -> Outcome:
        """Compare uids, and where the tables are given, groups.

        Raises:
            DataError: if anything that judges was learned from.
        """
        from workflows.training.shards import Shards

        export = Shards(tars(store, task, self.export))
        held = {uid for path in (self.holdout, self.names) if path for uid in uids(Shards.of(path))}
        learned = set(uids(export))
        truth = known(self.pool) if self.pool else {}
        told = {"held_out": len(held), "trained_on": len(learned), "shared_uids": len(held & learned)}
        if self.pictures and self.pool:
            told |= groups(held, learned, self.pictures, truth, self.judged)
        if wrong := [name for name, count in told.items() if name.startswith("shared") and count]:
            raise DataError(
                f"What judges was learned from: {', '.join(f'{name} {told[name]}' for name in wrong)} of {told['held_out']} held-out "
                "pictures. Make the held-out shards from a split that nothing else uses."
            )
        found = {PROOF: told, DIET: diet(samples(export), truth)}
        for name, content_ in found.items():
            (folder / name).write_text(json.dumps(content_, indent=1) + "\n", encoding="utf-8")
        return Outcome({name: folder / name for name in found}, len(learned), {SUCCESS: len(learned)}, facts=told)


def uids(shards: Any) -> Iterator[str]:
    """The uid of every sample; its key where it has none."""
    return (raw.uid for raw in samples(shards))


def known(pool: Path) -> Truth:
    """uid -> group, fault and true name of the pool's rows; of two lines of one row the one with a fault counts."""
    names = pq.read_schema(pool).names
    rows = pq.read_table(pool, columns=["uid", *(name for name in KNOWN if name in names)]).to_pylist()
    return {row["uid"]: row for row in sorted(rows, key=lambda row: row.get("fault") is not None)}


def groups(held: set[str], learned: Iterable[str], pictures: Path, truth: Truth, judged: str) -> dict[str, int]:
    """How many groups of the held-out pictures are also of another split, or of rows that the arm trains on.

    Raises:
        DataError: if a held-out picture is not of the split that judges.
    """
    table = pq.read_table(pictures, columns=["uid", "group", "split"]).to_pylist()
    strange = held - {row["uid"] for row in table if row["split"] == judged}
    if strange:
        raise DataError(
            f"{len(strange)} of {len(held)} held-out pictures are not of the split {judged!r} of {pictures}, for example "
            f"{min(strange)}. Make the held-out shards again."
        )
    own = {row["group"] for row in table if row["uid"] in held}
    others = {row["group"] for row in table if row["split"] != judged}
    trained = [truth.get(uid, {}).get("group") for uid in learned]
    return {
        "held_out_groups": len(own),
        "shared_groups_with_other_splits": len(own & others),
        "shared_groups_with_the_export": len(own & set(trained)),
        "rows_without_a_group": trained.count(None),
    }
