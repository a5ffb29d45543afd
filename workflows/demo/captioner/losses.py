"""What a training step is held to: the answers token by token, and for the vision tower the teacher and the colours."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.attention import SDPBackend, sdpa_kernel

from workflows.demo.captioner import tokens
from workflows.demo.captioner.colours import COLOURS, name_pixels
from workflows.demo.captioner.data import Sample
from workflows.demo.captioner.model import WIDTH, decode, patch_order, patchify, see
from workflows.demo.captioner.shape import MERGE, PATCH, Grid

# The short field is where the object is first named and coloured; what follows it copies.
SHORT_WEIGHT, COLOUR_WEIGHT = 3.0, 3.0
DISTIL_WEIGHT, SHARES_WEIGHT, GROUND_WEIGHT, PATCH_WEIGHT = 1.0, 0.5, 0.3, 1.0
Drawn = tuple[Grid, list[Sample]]


@dataclass(frozen=True)
class Asked:
    """How a step asks: the prompt, and how many fields of the answer it teaches."""

    prompt: str
    fields: int


class Heads(nn.Module):
    """What only training needs: from patches to the teacher's features, an object's and a patch's colour shares, the ground's
    colours."""

    taught: Tensor

    def __init__(self, taught: Tensor) -> None:
        """`taught` (pieces of art, dimensions) are the teacher's features."""
        super().__init__()
        self.register_buffer("taught", taught, persistent=False)
        self.teacher = nn.Linear(WIDTH, taught.shape[1])
        self.shares = nn.Linear(WIDTH, len(COLOURS))
        self.ground = nn.Linear(WIDTH, len(COLOURS) + 1)
        self.patch = nn.Linear(WIDTH, len(COLOURS))


@dataclass(frozen=True)
class Losses:
    """The parts of a step's loss: weighted cross-entropy of the answers, 1 - cosine to the teacher over the objects, and
    cross-entropies of the objects' colour shares, of the ground's colour and of each patch's colour shares."""

    told: Tensor
    looked: Tensor
    shares: Tensor
    ground: Tensor
    patch: Tensor

    @property
    def total(self) -> Tensor:
        """The weighted sum."""
        parts = (DISTIL_WEIGHT, self.looked), (SHARES_WEIGHT, self.shares), (GROUND_WEIGHT, self.ground)
        return self.told + sum(weight * part for weight, part in parts) + PATCH_WEIGHT * self.patch


def losses(model: Any, heads: Heads, tokenizer: Any, drawn: Drawn, asked: Asked) -> Losses:
    """The losses of one batch."""
    grid, samples = drawn
    pixels = torch.from_numpy(np.stack([sample.pixels for sample in samples]))
    prefix = torch.tensor(tokenizer.encode(tokens.before_image(asked.prompt)))
    ids, weights, before = targets(tokenizer, samples, asked.fields)
    # At these lengths the plain formula of attention is a tenth cheaper, backwards above all, than the blocked one.
    with torch.autocast("cpu", dtype=torch.bfloat16), sdpa_kernel(SDPBackend.MATH):
        seen, hidden = see(model.model.visual, patchify(pixels), grid)
        out = decode(model, seen, prefix, ids, grid)[:, before - 1 : -1]
        logits = model.lm_head(out).float()
    told = functional.cross_entropy(logits.flatten(0, 1), ids[:, before:].flatten(), reduction="none")
    weight = weights[:, before:].flatten()
    return Losses((told * weight).sum() / weight.sum(), *_seen(heads, hidden.float(), grid, samples))


def _seen(heads: Heads, hidden: Tensor, grid: Grid, samples: list[Sample]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    which, index, over = boxes(samples, grid)
    hidden = functional.layer_norm(hidden, (WIDTH,))
    pooled = torch.einsum("mn,mnd->md", over, hidden[which])
    held = torch.tensor([place.shares for sample in samples for place in sample.placed])
    grounds = [(*COLOURS, None).index(sample.sight.background) for sample in samples]
    return (
        1 - functional.cosine_similarity(heads.teacher(pooled), heads.taught[index]).mean(),
        functional.cross_entropy(heads.shares(pooled), held),
        functional.cross_entropy(heads.ground(hidden.mean(1)), torch.tensor(grounds)),
        functional.cross_entropy(heads.patch(hidden).flatten(0, 1), patch_shares(samples).flatten(0, 1)),
    )


def patch_shares(samples: list[Sample]) -> Tensor:
    """The share of each of COLOURS in every patch (B, N, colours), in the order of the merger; every other pixel is measured."""
    pixels = np.stack([sample.pixels for sample in samples])[:, :, ::2, ::2].transpose(0, 2, 3, 1)
    named = torch.from_numpy(name_pixels(pixels))
    batch, high, wide = named.shape
    side = PATCH // 2
    cells = named.reshape(batch, high // (MERGE * side), MERGE, side, wide // (MERGE * side), MERGE, side)
    patches = cells.permute(0, 1, 4, 2, 5, 3, 6).reshape(batch, -1, side * side)
    return functional.one_hot(patches, len(COLOURS)).float().mean(2)


def targets(tokenizer: Any, samples: list[Sample], fields: int = 3) -> tuple[Tensor, Tensor, int]:
    """(tail ids (B, L), weight of each as a target (B, L), number of tokens before the answer).

    With `fields` below three, answers are cut after so many: what follows the short field repeats it, and costs more than it.
    """
    after = tokenizer.encode(tokens.AFTER_IMAGE)
    opening = tokenizer.convert_tokens_to_ids(tokens.SKELETON[1])
    answers = [tokenizer.encode(tokens.answer(*sample.captions) + tokens.END) for sample in samples]
    if fields < len(tokens.FIELDS):
        closing = tokenizer.convert_tokens_to_ids(tokens.SKELETON[fields])
        answers = [answer[: answer.index(closing) + 1] for answer in answers]
    length = max(map(len, answers))
    ids = torch.full((len(samples), len(after) + length), tokenizer.pad_token_id)
    weights = torch.zeros(ids.shape)
    for row, answer in enumerate(answers):
        ids[row, : len(after) + len(answer)] = torch.tensor(after + answer)
        weights[row, len(after) : len(after) + len(answer)] = 1.0
        weights[row, len(after) : len(after) + answer.index(opening)] = SHORT_WEIGHT
    weights[torch.isin(ids, colour_tokens(tokenizer))] *= COLOUR_WEIGHT
    return ids, weights, len(after)


def colour_tokens(tokenizer: Any) -> Tensor:
    """The ids of the colour words that are one token after a space."""
    encoded = [tokenizer.encode(" " + colour) for colour in COLOURS]
    return torch.tensor([ids[0] for ids in encoded if len(ids) == 1], dtype=torch.long)


def boxes(samples: list[Sample], grid: Grid) -> tuple[Tensor, Tensor, Tensor]:
    """Per placed object: sample index (M,), art index (M,), weights over the patches (M, N) that sum to one."""
    rows, columns = patch_order(grid)
    placed = [(i, place) for i, sample in enumerate(samples) for place in sample.placed]
    inside = [
        (rows >= top) & (rows < down) & (columns >= left) & (columns < right)
        for top, left, down, right in (place.box for _, place in placed)
    ]
    masks = torch.stack(inside).float()
    return (
        torch.tensor([i for i, _ in placed]),
        torch.tensor([place.index for _, place in placed]),
        masks / masks.sum(1, keepdim=True),
    )
