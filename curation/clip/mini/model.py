"""The mini-CLIP: frozen backbones and two trained linear projections into one space of 256 dimensions.

Locked-image-and-text tuning after LiT (Zhai et al. 2022, arXiv 2111.07991), with both towers locked: only the projections
are ours, and only they are shipped.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from curation.clip.mini import PATH
from curation.clip.mini.backbones import ImageBackbone, TextBackbone, prepare
from curation.clip.towers import Embeddings, Towers, normalised
from pipeline.errors import ConfigError

ARRAYS = ("image_weight", "image_bias", "text_weight", "text_bias")


class Projections:
    """Two affine maps, from the features of a backbone to the shared space."""

    def __init__(self, path: Path) -> None:
        try:
            with np.load(path, allow_pickle=False) as arrays:
                self._arrays = {name: arrays[name].astype(np.float32) for name in ARRAYS}
        except (OSError, EOFError, ValueError, KeyError) as error:
            raise ConfigError(
                f"{path} holds no projections of a mini-CLIP: {error}. Make them with python -m workflows.training.lit."
            ) from error

    @property
    def dimension(self) -> int:
        """Of the shared space."""
        return int(self._arrays["image_bias"].shape[0])

    def images(self, features: npt.NDArray[Any]) -> Embeddings:
        """Embed (n, image features): float32 (n, dimension), each row of length 1."""
        return self._project("image", features)

    def texts(self, features: npt.NDArray[Any]) -> Embeddings:
        """Embed (n, text features): float32 (n, dimension), each row of length 1."""
        return self._project("text", features)

    def _project(self, side: str, features: npt.NDArray[Any]) -> Embeddings:
        # einsum without BLAS: the result for a row must not depend on how many rows stand beside it
        weight, bias = self._arrays[f"{side}_weight"], self._arrays[f"{side}_bias"]
        return normalised(np.einsum("nd,ed->ne", np.asarray(features, np.float32), weight, optimize=False) + bias)


class MiniTowers(Towers):
    """The whole model. It runs on the CPU in float32 whatever the device: its texts could not run elsewhere."""

    def __init__(self, checkpoint: Path | None = None) -> None:
        self._projections = Projections(checkpoint or PATH)
        self._image, self._text = ImageBackbone(), TextBackbone()
        self.dimension = self._projections.dimension

    def prepare(self, image: Image.Image) -> npt.NDArray[np.uint8]:
        """Fit the picture whole into a white square."""
        return prepare(image)

    def encode_pixels(self, pixels: Sequence[Any]) -> Embeddings:
        """Embed prepared pictures."""
        return self._projections.images(self._image.features(pixels))

    def encode_texts(self, texts: Sequence[str]) -> Embeddings:
        """Embed texts, of which only the first 300 characters are read."""
        return self._projections.texts(self._text.features(texts))
