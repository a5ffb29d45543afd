"""A model on held-out pictures: their features, and retrieval among them. The trainer judges itself with this before and after."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch

from workflows.training.model import Built
from workflows.training.retrieval import retrieval, summary

__all__ = ["HeldOut", "evaluate", "features", "image_features", "judging", "summary", "text_features"]


@dataclass(frozen=True)
class HeldOut:
    """Pictures and texts that belong together: uint8, samples x 3 x size x size, and one text each."""

    images: torch.Tensor
    texts: Sequence[str]


def evaluate(built: Built, held_out: HeldOut, seed: int = 0) -> dict[str, Any]:
    """Recall at 1, 5 and 10 both ways, each with a 95 % bootstrap interval over queries, and what chance would give."""
    images, texts = features(built, held_out)
    return retrieval(images, texts, held_out.texts, seed)


def features(built: Built, held_out: HeldOut, batch: int = 256) -> tuple[torch.Tensor, torch.Tensor]:
    """Unit-length features of the pictures and of the texts, on the CPU at float32."""
    places = range(0, len(held_out.texts), batch)
    with judging(built):
        images = [image_features(built, held_out.images[at : at + batch]) for at in places]
    return torch.cat(images), text_features(built, held_out.texts, batch)


@contextmanager
def judging(built: Built) -> Iterator[None]:
    """The model in evaluation mode, without gradients; as it was afterwards."""
    was_training = built.model.training
    built.model.eval()
    try:
        with torch.inference_mode():
            yield
    finally:
        built.model.train(was_training)


def image_features(built: Built, images: torch.Tensor) -> torch.Tensor:
    """Of one batch, within `judging`."""
    found: torch.Tensor = built.model.encode_image(built.prepare(images), normalize=True)  # type: ignore[operator]
    return found.float().cpu()


def text_features(built: Built, texts: Sequence[str], batch: int = 256) -> torch.Tensor:
    """Of any number of texts; a text that stands there twice is encoded once."""
    distinct = {text: place for place, text in enumerate(dict.fromkeys(texts))}
    ordered, device = list(distinct), next(built.model.parameters()).device
    with judging(built):
        found = [
            built.model.encode_text(built.tokenizer(ordered[at : at + batch]).to(device), normalize=True).float().cpu()  # type: ignore[operator]
            for at in range(0, len(ordered), batch)
        ]
    return torch.cat(found)[[distinct[text] for text in texts]]
