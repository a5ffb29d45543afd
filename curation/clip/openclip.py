"""Any model of open_clip as towers: published weights by tag, a local checkpoint, or a folder that our trainer saved."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from curation.clip.towers import Embeddings, Precision, Towers, normalised
from pipeline.errors import ConfigError

CONFIG = "open_clip_config.json"  # open_clip's name for it, in a folder that it can load
#: A strip of 1 x 20,000,000 pixels, resized by its short side, would take terabytes; nothing so long is a photograph.
LONGEST = 16


class OpenClipTowers(Towers):
    """A model that open_clip builds and loads, with the preprocessing and the tokenizer that belong to it."""

    def __init__(
        self, model: str, pretrained: str | None, checkpoint: Path | None, device: str, precision: Precision
    ) -> None:
        self._device, self._half = _device(device), precision
        self._net, self._transform, self._tokenizer = _load(*_source(model, pretrained, checkpoint), self._device)
        if self._device.type == "cuda":
            import torch

            self._net = self._net.to(memory_format=torch.channels_last)
        self.dimension = int(self._net.encode_text(self._tokenizer(["a"]).to(self._device)).shape[1])

    def prepare(self, image: Image.Image) -> Any:
        """Resize, crop and normalise as the model was trained."""
        return self._transform(_cut(image))

    def encode_pixels(self, pixels: Sequence[Any]) -> Embeddings:
        """Embed prepared pictures."""
        import torch

        batch = torch.stack(list(pixels))
        if self._device.type == "cuda":
            batch = batch.pin_memory().to(self._device, memory_format=torch.channels_last, non_blocking=True)
        return self._run(self._net.encode_image, batch)

    def encode_texts(self, texts: Sequence[str]) -> Embeddings:
        """Embed texts, each cut to the model's context length by its tokenizer."""
        return self._run(self._net.encode_text, self._tokenizer(list(texts)).to(self._device))

    def _run(self, encode: Any, batch: Any) -> Embeddings:
        import torch

        with torch.inference_mode(), self._autocast():
            return normalised(np.asarray(encode(batch).float().cpu()))

    def _autocast(self) -> AbstractContextManager[Any]:
        import torch

        if self._half == "bfloat16" or (self._half == "auto" and self._device.type == "cuda"):
            return torch.autocast(self._device.type, torch.bfloat16)
        return nullcontext()


def _device(name: str) -> Any:
    import torch

    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise ConfigError(f"The device {name!r} is not to be had here: {error}. Use cpu, cuda or auto.") from error
    return device


def _source(model: str, pretrained: str | None, checkpoint: Path | None) -> tuple[str, str | None]:
    """What open_clip is told: a name and its weights.

    Raises:
        ConfigError: where no weights are named, for a score of random weights means nothing.
    """
    if checkpoint is not None and pretrained is not None:
        raise ConfigError(f"Both pretrained={pretrained!r} and checkpoint={checkpoint} are given. Leave one.")
    if checkpoint is not None and not checkpoint.exists():
        raise ConfigError(
            f"The checkpoint {checkpoint} does not exist. Put it there, or correct the path in the config."
        )
    if checkpoint is not None and checkpoint.is_dir():
        return f"local-dir:{checkpoint}", None
    weights = str(checkpoint) if checkpoint is not None else pretrained
    if weights is None and ":" not in model:
        raise ConfigError(
            f"The model {model!r} has no weights. Name one of its tags as `pretrained` "
            "(open_clip.list_pretrained() shows them), or a local file or folder as `checkpoint`."
        )
    return model, weights


def _load(model: str, weights: str | None, device: Any) -> tuple[Any, Any, Any]:
    """The network, the transform of a picture, and the tokenizer.

    Raises:
        ConfigError: if open_clip cannot build or load it.
    """
    import open_clip

    tag = open_clip.get_pretrained_cfg(model, weights) if weights else {}
    try:
        net, transform = open_clip.create_model_from_pretrained(
            model,
            pretrained=weights,
            device=device,
            # OpenAI's weights under a plain name would otherwise run with another activation, at a warning only
            force_quick_gelu=bool(tag.get("quick_gelu")),
        )
        return net.eval(), transform, open_clip.get_tokenizer(model)
    except (RuntimeError, ValueError, OSError, KeyError, TypeError, AssertionError) as error:
        raise ConfigError(
            f"open_clip could not load {model!r} with the weights {weights!r}: {error}\nCheck that the weights belong to "
            "that architecture; tags are downloaded once and need the network."
        ) from error


def _cut(image: Image.Image) -> Image.Image:
    """Keep the middle of an extremely long picture."""
    width, height = image.size
    if max(width, height) <= LONGEST * min(width, height):
        return image
    wide, high = min(width, LONGEST * height), min(height, LONGEST * width)
    left, top = (width - wide) // 2, (height - high) // 2
    return image.crop((left, top, left + wide, top + high))
