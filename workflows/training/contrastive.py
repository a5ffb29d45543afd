"""The objective of CLIP and SigLIP, which those of several texts a picture build on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from workflows.training.model import Built, criterion
from workflows.training.step import Features


class Contrastive(nn.Module):
    """One text a picture, against all others of the batch, by open_clip's losses.

    Attributes:
        model: open_clip's, which is what is judged and saved.
    """

    def __init__(self, built: Built, loss: str = "clip") -> None:
        super().__init__()
        self.built = built
        self.model: Any = built.model
        self.criterion = criterion(loss)

    def encode(self, images: torch.Tensor, tokens: torch.Tensor) -> Features:
        """Rows of samples, and scalars.

        Args:
            images: uint8, samples x 3 x size x size.
            tokens: samples x context length, or samples x K x context length.
        """
        found: Features = self.model(self.built.prepare(images), tokens)
        return found

    def loss(self, features: Features) -> Mapping[str, torch.Tensor]:
        """`loss` and its parts, of the rows of the whole batch."""
        return {"loss": self.criterion(**features)}

    def after_step(self) -> None:
        """What is due once the weights have changed: nothing here."""

    def texts(self, tokens: torch.Tensor) -> torch.Tensor:
        """Samples x K x context length to samples x K x dimensions, of unit length."""
        found: torch.Tensor = self.model.encode_text(tokens.flatten(0, 1), normalize=True)
        return found.view(*tokens.shape[:2], -1)

    @property
    def scale(self) -> torch.Tensor:
        """Of the logits."""
        found: torch.Tensor = self.model.logit_scale.exp()
        return found
