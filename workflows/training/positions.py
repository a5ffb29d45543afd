"""Longer texts for a trained text tower: its positional embedding is stretched as Long-CLIP does (arXiv 2403.15378, section 3.1)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import nn

from workflows.training.model import Built

KEEP, FACTOR = 20, 4  #: most texts end before position 20, so what is there is well trained and stays


def stretched(positions: torch.Tensor, keep: int = KEEP, factor: int = FACTOR) -> torch.Tensor:
    """`keep` positions as they are, each of the others as `factor`, interpolated to the next; the last is extrapolated.

    Args:
        positions: length x width.

    Returns:
        (factor * length - (factor - 1) * keep) x width: 77 become 248.

    Raises:
        ValueError: if fewer than two positions would be stretched.
    """
    if len(positions) < keep + 2:
        raise ValueError(f"{len(positions)} positions cannot be stretched from the {keep}th on")
    rest = positions[keep:]
    steps = rest.diff(dim=0)
    steps = torch.cat([steps, steps[-1:]])
    shares = torch.arange(factor, dtype=positions.dtype, device=positions.device) / factor
    between = rest[:, None] + shares[None, :, None] * steps[:, None]
    return torch.cat([positions[:keep], between.flatten(0, 1)])


def lengthened(built: Built, keep: int = KEEP, factor: int = FACTOR) -> Built:
    """The model with a stretched text tower, its config and tokenizer to match; `save` writes what open_clip loads.

    The model is changed in place.

    Raises:
        ValueError: if its texts are too short to stretch.
    """
    import open_clip

    model: Any = built.model
    tower = model.text if hasattr(model, "text") else model
    positions = stretched(tower.positional_embedding.detach(), keep, factor)
    length = len(positions)
    tower.positional_embedding = nn.Parameter(positions)
    tower.context_length = length
    if tower.attn_mask is not None:
        tower.attn_mask = torch.full((length, length), float("-inf"), device=positions.device).triu(1)
    if tower is not model:
        model.context_length = length
    text = dict(built.architecture["text_cfg"]) | {"context_length": length}
    tokenizer = open_clip.tokenizer
    made = {**built.architecture, "text_cfg": text}
    name = text.get("hf_tokenizer_name")
    options = text.get("tokenizer_kwargs") or {}
    if name:
        return replace(
            built, architecture=made, tokenizer=tokenizer.HFTokenizer(name, context_length=length, **options)
        )
    return replace(built, architecture=made, tokenizer=tokenizer.SimpleTokenizer(context_length=length, **options))
