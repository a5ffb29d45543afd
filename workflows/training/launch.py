"""A training in several processes: what each of them runs, and how whoever started them learns what came of it.

The processes are started from outside: by torchrun, by `distributed.spawned` on one machine, by Ray Train on many. All of them
see one folder.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

from pipeline import errors
from pipeline.errors import MachineError, PairpoolError
from workflows.training.account import Trained
from workflows.training.config import TrainConfig
from workflows.training.loop import train
from workflows.training.shards import Shards

ACCOUNT, FAILURE = "account.json", "failure-*.json"
Call = tuple[TrainConfig, Shards, Path, Shards | None]


def one_of_many(config: TrainConfig, shards: Shards, out: Path, held_out: Shards | None) -> None:
    """What each process runs: it trains, and leaves in the folder what came of it."""
    try:
        done = train(config, shards, out, held_out)
    except PairpoolError as error:
        told = json.dumps({"kind": type(error).__name__, "text": str(error)})
        out.joinpath(FAILURE.replace("*", uuid4().hex)).write_text(told, encoding="utf-8")
        raise
    if done.files:  # only the first one has written any
        done.write(out / ACCOUNT)


def train_together(call: Call, start: Callable[[Callable[..., None], tuple[Any, ...]], None]) -> Trained:
    """Train in the processes that `start(work, arguments)` runs until all have ended.

    Raises:
        PairpoolError: what a process raised of its own accord.
        MachineError: if processes ended in another way. Run again to go on from the last checkpoint.
    """
    out = call[2]
    out.mkdir(parents=True, exist_ok=True)
    for old in (out / ACCOUNT, *out.glob(FAILURE)):
        old.unlink(missing_ok=True)
    try:
        start(one_of_many, call)
    except Exception as error:
        for path in out.glob(FAILURE):
            said = json.loads(path.read_text(encoding="utf-8"))
            raise getattr(errors, said["kind"])(said["text"]) from error
        raise MachineError(f"A process of the training failed: {error}") from error
    return Trained.read(out / ACCOUNT)
