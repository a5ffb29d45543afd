"""Train two projections over frozen features: a locked-image, locked-text two-tower model.

    python -m workflows.training.lit FEATURES.npz OUT/

After LiT (Zhai et al. 2022, arXiv 2111.07991) with both towers locked and the symmetric softmax loss of CLIP (Radford et al.
2021, arXiv 2103.00020, figure 3). A picture may have many texts and several views: each step draws one view and a few texts
of every picture in the batch, and what is no honest negative (another picture of the same group, the same text) is masked.

FEATURES.npz holds the arrays `image` (n, d), `image_item` (n,), `text` (m, e), `link_item` and `link_text` (p,): text
`link_text[i]` belongs to item `link_item[i]`; and optionally `item_group` (k,). 4,500 items take minutes on one core.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import typer

from workflows.training.lit_data import Array, Features, Table

CONSTANT = 1e-4


@dataclass(frozen=True)
class Recipe:
    """How to train. `texts` are the texts drawn for each item at a step; `noise` and `dropout` are applied to features."""

    dimension: int = 256
    epochs: int = 40
    batch: int = 1024
    texts: int = 2
    lr: float = 2e-3
    weight_decay: float = 0.1
    dropout: float = 0.2
    noise: float = 0.0
    warmup: float = 0.05
    temperature: float = 0.07
    seed: int = 0


@dataclass(frozen=True)
class Projections:
    """What was trained: affine maps from raw features, (dimension, features) and (dimension,) each, and the scale."""

    image_weight: Array
    image_bias: Array
    text_weight: Array
    text_bias: Array
    scale: Array

    def save(self, path: Path) -> None:
        """Write as npz with weights in half precision, which halves the file and moves no cosine by more than 0.001."""
        path.parent.mkdir(parents=True, exist_ok=True)
        arrays = {
            name: array.astype(np.float16 if array.ndim == 2 else np.float32) for name, array in vars(self).items()
        }
        np.savez(path, **arrays)


def contrastive(images: Any, texts: Any, scale: Any, neutral: Any) -> Any:
    """Symmetric cross-entropy over cosines; pair i is positive, `neutral` pairs (besides) count as nothing.

    Args:
        images, texts: unit rows, (n, d).
        scale: logit scale.
        neutral: bool (n, n), pairs that are no negatives.
    """
    import torch
    from torch.nn.functional import cross_entropy

    own = torch.arange(len(images))
    masked = neutral.clone()
    masked[own, own] = False
    logits = (scale * images @ texts.T).masked_fill(masked, -torch.inf)
    return (cross_entropy(logits, own) + cross_entropy(logits.T, own)) / 2


def batches(features: Features, recipe: Recipe, rng: np.random.Generator) -> Iterator[tuple[Array, Array, list[Array]]]:
    """For every step: the items, one view of each, and `texts` drawn texts of each."""
    count = len(features.item_group)
    views = Table.of(features.image_item, np.arange(len(features.image)), count)
    texts = Table.of(features.link_item, features.link_text, count)
    usable = np.flatnonzero((np.diff(views.start) > 0) & (np.diff(texts.start) > 0))
    size = min(recipe.batch, len(usable))
    for _ in range(recipe.epochs):
        order = rng.permutation(usable)
        for first in range(0, len(order) - size + 1, size):
            items = order[first : first + size]
            yield items, views.draw(items, rng), [texts.draw(items, rng) for _ in range(recipe.texts)]


def train(features: Features, recipe: Recipe, history: list[dict[str, float]] | None = None) -> Projections:
    """Fit the projections. The same features and recipe give the same projections on one machine and thread count.

    Args:
        history: gets one record an epoch, of the mean loss and the scale.
    """
    import torch

    torch_rng = torch.Generator().manual_seed(recipe.seed)
    image, image_norm = _standardised(features.image)
    text, text_norm = _standardised(features.text)
    maps = [_initial(len(norm[0]), recipe.dimension, torch_rng) for norm in (image_norm, text_norm)]
    log_scale = torch.tensor(math.log(1 / recipe.temperature), requires_grad=True)
    optimiser = torch.optim.AdamW(
        [{"params": maps, "weight_decay": recipe.weight_decay}, {"params": [log_scale], "weight_decay": 0.0}],
        lr=recipe.lr,
    )
    plan = list(batches(features, recipe, np.random.default_rng(recipe.seed)))
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: _rate(step, len(plan), recipe.warmup))
    group, losses = torch.from_numpy(features.item_group), []
    for step, (items, view, drawn) in enumerate(plan):
        images = _embed(_noisy(image[view], recipe, torch_rng), maps[0])
        same_group = group[items][:, None] == group[items][None, :]
        loss = torch.zeros(())
        for chosen in drawn:
            number = torch.from_numpy(chosen)
            texts = _embed(_noisy(text[number], recipe, torch_rng), maps[1])
            neutral = same_group | (number[:, None] == number[None, :])
            loss = loss + contrastive(images, texts, log_scale.exp(), neutral) / len(drawn)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        schedule.step()
        with torch.no_grad():
            log_scale.clamp_(max=math.log(100))
        losses.append(loss.item())
        if history is not None and (step + 1) % max(1, len(plan) // recipe.epochs) == 0:
            history.append({"step": step + 1, "loss": float(np.mean(losses)), "scale": math.exp(log_scale.item())})
            losses.clear()
    return Projections(*_folded(maps[0], image_norm), *_folded(maps[1], text_norm), log_scale.detach().exp().numpy())


def _standardised(values: Array) -> tuple[Any, tuple[Array, Array]]:
    import torch

    mean, deviation = values.mean(0), values.std(0)
    deviation[deviation < CONSTANT] = np.inf  # tells nothing, and would get a huge weight
    return torch.from_numpy(((values - mean) / deviation).astype(np.float32)), (mean, deviation)


def _initial(features: int, dimension: int, rng: Any) -> Any:
    import torch

    return (torch.randn(dimension, features, generator=rng) / math.sqrt(features)).requires_grad_()


def _noisy(values: Any, recipe: Recipe, rng: Any) -> Any:
    import torch

    if recipe.noise:
        values = values + torch.randn(values.shape, generator=rng) * recipe.noise
    if recipe.dropout:
        values = values * (torch.rand(values.shape, generator=rng) >= recipe.dropout) / (1 - recipe.dropout)
    return values


def _embed(values: Any, weight: Any) -> Any:
    from torch.nn.functional import normalize

    return normalize(values @ weight.T, dim=1)


def _rate(step: int, steps: int, warmup: float) -> float:
    """Linear warm-up, then a cosine to zero."""
    ramp = max(1, round(steps * warmup))
    return min(1.0, (step + 1) / ramp) * 0.5 * (1 + math.cos(math.pi * step / steps))


def _folded(weight: Any, norm: tuple[Array, Array]) -> tuple[Array, Array]:
    """The affine map from raw features that does the standardising too."""
    mean, deviation = norm
    folded = weight.detach().numpy() / deviation
    return folded, -folded @ mean


def main(
    features: Path, out: Path, seed: int = 0, epochs: int = Recipe.epochs, dimension: int = Recipe.dimension
) -> None:
    """Train on FEATURES (npz) and write OUT/projections.npz, OUT/recipe.json and OUT/history.jsonl."""
    recipe = Recipe(seed=seed, epochs=epochs, dimension=dimension)
    history: list[dict[str, float]] = []
    train(Features.load(features), recipe, history).save(out / "projections.npz")
    (out / "recipe.json").write_text(json.dumps(asdict(recipe), indent=1) + "\n")
    (out / "history.jsonl").write_text("".join(json.dumps(record) + "\n" for record in history))
    typer.echo(f"loss {history[0]['loss']:.3f} -> {history[-1]['loss']:.3f}; projections in {out}")


if __name__ == "__main__":
    typer.run(main)
