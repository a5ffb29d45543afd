"""What the student sees: local crops of a picture, and which patches are masked. The trainer keys torch's stream before."""

from __future__ import annotations

import torch
from torch.nn import functional as F  # noqa: N812 - as everyone calls it

from workflows.training.options import TipsOptions


def global_view(images: torch.Tensor, size: int | None) -> torch.Tensor:
    """The pictures at a size."""
    if size is None or images.shape[-1] == size:
        return images
    return F.interpolate(images, (size, size), mode="bicubic", antialias=True)


def local_crops(images: torch.Tensor, size: int, options: TipsOptions) -> torch.Tensor:
    """Random squares of the pictures: (samples * crops) x 3 x size x size, those of a picture together.

    Their share of the area is uniform in `local_area`, their place uniform; every other one is mirrored.
    """
    count = len(images) * options.local_crops
    draws = torch.rand(count, 4).to(images.device)
    least, most = options.local_area
    side = (least + draws[:, 0] * (most - least)).sqrt()
    x, y = ((2 * draws[:, place] - 1) * (1 - side) for place in (1, 2))
    mirror = torch.where((draws[:, 3] < 0.5) & options.flip, -1.0, 1.0)
    nothing = torch.zeros_like(side)
    rows = torch.stack([side * mirror, nothing, x]), torch.stack([nothing, side, y])
    boxes = torch.stack(rows).permute(2, 0, 1)
    grid = F.affine_grid(boxes, [count, 3, size, size], align_corners=False)
    source = images.repeat_interleave(options.local_crops, dim=0)
    return F.grid_sample(source, grid.to(source.dtype), mode="bilinear", padding_mode="border", align_corners=False)


def random_mask(samples: int, patches: int, share: float, device: torch.device) -> torch.Tensor:
    """Samples x patches, true for the nearest whole number of patches to the share, at least one, in random places."""
    masked = max(1, round(share * patches))
    return torch.rand(samples, patches).argsort(dim=1).argsort(dim=1).to(device) < masked
