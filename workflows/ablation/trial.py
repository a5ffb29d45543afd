"""One trial: a training on one export with one seed, judged on held-out shards. Each is a unit of its own, committed once."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.errors import ConfigError
from pipeline.recipe import content, execution, recipe
from pipeline.step import Entry, Outcome, Scope, Step, Task, Work
from pipeline.store import Store
from workflows.train import outcome, tars
from workflows.training.config import TrainConfig

if TYPE_CHECKING:
    from workflows.training.judged import Judged
    from workflows.training.model import Built
    from workflows.training.shards import Raw, Shards

RESULTS, QUERIES, METRICS = "results.json", "queries.parquet", "metrics.jsonl"
CLASSES = "classes.json"
WAYS = ("image_to_text", "text_to_image")


@recipe
class Trial(Step):
    """Trains on one export and keeps what each held-out query found.

    Attributes:
        shards: the export.
        check: the step that proved the splits disjoint; nothing is trained before it did.
        config: of the training; its seed is the trial's.
        holdout, names: folders of held-out shards; their bytes are identity.
        keep_models: whether the weights are committed as well.
    """

    kind: ClassVar[str] = "ablation-trial"
    scope: ClassVar[Scope] = "pool"
    keeps_names: ClassVar[bool] = True  # open_clip looks for weights and config by their names

    shards: str
    check: str
    config: TrainConfig
    holdout: Path | None = content(default=None)
    names: Path | None = content(default=None)
    keep_models: bool = execution(default=False)

    @property
    def inputs(self) -> tuple[str, ...]:
        """The export, and the proof."""
        return (self.shards, self.check)

    @property
    def folder(self) -> str:
        """Apart from the models that the recipe itself trains."""
        return f"ablation/{self.name}/{self.version}"

    @contextmanager
    def start(self, store: Store, tables: Mapping[str, Entry]) -> Iterator[Work]:
        """Give the function that trains and judges."""
        yield lambda task, folder: self._try(store, task, folder)

    def _try(self, store: Store, task: Task, folder: Path) -> Outcome:
        from workflows.training.loop import train
        from workflows.training.model import load
        from workflows.training.shards import Shards

        done = train(self.config, Shards(tars(store, task, self.shards)), folder)
        files = judge(load(folder), Shards.of(_given(self.holdout)), self.names, folder)
        files |= dict(done.files) if self.keep_models else {METRICS: done.files[METRICS]}
        return outcome(done, files)


def judge(built: Built, holdout: Shards, names: Path | None, folder: Path) -> dict[str, Path]:
    """Write the ranks of every query, and what classification by name gives; the files by role."""
    from workflows.training.judged import look
    from workflows.training.shards import Shards
    from workflows.training.zeroshot import Classes, classify

    found = [found_by(built, look(built, holdout), "txt")]
    told: dict[str, Any] = {"zero_shot": None}
    if names:
        spoken = look(built, Shards.of(names))
        found.append(found_by(built, spoken, "name_*"))
        told["zero_shot"] = classify(built, spoken, Classes.read(names / CLASSES))
    pq.write_table(pa.concat_tables(found), folder / QUERIES)
    (folder / RESULTS).write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
    return {RESULTS: folder / RESULTS, QUERIES: folder / QUERIES}


def found_by(built: Built, judged: Judged, pattern: str) -> pa.Table:
    """For each pair of a picture and its text in a field: `of` (the field), `uid`, `group` of equal texts, and its two ranks."""
    import torch

    from workflows.training.evaluate import text_features
    from workflows.training.retrieval import both_ways, equal

    tables = []
    for name, (places, texts) in judged.texts(pattern).items():
        groups = equal(texts)
        ranks = both_ways(judged.images[torch.tensor(places)], text_features(built, texts), groups)
        columns = {"of": [name] * len(places), "uid": [judged.uids[place] for place in places], "group": groups}
        tables.append(pa.table(columns | dict(zip(WAYS, ranks, strict=True))))
    return pa.concat_tables(tables)


def samples(shards: Shards) -> Iterator[Raw]:
    """Every sample that can be read; the training counts the others."""
    from workflows.training.shards import Unreadable

    for shard, size in enumerate(shards.sizes):
        for place in range(size):
            with suppress(Unreadable):
                yield shards.read(shard, place)


def _given(holdout: Path | None) -> Path:
    if holdout is None:
        raise ConfigError("A trial needs held-out shards to be judged on. Give `holdout`.")
    return holdout
