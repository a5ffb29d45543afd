"""One step's gradient, equal however its samples are spread over ranks and micro-batches (but for the last bits of floats).

Contrastive losses see the whole batch at once. So features come first, without their graph where memory is short; the loss is
taken of the features of all ranks; and each micro-batch is run again to carry its features' gradient to the weights. This is
GradCache (Gao et al. 2021, arXiv 2101.06983, section 3): exact, at one more forward pass. With one micro-batch the first pass
keeps its graph and nothing is run twice.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import nn

from workflows.training.distributed import Ranks

Features = dict[str, torch.Tensor]


class Objective(Protocol):
    """What a training minimises: a module whose loss can be taken apart from its towers.

    Its `model` is open_clip's, which is what is judged and saved; `objective` has them by name.
    """

    def encode(self, images: torch.Tensor, tokens: torch.Tensor) -> Features:
        """Tensors of one row a sample, and scalars such as the logit scale, of (part of) a batch of uint8 pictures.

        What is a mean over samples (self-distillation) is a row a sample here: it needs no other sample. It may run twice for
        one gradient: it changes no state, and draws from torch's stream, which stands where it stood the first time.
        """

    def loss(self, features: Features) -> Mapping[str, torch.Tensor]:
        """`loss` and its parts, of the rows of the whole batch. It reads the features alone, no weight."""

    def after_step(self) -> None:
        """The weights have changed: what follows them (a teacher) may follow."""


class Encoder(nn.Module):
    """An objective's towers as a module to call, which is what DistributedDataParallel can wrap."""

    def __init__(self, objective: nn.Module) -> None:
        super().__init__()
        self.objective = objective

    def forward(self, images: torch.Tensor, tokens: torch.Tensor) -> Features:
        """Features of the samples; of none, with a graph all the same: no rank may be missing in a backward pass."""
        count = len(images)
        if not count:
            images, tokens = images.new_zeros((1, *images.shape[1:])), tokens.new_zeros((1, *tokens.shape[1:]))
        found: Features = self.objective.encode(images, tokens)  # type: ignore[operator]
        return {name: value if value.ndim == 0 else value[:count] for name, value in found.items()}


@dataclass
class Gradient:
    """Fills the gradients of an objective's parameters from one step's samples.

    Attributes:
        encoder: wrapped by `ranks.wrap`.
        parts: micro-batches.
        autocast: compute the features under bfloat16.
        seed: of what the towers draw (patch dropout, masks).
    """

    objective: Objective
    encoder: nn.Module
    ranks: Ranks
    device: str
    parts: int = 1
    autocast: bool = False
    seed: int = 0

    def __call__(
        self, images: torch.Tensor, tokens: torch.Tensor, counts: list[int], step: int
    ) -> dict[str, torch.Tensor]:
        """The loss of the whole batch and its parts, equal on all ranks; gradients are left on the parameters.

        Args:
            images, tokens: of this rank, on the device; may be none.
            counts: samples of each rank.
            step: keys the randomness, so that a resume draws what the training would have drawn.
        """
        size = max(1, -(-len(images) // self.parts))
        pieces = list(zip(torch.split(images, size), torch.split(tokens, size), strict=True))
        once = self.parts == 1
        found = [self._encode(piece, step, number, graph=once) for number, piece in enumerate(pieces)]
        mine = {name: value if value.ndim == 0 else _joined(found, name) for name, value in found[0].items()}
        leaves = {name: self._leaf(value, counts) for name, value in mine.items()}
        told = self.objective.loss(leaves)
        told["loss"].backward()  # type: ignore[no-untyped-call]
        below = sum(counts[: self.ranks.rank])
        wanted = {name: self._own(leaf, below, len(images)) for name, leaf in leaves.items() if leaf.grad is not None}
        if once:
            _carry(found[0], wanted)
        else:
            self._again(pieces, wanted, step)
        return {name: value.detach() for name, value in told.items()}

    def _encode(self, piece: Any, step: int, number: int, *, graph: bool) -> Features:
        digest = hashlib.blake2b(repr((self.seed, step, self.ranks.rank, number)).encode(), digest_size=7).digest()
        torch.manual_seed(int.from_bytes(digest, "big"))
        encoder = self.encoder if graph else getattr(self.encoder, "module", self.encoder)
        with torch.set_grad_enabled(graph), torch.autocast(self.device, torch.bfloat16, enabled=self.autocast):
            features: Features = encoder(*piece)
        return features

    def _leaf(self, value: torch.Tensor, counts: list[int]) -> torch.Tensor:
        value = value.detach()
        whole = value if value.ndim == 0 else self.ranks.gather(value, counts)
        return whole.float().requires_grad_() if whole.is_floating_point() else whole

    def _own(self, leaf: torch.Tensor, below: int, count: int) -> torch.Tensor:
        """The gradient of this rank's rows. Ranks are averaged: rows that one rank alone has count as many times."""
        assert leaf.grad is not None
        return leaf.grad if leaf.ndim == 0 else leaf.grad[below : below + count] * self.ranks.world

    def _again(self, pieces: list[Any], wanted: Features, step: int) -> None:
        at = 0
        for number, piece in enumerate(pieces):
            last = number == len(pieces) - 1
            with nullcontext() if last else self._unsynced():
                found = self._encode(piece, step, number, graph=True)
                own = {n: g / len(pieces) if g.ndim == 0 else g[at : at + len(piece[0])] for n, g in wanted.items()}
                _carry(found, own)
            at += len(piece[0])

    def _unsynced(self) -> AbstractContextManager[None]:
        quiet: Any = getattr(self.encoder, "no_sync", nullcontext)
        return quiet()  # type: ignore[no-any-return]


def _joined(found: list[Features], name: str) -> torch.Tensor:
    return found[0][name] if len(found) == 1 else torch.cat([features[name] for features in found])


def _carry(found: Features, wanted: Features) -> None:
    """From the gradient of features to that of the weights."""
    names = [name for name in wanted if found[name].requires_grad]
    torch.autograd.backward([found[n] for n in names], [wanted[n].to(found[n].dtype) for n in names])
