"""The training as a step: an open_clip model on the shards of an export, judged on held-out shards before and after."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, ClassVar

from pipeline.errors import ConfigError
from pipeline.recipe import content, execution, fingerprint, literals, recipe
from pipeline.rows import FAILED, NOT_SELECTED, SUCCESS
from pipeline.step import POOL, Entry, Outcome, Scope, Step, Task, Work
from pipeline.store import Store
from workflows.training.config import TrainConfig

if TYPE_CHECKING:
    from workflows.training.account import Trained

CURVES = "curves.png"


@recipe
class Train(Step):
    """Trains on every shard of one export. A training that was killed goes on from its last checkpoint when it is run again.

    With `resources.workers` above 1 so many processes train together: on a Ray cluster Ray Train's, else of this machine.
    They share the batch, and see one folder, the shards in it.

    Its rows are the samples of the export: `success` those that were shown, `failed` those that could not be read,
    `not_selected` those that a short training did not come to, or that balancing as it goes left out at every visit.

    Attributes:
        shards: the export.
        holdout: a folder of shards to judge the model on; its bytes are identity. None trains without a judgement.
        config: of the training.
        checkpoints: a folder for trainings under way, which outlives the machine. None is `training` in the pool, if that is a
            folder; a training of a pool in a bucket then begins anew.
    """

    kind: ClassVar[str] = "train"
    scope: ClassVar[Scope] = "pool"
    keeps_names: ClassVar[bool] = True  # open_clip looks for weights and config by their names

    shards: str = "shards"
    holdout: Path | None = content(default=None)
    config: TrainConfig = TrainConfig()
    checkpoints: Path | None = execution(default=None)

    @property
    def inputs(self) -> tuple[str, ...]:
        """The export."""
        return (self.shards,)

    @property
    def folder(self) -> str:
        """Models lie apart from columns."""
        return f"models/{self.name}/{self.version}"

    @contextmanager
    def start(self, store: Store, tables: Mapping[str, Entry]) -> Iterator[Work]:
        """Give the function that trains."""
        committed: list[Path] = []
        yield lambda task, folder: self._train(store, task, folder, committed)
        for folder in committed:
            shutil.rmtree(folder, ignore_errors=True)

    def _train(self, store: Store, task: Task, folder: Path, committed: list[Path]) -> Outcome:
        from workflows.training.curves import draw
        from workflows.training.loop import METRICS

        outlives = self.checkpoints or (store.root / "training" if isinstance(store.root, Path) else None)
        if outlives:
            recipe_of = fingerprint([task.basis, literals(self.config)])
            folder = outlives.absolute() / f"{self.name}-{self.version}-{task.unit}-{recipe_of[:16]}"
        done = self._trained(tars(store, task, self.shards), folder)
        committed.append(folder)
        curves = draw(folder / METRICS, done.evaluation, folder / CURVES)
        told = {
            "skipped": done.skipped if self.config.online else 0,
            "resumed": done.resumed,
            "unusable_steps": done.unusable,
        }
        return outcome(done, done.files | {CURVES: curves}, {name: number for name, number in told.items() if number})

    def _trained(self, tars: list[Path], folder: Path) -> Trained:
        from workflows.training.shards import Shards

        held_out = Shards.of(self.holdout) if self.holdout else None
        call = (self.config, Shards(tars), folder, held_out)
        if self.resources.workers == 1:
            from workflows.training.loop import train

            return train(*call)
        from pipeline import ray_train
        from workflows.training.distributed import spawned
        from workflows.training.launch import train_together

        if ray_train.connected():
            return train_together(
                call, lambda work, arguments: ray_train.together(work, arguments, self.resources, folder)
            )
        return train_together(call, lambda work, arguments: spawned(work, arguments, self.resources.workers))


def tars(store: Store, task: Task, export: str) -> list[Path]:
    """The tars of an export that is an input of a task.

    Raises:
        ConfigError: if it is no export.
    """
    files = task.inputs[export][POOL][-1].files
    names = sorted(role for role in files if role.endswith(".tar"))
    if not names:
        raise ConfigError(f"Step {task.step!r} reads {export!r}, which has no tars. Name an export.")
    return [store.fetch(files[name][0]) for name in names]


def outcome(done: Trained, files: Mapping[str, Path], told: Mapping[str, int] = MappingProxyType({})) -> Outcome:
    """A training as a part: `success` are the samples that were shown, and what was `told` stands among its facts."""
    failed = len(done.faults)
    counts = {SUCCESS: done.visited - failed, FAILED: failed, NOT_SELECTED: done.samples - done.visited}
    facts = {"steps": done.steps, "samples_seen": done.shown, "texts": dict(sorted(done.fields.items()))}
    return Outcome(
        dict(files),
        done.samples,
        {status: rows for status, rows in counts.items() if rows},
        dict(Counter(done.faults.values())),
        facts | dict(told) | {"samples_per_second": round(done.rate, 1)},
    )
