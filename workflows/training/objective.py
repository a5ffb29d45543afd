"""What a training minimises, by name: towers that give features (`encode`), and a loss of the features of the whole batch."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch.nn import functional as F  # noqa: N812 - as everyone calls it

from workflows.training.config import TrainConfig
from workflows.training.contrastive import Contrastive
from workflows.training.losses import grouping, long_and_short, multi_positive
from workflows.training.model import Built
from workflows.training.step import Features
from workflows.training.tips.objective import Tips
from workflows.training.towers import check, project, see


class Dream(Contrastive):
    """DreamLIP: L = L_multi-positive + weight * L_grouping."""

    def __init__(self, built: Built, weight: float) -> None:
        super().__init__(built)
        check(self.model.visual)
        self.weight = weight

    def encode(self, images: torch.Tensor, tokens: torch.Tensor) -> Features:
        """Pictures, K texts each, and the grouping loss of each sample, which needs no other."""
        visual, scale = self.model.visual, self.scale
        seen, texts = see(visual, self.built.prepare(images)), self.texts(tokens)
        patches = F.normalize(project(visual, seen.patches), dim=-1)
        return {
            "images": F.normalize(project(visual, seen.classes[:, 0]), dim=-1),
            "texts": texts,
            "logit_scale": scale,
            "grouping": grouping(patches, texts, tokens, scale),
        }

    def loss(self, features: Features) -> Mapping[str, torch.Tensor]:
        """`loss` and its parts."""
        positive = multi_positive(features["images"], features["texts"], features["logit_scale"])
        grouped = features["grouping"].mean()
        return {"loss": positive + self.weight * grouped, "multi_positive": positive, "grouping": grouped}


class LongTexts(Contrastive):
    """Long-CLIP: a long and a short text a picture."""

    def encode(self, images: torch.Tensor, tokens: torch.Tensor) -> Features:
        """Pictures, and two texts each."""
        pictures = self.model.encode_image(self.built.prepare(images), normalize=True)
        return {"images": pictures, "texts": self.texts(tokens), "logit_scale": self.scale}

    def loss(self, features: Features) -> Mapping[str, torch.Tensor]:
        """See `losses.long_and_short`."""
        return {"loss": long_and_short(features["images"], features["texts"], features["logit_scale"])}


def objective(config: TrainConfig, built: Built) -> Contrastive:
    """The objective of that name. Its parameters are what is trained; its `model` is what is judged and saved.

    Raises:
        ConfigError: if the model does not fit.
    """
    if config.loss == "tips":
        return Tips(built, config.tips, config.seed)
    if config.loss == "dreamlip":
        return Dream(built, config.grouping)
    return LongTexts(built) if config.loss == "longclip" else Contrastive(built, config.loss)
