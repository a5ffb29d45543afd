"""Several processes that train one model: how they meet, what they tell one another, and one rank where nobody else is.

torchrun, Ray Train and `alone` give the same object; the trainer asks it and never the environment.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import torch
from torch import distributed, nn

PATIENCE = timedelta(hours=6)  #: the first rank judges the model while the others wait


@dataclass(frozen=True)
class Ranks:
    """The processes of one training, as one of them sees it.

    Attributes:
        rank, world: this process among how many.
        local: its number on its machine, which is that of its GPU.
        talk: the group for words between CPUs; what is said over it never waits for a GPU.
    """

    rank: int = 0
    world: int = 1
    local: int = 0
    talk: Any = None

    @property
    def first(self) -> bool:
        """Whether this is the one that writes."""
        return self.rank == 0

    def agree(self, *numbers: float) -> list[list[float]]:
        """What each rank says, by rank."""
        if self.world == 1:
            return [list(numbers)]
        said = torch.tensor(numbers, dtype=torch.float64)
        heard = [torch.empty_like(said) for _ in range(self.world)]
        distributed.all_gather(heard, said, group=self.talk)
        return [[float(number) for number in rank] for rank in heard]

    def everyone(self, value: Any) -> list[Any]:
        """An object of each rank, by rank: for what is small and rare."""
        if self.world == 1:
            return [value]
        heard: list[Any] = [None] * self.world
        distributed.all_gather_object(heard, value, group=self.talk)
        return heard

    def gather(self, mine: torch.Tensor, counts: Sequence[int]) -> torch.Tensor:
        """The rows of all ranks in their order, without a gradient; `counts[r]` rows of rank r, which may be none."""
        if self.world == 1:
            return mine
        padded = mine.new_zeros((max(counts), *mine.shape[1:]))
        padded[: len(mine)] = mine
        heard = [torch.empty_like(padded) for _ in range(self.world)]
        distributed.all_gather(heard, padded)
        return torch.cat([rows[:count] for rows, count in zip(heard, counts, strict=True)])

    def wrap(self, module: nn.Module, device: str) -> nn.Module:
        """The module, its gradients averaged over the ranks as they come."""
        if self.world == 1:
            return module
        from torch.nn.parallel import DistributedDataParallel

        devices = [self.local] if device.startswith("cuda") else None
        return DistributedDataParallel(module, devices, broadcast_buffers=False, gradient_as_bucket_view=True)


@contextmanager
def joined(device: str = "cpu") -> Iterator[Ranks]:
    """The ranks that torchrun (RANK, WORLD_SIZE) or Ray Train (a group that stands already) started; else this process alone.

    Args:
        device: `cuda` talks over NCCL, `cpu` over gloo.
    """
    standing = distributed.is_available() and distributed.is_initialized()
    if not standing and int(os.environ.get("WORLD_SIZE", "1")) == 1:
        yield Ranks()
        return
    if not standing:
        distributed.init_process_group("nccl" if device.startswith("cuda") else "gloo", timeout=PATIENCE)
    local = int(os.environ.get("LOCAL_RANK", "0"))
    if device.startswith("cuda"):
        torch.cuda.set_device(local)
    try:
        talk = distributed.new_group(backend="gloo", timeout=PATIENCE)
        yield Ranks(distributed.get_rank(), distributed.get_world_size(), local, talk)
    finally:
        if not standing:
            distributed.destroy_process_group()


def spawned(work: Callable[..., None], arguments: tuple[Any, ...], world: int) -> None:
    """Run `work(*arguments)` in so many processes of this machine, joined as torchrun joins them.

    Raises:
        ChildFailedError: of torch's launcher, with what the first rank that failed said.
    """
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    # Port 0: the launcher finds a free one.
    config = LaunchConfig(1, 1, world, rdzv_backend="c10d", rdzv_endpoint="localhost:0", max_restarts=0)
    elastic_launch(config, work)(*arguments)
