"""The weights that a training starts from: open_clip's pretrained ones, a file, or what another training left."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

from torch import nn

from pipeline.errors import ConfigError
from workflows.training.config import TrainConfig


@dataclass(frozen=True)
class Start:
    """Where weights come from.

    Attributes:
        path: of the file; None keeps those that were drawn.
        changes: what they ask of the architecture (OpenAI's quick GELU).
        pixels: mean and std that they were trained with, as open_clip's preprocess_cfg.
    """

    path: Path | None = None
    changes: dict[str, Any] = field(default_factory=dict)
    pixels: Mapping[str, Any] = field(default_factory=dict)

    def load(self, model: nn.Module) -> None:
        """Put them into a model; positions are resized to its pictures and texts.

        Raises:
            ConfigError: if they belong to another architecture, or are no weights.
        """
        if self.path is None:
            return
        import open_clip

        try:
            open_clip.load_checkpoint(model, str(self.path))
        except (RuntimeError, ValueError, KeyError, OSError, AssertionError, UnpicklingError) as error:
            first = str(error).partition("\n")[0]
            raise ConfigError(
                f"{self.path} does not fit the model: {first}. Name the model that it was made by."
            ) from error


def starting_weights(config: TrainConfig) -> Start:
    """What the config starts from.

    Raises:
        ConfigError: if open_clip does not know the tag, or nothing lies at the path.
    """
    if config.pretrained:
        return _tagged(config.model, config.pretrained)
    if config.weights is None:
        return Start()
    path = config.weights / "open_clip_model.safetensors" if config.weights.is_dir() else config.weights
    if not path.is_file():
        raise ConfigError(f"No weights lie at {path}. Correct `weights`.")
    return Start(path)


def _tagged(model: str, tag: str) -> Start:
    import open_clip
    from open_clip.pretrained import download_pretrained, get_pretrained_cfg

    found = get_pretrained_cfg(model, tag)
    if not found:
        known = ", ".join(open_clip.list_pretrained_tags_by_model(model)) or "none"
        raise ConfigError(f"open_clip has no weights {tag!r} for {model}; it has: {known}. Correct `pretrained`.")
    pixels = {name: found[name] for name in ("mean", "std", "interpolation") if found.get(name)}
    return Start(Path(download_pretrained(found)), {"quick_gelu": True} if found.get("quick_gelu") else {}, pixels)
