"""The picture towers of open_clip from the inside: class tokens and patches, of any size of picture, some patches masked.

Two kinds: open_clip's own ViT, and timm's VisionTransformer inside of open_clip. A second class token (TIPS) is the first
register of a timm tower. open_clip's own ViT has none: there it is a parameter of the caller, which reads all tokens and which
no other token reads, so that the tower without it computes the same, and a saved model is whole.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812 - as everyone calls it

from pipeline.errors import ConfigError


@dataclass(frozen=True)
class Seen:
    """What a tower made of pictures, before its projection.

    Attributes:
        classes: samples x class tokens x width.
        patches: samples x patches x width.
    """

    classes: torch.Tensor
    patches: torch.Tensor


@dataclass(frozen=True)
class Mask:
    """Which patches are not shown (samples x patches), and what stands in their place (width)."""

    places: torch.Tensor
    token: torch.Tensor


def see(visual: Any, images: torch.Tensor, second: torch.Tensor | None = None, mask: Mask | None = None) -> Seen:
    """Run a tower.

    Args:
        visual: open_clip's ViT or TimmModel.
        images: samples x 3 x height x width, of any size that whole patches fill.
        second: the second class token of a tower that has no registers.
        mask: patches that are not shown.
    """
    return _timm(visual, images, mask) if is_timm(visual) else _native(visual, images, second, mask)


def project(visual: Any, seen: torch.Tensor) -> torch.Tensor:
    """... x width to ... x embedding, as the tower projects its class token; not unit-length yet."""
    if is_timm(visual):
        return visual.head(visual.trunk.fc_norm(seen))  # type: ignore[no-any-return]
    return seen if visual.proj is None else seen @ visual.proj


def is_timm(visual: Any) -> bool:
    """Whether it is timm's."""
    return hasattr(visual, "trunk")


def check(visual: nn.Module, classes: int = 1) -> None:
    """See that `see` can run the tower.

    Raises:
        ConfigError: if it is no ViT with a class token that it pools by, or lacks the registers.
    """
    if is_timm(visual):
        trunk: Any = visual.trunk
        ours = trunk.__class__.__name__ == "VisionTransformer" and getattr(trunk, "cls_token", None) is not None
        fits = ours and trunk.global_pool == "token" and trunk.num_prefix_tokens >= classes
        wanted = (
            f"a class token, timm_pool token and {classes - 1} registers or more (such as vit_base_patch14_reg1_tipsv2)"
        )
    else:
        fits = getattr(visual, "pool_type", "") == "tok" and not visual.final_ln_after_pool
        wanted = "pool_type tok, and its last norm before pooling"
    if not fits:
        raise ConfigError(
            f"This loss looks inside the picture tower, which must be a ViT with {wanted}. Name another model."
        )


def patch_side(visual: Any) -> int:
    """Side of a patch in pixels."""
    return int((visual.trunk.patch_embed.proj if is_timm(visual) else visual.conv1).kernel_size[0])


def width(visual: Any) -> int:
    """Of its tokens."""
    return int(visual.trunk.embed_dim if is_timm(visual) else visual.conv1.out_channels)


def _native(visual: Any, images: torch.Tensor, second: torch.Tensor | None, mask: Mask | None) -> Seen:
    patches, grid = _patches(visual.conv1(images), mask)
    positions = visual.positional_embedding
    patches = patches + _resized(positions[1:], visual.grid_size, grid)
    prefix = [visual.class_embedding + positions[0]] + ([] if second is None else [second])
    tokens = torch.cat([torch.stack(prefix).to(patches.dtype).expand(len(images), -1, -1), patches], dim=1)
    unread = None if second is None else _unread(tokens, 1)
    tokens = visual.ln_post(visual.transformer(visual.ln_pre(tokens), attn_mask=unread))
    return Seen(tokens[:, : len(prefix)], tokens[:, len(prefix) :])


def _timm(visual: Any, images: torch.Tensor, mask: Mask | None) -> Seen:
    trunk = visual.trunk
    patches, grid = _patches(trunk.patch_embed.proj(images), mask)
    skipped = 0 if trunk.no_embed_class else trunk.num_prefix_tokens
    positions = trunk.pos_embed[0]
    patches = patches + _resized(positions[skipped:], trunk.patch_embed.grid_size, grid)
    prefix = torch.cat([token for token in (trunk.cls_token, trunk.reg_token) if token is not None], dim=1)[0]
    prefix = prefix + positions[:skipped] if skipped else prefix
    tokens = torch.cat([prefix.to(patches.dtype).expand(len(images), -1, -1), patches], dim=1)
    tokens = trunk.norm(_blocks(trunk, trunk.norm_pre(trunk.pos_drop(tokens))))
    return Seen(tokens[:, : min(2, len(prefix))], tokens[:, len(prefix) :])


def _blocks(trunk: Any, tokens: torch.Tensor) -> torch.Tensor:
    """timm's own forward pass looks at `grad_checkpointing` too."""
    from timm.models import checkpoint_seq

    again = trunk.grad_checkpointing and torch.is_grad_enabled()
    made: torch.Tensor = checkpoint_seq(trunk.blocks, tokens) if again else trunk.blocks(tokens)
    return made


def _patches(made: torch.Tensor, mask: Mask | None) -> tuple[torch.Tensor, tuple[int, int]]:
    """Samples x patches x width, and their rows and columns."""
    patches = made.flatten(2).transpose(1, 2)
    if mask is not None:
        patches = torch.where(mask.places[..., None], mask.token.to(patches.dtype), patches)
    return patches, (made.shape[2], made.shape[3])


def _resized(positions: torch.Tensor, old: tuple[int, int], new: tuple[int, int]) -> torch.Tensor:
    if tuple(old) == new:
        return positions
    square = positions.T.reshape(1, -1, *old)
    return F.interpolate(square.float(), new, mode="bicubic", antialias=True)[0].flatten(1).T.to(positions.dtype)


def _unread(tokens: torch.Tensor, place: int) -> torch.Tensor:
    """An additive mask by which only the token itself reads the token at `place`."""
    length = tokens.shape[1]
    mask = torch.zeros(length, length, dtype=tokens.dtype, device=tokens.device)
    mask[:, place] = float("-inf")
    mask[place, place] = 0.0
    return mask
