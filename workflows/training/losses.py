"""Contrastive losses of several texts a picture. Features are of unit length; B samples, K texts each, D dimensions, N patches.

Pairs of one text are open_clip's own losses: see `model.criterion`.
"""

from __future__ import annotations

import torch
from torch.nn import functional as F  # noqa: N812 - as everyone calls it


def contrast(images: torch.Tensor, texts: torch.Tensor, scale: torch.Tensor, smoothing: float = 0.0) -> torch.Tensor:
    """Symmetric InfoNCE (Radford et al. 2021, figure 3) of B x D pictures and B x D texts; the labels may be smoothed."""
    logits = scale * images @ texts.T
    labels = torch.arange(len(images), device=images.device)
    ways = (F.cross_entropy(way, labels, label_smoothing=smoothing) for way in (logits, logits.T))
    return sum(ways, torch.zeros((), device=images.device)) / 2


def multi_positive(images: torch.Tensor, texts: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
    """DreamLIP's multi-positive loss (arXiv 2403.17007, section 3.2): the mean over K of the contrast with the k-th texts.

    Args:
        images: B x D.
        texts: B x K x D. A sample's other texts are no negatives of its picture.
    """
    losses = [contrast(images, texts[:, place], scale) for place in range(texts.shape[1])]
    return torch.stack(losses).mean()


def patch_weights(patches: torch.Tensor, texts: torch.Tensor) -> torch.Tensor:
    """How much each patch belongs to each text of its picture (DreamLIP, section 3.3).

    The similarities of a text are min-max normalised over the patches, those below 1/N become 0, and the rest sum to 1. Where
    all patches are equally similar, each weighs 1/N.

    Args:
        patches: B x N x D.
        texts: B x K x D.

    Returns:
        B x K x N.
    """
    similar = texts @ patches.transpose(1, 2)
    low, high = similar.aminmax(dim=-1, keepdim=True)
    spread = high - low
    shares = torch.where(spread > 0, (similar - low) / spread.where(spread > 0, 1.0), 1.0)
    kept = shares.where(shares >= 1 / patches.shape[1], 0.0)
    return kept / kept.sum(dim=-1, keepdim=True)


def grouping(patches: torch.Tensor, texts: torch.Tensor, tokens: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
    """DreamLIP's grouping loss, a row a sample: each text against the patches that belong to it.

    The patches of a text, weighted by `patch_weights`, sum to its grouped feature. Grouped features and texts of one picture are
    contrasted both ways. The published code reshapes K x B x D to B x K x D without a transpose, which pairs texts with other
    pictures: not so here. Equal texts of one picture are no negatives of each other.

    Args:
        patches: B x N x D.
        texts: B x K x D.
        tokens: B x K x L: which texts are equal.
        scale: of the logits.

    Returns:
        B losses.
    """
    grouped = F.normalize(patch_weights(patches, texts) @ patches, dim=-1)
    logits = scale * grouped @ texts.transpose(1, 2)
    same = (tokens[:, :, None] == tokens[:, None]).all(dim=-1)
    equal = same & ~torch.eye(texts.shape[1], dtype=torch.bool, device=texts.device)
    logits = logits.masked_fill(equal, float("-inf"))
    own = logits.diagonal(dim1=1, dim2=2)
    ways = own - logits.logsumexp(dim=2), own - logits.logsumexp(dim=1)
    losses: torch.Tensor = -(ways[0] + ways[1]).mean(dim=1) / 2
    return losses


def principal(features: torch.Tensor, rank: int = 32) -> torch.Tensor:
    """B x D features from the mean and the `rank` greatest principal components of the batch (Long-CLIP, section 3.3).

    They are not made unit-length again, as published. The components are constants to the gradient: the derivative of an SVD is
    unbounded where singular values meet.
    """
    mean = features.mean(dim=0)
    centred = features - mean
    _, _, components = torch.linalg.svd(centred.detach().float(), full_matrices=False)
    kept = components[: min(rank, len(features) - 1)].to(features.dtype)  # n centred rows span n - 1 dimensions at most
    found: torch.Tensor = centred @ kept.T @ kept + mean
    return found


def long_and_short(
    images: torch.Tensor, texts: torch.Tensor, scale: torch.Tensor, rank: int = 32, smoothing: float = 0.1
) -> torch.Tensor:
    """Long-CLIP's loss (arXiv 2403.15378): pictures against long texts, and their principal part against short ones, equally.

    Args:
        images: B x D.
        texts: B x 2 x D: long, short.
        scale: of the logits.
        rank: components of the principal part; it is taken of the whole batch, where the publication takes each GPU's.
        smoothing: of the labels.
    """
    long = contrast(images, texts[:, 0], scale, smoothing)
    return long + contrast(principal(images, rank), texts[:, 1], scale, smoothing)
