"""Distributed training on Ray: the one module that launches processes which train together."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

from pipeline.errors import MachineError
from pipeline.step import Resources


def connected() -> bool:
    """Whether this process stands on a Ray cluster: then its workers are Ray's too."""
    import ray

    return bool(ray.is_initialized())


def together(work: Callable[..., None], arguments: tuple[Any, ...], resources: Resources, folder: Path) -> None:
    """Run `work(*arguments)` in `resources.workers` Ray Train workers that torch.distributed joins; the first error ends all.

    The caller's own resources are lent out meanwhile only if it takes none: ask for a cluster of (workers + 1) * cpus.

    Args:
        work: a function of a module.
        folder: for Ray Train's own notes, reachable from every node.

    Raises:
        MachineError: with what the workers said.
    """
    from ray.train import FailureConfig, RunConfig, ScalingConfig
    from ray.train.torch import TorchTrainer

    need = {"CPU": resources.cpus} | ({"GPU": resources.gpus} if resources.gpus else {})
    scaling = ScalingConfig(num_workers=resources.workers, use_gpu=resources.gpus > 0, resources_per_worker=need)
    name = f"train-{uuid4().hex}"  # a name that Ray knows would be resumed by Ray
    run = RunConfig(name=name, storage_path=str(folder), failure_config=FailureConfig(max_failures=0))
    trainer = TorchTrainer(_Call(work, arguments), scaling_config=scaling, run_config=run)
    try:
        trainer.fit()
    except Exception as error:
        raise MachineError(f"Training together failed: {error}") from error


class _Call:
    """A call without arguments, which is what Ray Train runs."""

    def __init__(self, work: Callable[..., None], arguments: tuple[Any, ...]) -> None:
        self._work, self._arguments = work, arguments
        self.__name__ = work.__name__

    def __call__(self) -> None:
        self._work(*self._arguments)
