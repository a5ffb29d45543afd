"""The training as a step: an open_clip model on the shards of an export, judged on held-out shards before and after."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar

from pipeline.errors import ConfigError
from pipeline.recipe import content, recipe
from pipeline.rows import FAILED, NOT_SELECTED, SUCCESS
from pipeline.step import POOL, Entry, Outcome, Scope, Step, Task, Work
from pipeline.store import Store
from workflows.training.config import TrainConfig

CURVES = "curves.png"


@recipe
class Train(Step):
    """Trains on every shard of one export.

    Its rows are the samples of the export: `success` those that were shown, `failed` those that could not be read,
    `not_selected` those that a short training did not come to, or that balancing as it goes left out at every visit.

    Attributes:
        shards: the export.
        holdout: a folder of shards to judge the model on; its bytes are identity. None trains without a judgement.
        config: of the training.
    """

    kind: ClassVar[str] = "train"
    scope: ClassVar[Scope] = "pool"

    shards: str = "shards"
    holdout: Path | None = content(default=None)
    config: TrainConfig = TrainConfig()

    @property
    def inputs(self) -> tuple[str, ...]:
        """The export."""
        return (self.shards,)

    @property
    def folder(self) -> str:
        """Models lie apart from columns."""
        return f"models/{self.name}/{self.version}"

    def path(self, role: str, task: Task, digest: str) -> str:
        """open_clip looks for weights and config by their names: one folder a model."""
        return f"{self.folder}/{task.unit}/{role}"

    @contextmanager
    def start(self, store: Store, tables: Mapping[str, Entry]) -> Iterator[Work]:
        """Give the function that trains."""
        yield lambda task, folder: self._train(store, task, folder)

    def _train(self, store: Store, task: Task, folder: Path) -> Outcome:
        from workflows.training.curves import draw
        from workflows.training.loop import METRICS, train
        from workflows.training.shards import Shards

        held_out = Shards.of(self.holdout) if self.holdout else None
        done = train(self.config, Shards(self._tars(store, task)), folder, held_out)
        curves = draw(folder / METRICS, done.evaluation, folder / CURVES)
        failed = len(done.faults)
        counts = {SUCCESS: done.visited - failed, FAILED: failed, NOT_SELECTED: done.samples - done.visited}
        facts = {"steps": done.steps, "samples_seen": done.shown, "texts": dict(sorted(done.fields.items()))}
        if self.config.online:
            facts["skipped"] = done.skipped
        return Outcome(
            done.files | {CURVES: curves},
            done.samples,
            {status: rows for status, rows in counts.items() if rows},
            dict(Counter(done.faults.values())),
            facts | {"samples_per_second": round(done.rate, 1)},
        )

    def _tars(self, store: Store, task: Task) -> list[Path]:
        files = task.inputs[self.shards][POOL][-1].files
        names = sorted(role for role in files if role.endswith(".tar"))
        if not names:
            raise ConfigError(f"Step {self.name!r} trains on {self.shards!r}, which has no tars. Name an export.")
        return [store.fetch(files[name][0]) for name in names]
