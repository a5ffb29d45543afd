"""How a training fares, on the part of its own split that it is not trained on: the figures that choose a recipe."""

from collections import defaultdict
from typing import Any

import numpy as np
import torch

from workflows.demo.captioner import judge, tokens
from workflows.demo.captioner.data import Easel, Sample
from workflows.demo.captioner.judge import Answer, Truth
from workflows.demo.captioner.model import greedy
from workflows.demo.captioner.pieces import Art
from workflows.demo.captioner.shape import Grid

PICTURES, SCENES, SEED = 192, 128, 77
MOST = {"pictures": 36, "scenes": 48}  # tokens: enough for the short and the medium field
Single = tuple[Grid, Sample]


def set_apart_samples(art: list[Art]) -> dict[str, list[Single]]:
    """Pictures on white, and scenes, of the art that is set apart for validation: the same ones at every call."""
    if not any(piece.solo and piece.validation for piece in art):
        return {}
    found = {}
    for name, (count, scenes) in {"pictures": (PICTURES, 0.0), "scenes": (SCENES, 1.0)}.items():
        easel = Easel(art, SEED, scenes=scenes, validation=True)
        found[name] = [(grid, samples[0]) for grid, samples in (easel.batch(step, 1) for step in range(count))]
    return found


def validate(model: Any, tokenizer: Any, drawn: dict[str, list[Single]]) -> dict[str, dict[str, float]]:
    """Shares of right colours, grounds and head nouns per set of samples, greedy and unguided."""
    model.eval()
    found = {name: _rated(model, tokenizer, samples, MOST[name]) for name, samples in drawn.items()}
    model.train()
    return found


def _rated(model: Any, tokenizer: Any, drawn: list[Single], most: int) -> dict[str, float]:
    told = answers(model, tokenizer, drawn, most)
    pairs = [(answer, _truth(sample)) for answer, (_, sample) in zip(told, drawn, strict=True)]
    verdicts = {"colour": judge.colour_right, "ground": judge.background_right, "noun": judge.named}
    rated = {
        name: float(np.mean([answer is not None and right(answer, truth) for answer, truth in pairs]))
        for name, right in verdicts.items()
    }
    return {name: round(rate, 3) for name, rate in rated.items()}


def _truth(sample: Sample) -> Truth:
    things = sample.sight.things
    main = tuple(thing.colours[0] for thing in things if thing.colours)
    return Truth(main, tuple(thing.name for thing in things), sample.sight.background)


def answers(model: Any, tokenizer: Any, drawn: list[Single], most: int) -> list[Answer | None]:
    """The short and medium captions that `model` gives, in the order of `drawn`; None where it does not come so far."""
    prompt = torch.tensor(tokenizer.encode(tokens.before_image())), torch.tensor(tokenizer.encode(tokens.AFTER_IMAGE))
    by_grid: dict[Grid, list[int]] = defaultdict(list)
    for i, (grid, _) in enumerate(drawn):
        by_grid[grid].append(i)
    found: dict[int, Answer | None] = {}
    for grid, indices in by_grid.items():
        pixels = torch.from_numpy(np.stack([drawn[i][1].pixels for i in indices]))
        for i, ids in zip(indices, greedy(model, pixels, grid, prompt, most), strict=True):
            found[i] = _read(tokenizer.decode(ids))
    return [found[i] for i in range(len(drawn))]


def _read(text: str) -> Answer | None:
    parts = text.removeprefix(tokens.SKELETON[0]).split(tokens.SKELETON[1])
    if len(parts) < 2 or tokens.SKELETON[2] not in parts[1]:
        return None
    return Answer(parts[0], parts[1].split(tokens.SKELETON[2])[0], "")
