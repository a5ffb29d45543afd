"""Heads and their losses: what a token is a mixture of, as the student says and as the teacher says."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812 - as everyone calls it

from workflows.training.options import TipsOptions


class Head(nn.Module):
    """DINO's head (arXiv 2104.14294, appendix C): three layers to a unit vector, and its cosine to each prototype."""

    def __init__(self, width: int, options: TipsOptions) -> None:
        super().__init__()
        sizes = (width, options.hidden, options.hidden, options.bottleneck)
        layers: list[nn.Module] = []
        for before, after in pairwise(sizes):
            linear = nn.Linear(before, after)
            nn.init.trunc_normal_(linear.weight, std=0.02)
            nn.init.zeros_(linear.bias)
            layers += [linear, nn.GELU()]
        self.layers = nn.Sequential(*layers[:-1])
        self.prototypes = nn.Parameter(torch.randn(options.prototypes, options.bottleneck) * 0.02)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """... x width to ... x prototypes: logits in [-1, 1]."""
        return F.linear(F.normalize(self.layers(tokens), dim=-1, eps=1e-6), F.normalize(self.prototypes, dim=-1))


def target(logits: torch.Tensor, centre: torch.Tensor, temperature: float) -> torch.Tensor:
    """The teacher's distribution: centred, so that no prototype wins everything, and sharpened, so that not all are alike."""
    return ((logits.float() - centre) / temperature).softmax(dim=-1)


def cross_entropy(wanted: torch.Tensor, logits: torch.Tensor, temperature: float) -> torch.Tensor:
    """-sum h_t log h_s over the last dimension."""
    return -(wanted * (logits.float() / temperature).log_softmax(dim=-1)).sum(dim=-1)


def over_crops(wanted: torch.Tensor, logits: torch.Tensor, temperature: float) -> torch.Tensor:
    """L_DINO, a row a sample: the mean over its crops, where the paper writes a sum.

    Args:
        wanted: samples x prototypes.
        logits: samples x crops x prototypes.
        temperature: of the student.
    """
    return cross_entropy(wanted[:, None], logits, temperature).mean(dim=1)


def over_tokens(
    wanted: torch.Tensor, logits: torch.Tensor, masked: torch.Tensor, temperature: float, *, every_token: bool
) -> torch.Tensor:
    """L_iBOT, a row a sample: the mean over its masked tokens (arXiv 2111.07832); iBOT++: over every token.

    The paper writes sums. Means keep beta = 2 from depending on the number of tokens.

    Args:
        wanted, logits: samples x tokens x prototypes.
        masked: samples x tokens; at least one of each.
        temperature: of the student.
        every_token: drop the mask from the loss. The student's input stays masked.
    """
    losses = cross_entropy(wanted, logits, temperature)
    weights = torch.ones_like(losses) if every_token else masked.to(losses.dtype)
    return (losses * weights).sum(dim=1) / weights.sum(dim=1)


class Centre(nn.Module):
    """A running mean of the teacher's logits; what is seen during a step counts once the step is done.

    A step that looks at all its samples twice (`step`) finds the same mean.
    """

    value: torch.Tensor

    def __init__(self, prototypes: int, momentum: float) -> None:
        super().__init__()
        self.momentum = momentum
        self.register_buffer("value", torch.zeros(prototypes))
        self._total, self._count = torch.zeros(()), 0

    def saw(self, logits: torch.Tensor) -> None:
        """Note logits, ... x prototypes."""
        rows = logits.detach().float().flatten(0, -2)
        self._total = rows.sum(dim=0) + (self._total if self._count else 0.0)
        self._count += len(rows)

    def move(self) -> None:
        """Take in what was seen since, by all ranks."""
        total = torch.cat([self._total.expand_as(self.value).to(self.value), self.value.new_tensor([self._count])])
        if torch.distributed.is_available() and torch.distributed.is_initialized():
            torch.distributed.all_reduce(total)
        moved = self.value.lerp(total[:-1] / total[-1], 1 - self.momentum)
        self.value.copy_(torch.where(moved.isfinite(), moved, self.value))  # nothing seen, or a step that went wrong
        self._total, self._count = torch.zeros(()), 0


@torch.no_grad()
def follow(teacher: nn.Module, student: nn.Module, momentum: float) -> None:
    """Move each of the teacher's parameters towards the student's: t <- m t + (1 - m) s."""
    for slow, fast in zip(teacher.parameters(), student.parameters(), strict=True):
        slow.lerp_(fast.to(slow.dtype), 1 - momentum)
