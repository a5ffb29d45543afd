"""A training at one step: the model, what follows it, and what a checkpoint holds of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch

from pipeline.recipe import Identity, literals
from workflows.training import checkpoint
from workflows.training.account import Account, Trained
from workflows.training.clock import Clock
from workflows.training.config import TrainConfig
from workflows.training.distributed import Ranks
from workflows.training.model import build, parameter_groups
from workflows.training.objective import objective
from workflows.training.selection import selector
from workflows.training.shards import Shards


class State:
    """All that changes while a model is trained.

    Args:
        config: of the training.
        shards: it is trained on.
        device: `cpu` or `cuda`.
        ranks: that train it.
        folder: of the checkpoints.

    Attributes:
        selector: of the samples of a super-batch; None trains on all that are read.
        step: steps taken.
        bad: of them, those whose gradient was no number and that changed nothing: in a row until now, and in all.
        before: the judgement before the first step.
    """

    def __init__(self, config: TrainConfig, shards: Shards, device: str, ranks: Ranks, folder: Path) -> None:
        self.config, self.shards, self.device, self.ranks, self.folder = config, shards, device, ranks, folder
        self.built = build(config, device)
        self.model: Any = self.built.model
        if config.recompute:
            self.built.model.set_grad_checkpointing(True)  # type: ignore[operator]
        self.objective = objective(config, self.built).train()
        self.selector = selector(config.selection, self.built, config.loss, config.seed, device)
        groups = parameter_groups(self.objective, config.weight_decay)
        self.optimizer: Any = torch.optim.AdamW(groups, lr=config.lr, betas=(0.9, 0.98), eps=1e-6, fused=True)
        self.account, self.clock = Account(shards.sizes), Clock(config, device == "cuda")
        self.before: dict[str, Any] | None = None
        self.step = self._saved_step = 0
        self._saved_at = 0.0
        self.bad = torch.zeros(2, device=device)

    @property
    def weights(self) -> list[torch.Tensor]:
        """What is trained."""
        return [value for group in self.optimizer.param_groups for value in group["params"]]

    @property
    def due(self) -> bool:
        """Whether a checkpoint should follow the next step."""
        steps, minutes = self.config.checkpoint_steps, self.config.checkpoint_minutes
        by_steps = steps and self.step + 1 - self._saved_step >= steps
        return bool(by_steps or (minutes and self.clock.elapsed - self._saved_at >= minutes * 60))

    def save(self) -> None:
        """Write a checkpoint; every rank takes part, the first one writes."""
        self.clock.waiting()
        account = self.account.state(self.ranks)
        self._saved_step, self._saved_at = self.step, self.clock.elapsed
        if self.ranks.first:
            checkpoint.save(self.folder, self.step, self._state(account), self.config.keep)

    def _state(self, account: dict[str, Any]) -> dict[str, Any]:
        beside = {name: value for name, value in self.objective.state_dict().items() if not name.startswith("model.")}
        return {
            "state_dict": self.model.state_dict(),
            "objective": beside,
            "optimizer": self.optimizer.state_dict(),
            "step": self.step,
            "bad": self.bad,
            "clock": {"seconds": self.clock.elapsed, "waited": self.clock.waited, "samples": self.clock.samples},
            "account": account,
            "identity": json.dumps(self._identity()),
            "before": json.dumps(self.before),
        }

    def _identity(self) -> Identity:
        """What makes two trainings the same: the config's literals, and which sample stands where."""
        shards = {path.name: size for path, size in zip(self.shards.paths, self.shards.sizes, strict=True)}
        made: Identity = json.loads(json.dumps({"config": literals(self.config), "shards": shards}))
        return made

    def resume(self) -> int:
        """Go on from the last checkpoint, if there is one; its step, else 0.

        Raises:
            ConfigError: if it is of another training, or of other processes than can take over.
        """
        found = checkpoint.latest(self.folder, self._identity())
        if found is None:
            return 0
        visits = checkpoint.visits_of(found, self.ranks.world, by_place=self.config.online is None)
        self.model.load_state_dict(found["state_dict"])
        self.objective.load_state_dict(found["objective"], strict=False)
        self.optimizer.load_state_dict(found["optimizer"])
        self.account.restore(found["account"], visits[self.ranks.rank], self.ranks)
        self.clock = Clock(self.config, self.device == "cuda", **found["clock"])
        self.bad, self.before = found["bad"].to(self.device), json.loads(found["before"])
        self.step = self._saved_step = found["step"]
        self._saved_at = self.clock.elapsed
        return self.step

    def trained(self, resumed: int) -> Trained:
        """The account at the end, of all ranks."""
        account = Account(self.shards.sizes)
        account.restore(self.account.state(self.ranks), 0, Ranks())
        return Trained(
            {}, len(account.met), int(account.met.sum()), account.shown, account.skipped, self.step, int(self.bad[1]),
            account.faults, account.fields, {}, self.clock.rate, resumed,
        )  # fmt: skip
