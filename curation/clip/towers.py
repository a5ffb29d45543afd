"""What a two-tower model must do for us, and how one is opened by name."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from PIL import Image

from pipeline.errors import ConfigError

Embeddings = npt.NDArray[np.float32]
Precision = Literal["auto", "float32", "bfloat16"]
MINI = "mini"


class Towers(ABC):
    """An image tower and a text tower with one space of embeddings.

    `prepare` is apart from the encoding, so that it can run in the threads that decode.
    """

    dimension: int

    @abstractmethod
    def prepare(self, image: Image.Image) -> Any:
        """Turn an RGB picture into the pixels that the image tower takes."""

    @abstractmethod
    def encode_pixels(self, pixels: Sequence[Any]) -> Embeddings:
        """Embed n prepared pictures: float32 of shape (n, dimension), each row of length 1."""

    @abstractmethod
    def encode_texts(self, texts: Sequence[str]) -> Embeddings:
        """Embed n texts: float32 of shape (n, dimension), each row of length 1."""

    def encode_images(self, images: Sequence[Image.Image]) -> Embeddings:
        """Embed n RGB pictures: float32 of shape (n, dimension), each row of length 1."""
        return self.encode_pixels([self.prepare(image) for image in images])


def normalised(values: npt.NDArray[Any]) -> Embeddings:
    """Rows scaled to length 1, in float32; a row of zeros stays one."""
    rows = np.asarray(values, np.float32)
    lengths = np.linalg.norm(rows, axis=-1, keepdims=True)
    scaled: Embeddings = rows / np.maximum(lengths, 1e-12)
    return scaled


def open_towers(
    model: str,
    pretrained: str | None = None,
    checkpoint: Path | None = None,
    device: str = "auto",
    precision: Precision = "auto",
) -> Towers:
    """Open a model.

    Args:
        model: `mini`, or any name that open_clip knows.
        pretrained: open_clip's tag of published weights, which it downloads once.
        checkpoint: a local file of weights instead; for `mini`, other projections than the shipped ones.
        device: `cpu`, `cuda`, `cuda:1` ..., or `auto` for a GPU where there is one.
        precision: of the arithmetic; `auto` is bfloat16 on a GPU and float32 on a CPU.

    Raises:
        ConfigError: if the model, its weights or the packages it needs are not there.
    """
    if model == MINI:
        if pretrained is not None:
            raise ConfigError(f"The mini model has no pretrained tags, so {pretrained!r} means nothing. Remove it.")
        from curation.clip.mini.model import MiniTowers

        return MiniTowers(checkpoint)
    from curation.clip.openclip import OpenClipTowers

    return OpenClipTowers(model, pretrained, checkpoint, device, precision)
