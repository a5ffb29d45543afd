"""open_clip models: built from a name or from a JSON of one's own, saved as a folder that open_clip loads."""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch import nn

from pipeline.errors import ConfigError
from workflows.training.config import TrainConfig
from workflows.training.start import starting_weights

WEIGHTS, CONFIG = (
    "open_clip_model.safetensors",
    "open_clip_config.json",
)  #: the names that open_clip looks for in a folder

#: A CLIP small enough to learn something on two cores in a minute.
TINY: Mapping[str, Any] = {
    "embed_dim": 128,
    "vision_cfg": {"image_size": 48, "layers": 4, "width": 128, "head_width": 32, "patch_size": 12},
    "text_cfg": {"context_length": 24, "vocab_size": 49408, "width": 64, "heads": 2, "layers": 2},
}
OWN: Mapping[str, Mapping[str, Any]] = {"pairpool-tiny": TINY}


@dataclass(frozen=True)
class Built:
    """A model and what belongs to it.

    Attributes:
        model: open_clip's module; called with pictures and tokens it gives a dict of features and scale.
        architecture: its JSON.
        tokenizer: texts -> int64, texts x context length.
        size: side of its pictures in pixels.
        mean, std: of its pixel values, per channel.
    """

    model: nn.Module
    architecture: Mapping[str, Any]
    tokenizer: Callable[[list[str]], torch.Tensor]
    size: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]

    def prepare(self, images: torch.Tensor) -> torch.Tensor:
        """uint8 pictures to what the model expects, on its device."""
        device = next(self.model.parameters()).device
        mean, std = (torch.tensor(of, device=device).reshape(1, 3, 1, 1) for of in (self.mean, self.std))
        floats = images.to(device, non_blocking=True).to(torch.float32, copy=True)
        return floats.mul_(1 / (255 * std)).sub_(mean / std)  # in place: new memory would cost more than the arithmetic


def architecture(config: TrainConfig) -> dict[str, Any]:
    """The JSON of the model that a training names.

    Raises:
        ConfigError: if nothing has that name.
    """
    import open_clip

    found = config.architecture or _from_file(config.model_file) or OWN.get(config.model)
    found = found or open_clip.get_model_config(config.model)
    if found is None:
        raise ConfigError(
            f"There is no model {config.model!r}. Name one of {', '.join(OWN)}, one of open_clip.list_models(), or give its "
            "JSON as `architecture`."
        )
    return deepcopy(dict(found))


def _from_file(path: Path | None) -> Mapping[str, Any] | None:
    try:
        found = json.loads(path.read_text(encoding="utf-8")) if path else None
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path} is no JSON of a model ({error}). Correct model_file.") from error
    return found.get("model_cfg", found) if isinstance(found, dict) else None


def build(config: TrainConfig, device: str) -> Built:
    """A model with fresh weights, drawn from the training's seed alone, or with those that the config starts from.

    Scales start as in the papers: ln(1/0.07) for clip; ln 10 with a bias of -10 for siglip (Zhai et al. 2023, section 3.2).

    Raises:
        ConfigError: if there is no such model, or the weights are not there or belong to another.
    """
    made, start = architecture(config), starting_weights(config)
    if config.loss == "siglip":
        made |= {"init_logit_scale": math.log(10), "init_logit_bias": -10}
    with TemporaryDirectory() as folder, torch.random.fork_rng(devices=[]):
        content = {"model_cfg": made | start.changes, "preprocess_cfg": start.pixels}
        (Path(folder) / CONFIG).write_text(json.dumps(content), encoding="utf-8")
        torch.manual_seed(config.seed)
        with _fresh_on_purpose():
            built = _open(f"local-dir:{folder}", made | start.changes, device)
    start.load(built.model)
    if config.long_texts:
        from workflows.training.positions import lengthened

        built = lengthened(built)
    for tower in config.frozen:
        getattr(built.model, f"lock_{tower}_tower")()
    return built


@contextmanager
def _fresh_on_purpose() -> Iterator[None]:
    """open_clip warns on the root logger of a model without weights: here that is what is wanted."""
    root, level = logging.getLogger(), logging.getLogger().level
    root.setLevel(logging.ERROR)
    try:
        yield
    finally:
        root.setLevel(level)


def load(folder: Path, device: str = "cpu") -> Built:
    """A model that `save` wrote."""
    made = json.loads((folder / CONFIG).read_text(encoding="utf-8"))["model_cfg"]
    return _open(f"local-dir:{folder}", made, device)


def _open(name: str, made: Mapping[str, Any], device: str) -> Built:
    import open_clip

    model = open_clip.create_model(name, device=device, output_dict=True)
    size = model.visual.image_size
    side = size if isinstance(size, int) else size[0]
    return Built(
        model, made, open_clip.get_tokenizer(name), side, tuple(model.visual.image_mean), tuple(model.visual.image_std)
    )


def save(built: Built, folder: Path) -> dict[str, Path]:
    """Write weights and config; `open_clip.create_model_and_transforms("local-dir:FOLDER")` loads them."""
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    weights = {name: value.detach().cpu().contiguous() for name, value in built.model.state_dict().items()}
    save_file(weights, folder / WEIGHTS)
    config = {"model_cfg": built.architecture, "preprocess_cfg": {"mean": built.mean, "std": built.std}}
    (folder / CONFIG).write_text(json.dumps(config, indent=1) + "\n", encoding="utf-8")
    return {WEIGHTS: folder / WEIGHTS, CONFIG: folder / CONFIG}


def criterion(loss: str) -> nn.Module:
    """The loss of a batch of pairs: takes what the model gives, by name."""
    from open_clip.loss import ClipLoss, SigLipLoss

    made: nn.Module = SigLipLoss() if loss == "siglip" else ClipLoss()
    return made


def parameter_groups(model: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Gains, biases and scales do not decay: every parameter of fewer than two dimensions."""
    trained = [value for value in model.parameters() if value.requires_grad]
    return [
        {"params": [value for value in trained if value.ndim < 2], "weight_decay": 0.0},
        {"params": [value for value in trained if value.ndim >= 2], "weight_decay": weight_decay},
    ]
