"""What became of the samples of a training: shown, failed, skipped, or never met. Ranks keep one each; they add up."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from pipeline.errors import DataError
from workflows.training.batch import Batch
from workflows.training.distributed import Ranks


@dataclass
class Account:
    """Of one rank; `faults` are those of all.

    Attributes:
        sizes: samples of each shard.
        met: one byte a sample, 1 once it was shown or could not be.
        visits: that this rank was given, in its own order.
        shown: visits that were shown.
        skipped: visits that their probability left out.
        fields: which text was shown -> times.
        faults: (shard, sample) -> why it could not be used.
    """

    sizes: Sequence[int]
    visits: int = 0
    shown: int = 0
    skipped: int = 0
    fields: Counter[str] = field(default_factory=Counter)
    faults: dict[tuple[int, int], str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._starts = np.cumsum([0, *self.sizes])
        self.met = np.zeros(self._starts[-1], np.uint8)

    def note(self, batch: Batch) -> None:
        """Count what was asked for."""
        self.visits += len(batch.visits)
        self.shown += len(batch.images)
        self.skipped += batch.skipped
        self.fields += batch.fields
        for visit in batch.visits:
            if not visit.skipped:
                self.met[self._starts[visit.position.shard] + visit.position.sample] = 1

    def fail(self, found: Sequence[tuple[tuple[int, int], str]]) -> None:
        """Note samples that could not be used, on whichever rank.

        Raises:
            DataError: once that is all of them.
        """
        self.faults |= dict(found)
        if len(self.faults) == len(self.met):
            reasons = Counter(self.faults.values()).most_common(3)
            raise DataError(f"Not one of {len(self.met)} samples can be used: {reasons}. Look at the shards.")

    def state(self, ranks: Ranks) -> dict[str, Any]:
        """The sum over all ranks, of numbers, texts and tensors alone; every rank has to ask."""
        heard = ranks.everyone((self.visits, self.shown, self.skipped, dict(self.fields), np.packbits(self.met)))
        visits, shown, skipped, fields, met = zip(*heard, strict=True)
        return {
            "visits": list(visits),
            "shown": sum(shown),
            "skipped": sum(skipped),
            "fields": dict(sum(map(Counter, fields), Counter())),
            "faults": json.dumps([[*place, reason] for place, reason in self.faults.items()]),
            "met": torch.from_numpy(np.bitwise_or.reduce(met)),
        }

    def restore(self, state: dict[str, Any], visits: int, ranks: Ranks) -> None:
        """Go on from a state: the first rank takes the sums over, the others count from nothing."""
        self.visits = visits
        self.faults = {(shard, sample): reason for shard, sample, reason in json.loads(state["faults"])}
        if ranks.first:
            self.shown, self.skipped, self.fields = state["shown"], state["skipped"], Counter(state["fields"])
            self.met = np.unpackbits(state["met"].numpy(), count=len(self.met))


@dataclass
class Trained:
    """What a training left.

    Attributes:
        files: name -> file: weights, config, metrics and evaluation.
        samples: of the data set.
        visited: how many of them were shown, or could not be, at least once.
        shown: visits that were shown.
        skipped: visits that their probability left out; the trainer balances as it goes.
        steps: taken.
        unusable: steps whose gradient was no number: they changed nothing.
        faults: (shard, sample) -> why it could not be used.
        fields: which text was shown -> times.
        evaluation: retrieval before and after, if there was a held-out set.
        rate: samples a second, training alone.
        resumed: the step that it went on from.
    """

    files: dict[str, Path]
    samples: int
    visited: int = 0
    shown: int = 0
    skipped: int = 0
    steps: int = 0
    unusable: int = 0
    faults: dict[tuple[int, int], str] = field(default_factory=dict)
    fields: Counter[str] = field(default_factory=Counter)
    evaluation: dict[str, Any] = field(default_factory=dict)
    rate: float = 0.0
    resumed: int = 0

    def write(self, path: Path) -> None:
        """Leave it in a file beside its files."""
        faults = [[*place, reason] for place, reason in self.faults.items()]
        told = vars(self) | {"files": sorted(self.files), "faults": faults}
        path.write_text(json.dumps(told), encoding="utf-8")

    @classmethod
    def read(cls, path: Path) -> Trained:
        """What `write` left."""
        told = json.loads(path.read_text(encoding="utf-8"))
        told["files"] = {name: path.parent / name for name in told["files"]}
        told["faults"] = {(shard, sample): reason for shard, sample, reason in told["faults"]}
        return cls(**told | {"fields": Counter(told["fields"])})
