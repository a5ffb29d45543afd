"""Image-text retrieval on a held-out set: how often the right text, or picture, is among the nearest, with intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import comb
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from workflows.training.model import Built

KS = (1, 5, 10)
RESAMPLES = 1000
Ranks = npt.NDArray[np.int64]


@dataclass(frozen=True)
class HeldOut:
    """Pictures and texts that belong together: uint8, samples x 3 x size x size, and one text each."""

    images: torch.Tensor
    texts: Sequence[str]


def evaluate(built: Built, held_out: HeldOut, seed: int = 0) -> dict[str, Any]:
    """Recall at 1, 5 and 10 both ways, each with a 95 % bootstrap interval over queries, and what chance would give."""
    images, texts = features(built, held_out)
    return retrieval(images, texts, held_out.texts, seed)


def retrieval(images: torch.Tensor, texts: torch.Tensor, names: Sequence[str], seed: int = 0) -> dict[str, Any]:
    """As `evaluate`, from unit-length features (samples x dimensions). Samples of one text are right for each other."""
    groups = _groups(names)
    scores = (images @ texts.T).numpy()
    return {
        "samples": len(names),
        "distinct_texts": int(groups.max()) + 1,
        "chance": _chance(groups),
        "image_to_text": _recalls(ranks(scores, groups), seed),
        "text_to_image": _recalls(ranks(scores.T, groups), seed),
    }


def features(built: Built, held_out: HeldOut, batch: int = 256) -> tuple[torch.Tensor, torch.Tensor]:
    """Unit-length features of the pictures and of the texts, on the CPU at float32."""
    images, texts = [], []
    was_training = built.model.training
    built.model.eval()
    device = next(built.model.parameters()).device
    with torch.inference_mode():
        for at in range(0, len(held_out.texts), batch):
            tokens = built.tokenizer(list(held_out.texts[at : at + batch])).to(device)
            pixels = built.prepare(held_out.images[at : at + batch])
            images.append(built.model.encode_image(pixels, normalize=True).float().cpu())  # type: ignore[operator]
            texts.append(built.model.encode_text(tokens, normalize=True).float().cpu())  # type: ignore[operator]
    built.model.train(was_training)
    return torch.cat(images), torch.cat(texts)


def ranks(scores: npt.NDArray[np.float32], groups: npt.NDArray[np.int64]) -> Ranks:
    """For each query (row) the rank of its best right answer, from 0. A tie with a wrong answer is lost.

    Losing ties is what keeps a collapsed model, which scores all alike, from scoring full marks.
    """
    right = groups[:, None] == groups[None, :]
    best = np.where(right, scores, -np.inf).max(axis=1)
    found: Ranks = ((scores >= best[:, None]) & ~right).sum(axis=1)
    return found


def _groups(names: Sequence[str]) -> npt.NDArray[np.int64]:
    """Equal texts, equal numbers."""
    numbers: dict[str, int] = {}
    return np.array([numbers.setdefault(" ".join(name.split()).casefold(), len(numbers)) for name in names])


def _recalls(found: Ranks, seed: int) -> dict[str, dict[str, float]]:
    return {f"R@{k}": _interval((found < k).astype(np.float64), seed) for k in KS}


def _interval(hits: npt.NDArray[np.float64], seed: int) -> dict[str, float]:
    """The mean, and the middle 95 % of means over resampled queries (Efron's percentile bootstrap)."""
    generator = np.random.RandomState(seed)
    means = [hits[generator.randint(0, len(hits), len(hits))].mean() for _ in range(RESAMPLES)]
    low, high = np.percentile(means, [2.5, 97.5])
    return {"value": float(hits.mean()), "low": float(low), "high": float(high)}


def _chance(groups: npt.NDArray[np.int64]) -> dict[str, float]:
    """Expected recall of a random order: 1 - C(n - g, k) / C(n, k) for a query with g right answers among n."""
    n, sizes = len(groups), np.bincount(groups)[groups]
    return {f"R@{k}": float(np.mean([1 - comb(n - int(g), k) / comb(n, min(k, n)) for g in sizes])) for k in KS}


def summary(result: Mapping[str, Any]) -> dict[str, float]:
    """The mean of both ways for each k: one line of a table."""
    ways = ("image_to_text", "text_to_image")
    return {f"R@{k}": sum(result[way][f"R@{k}"]["value"] for way in ways) / len(ways) for k in KS}
