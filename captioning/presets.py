"""Open captioners by name, with licence, sampling and server flags: presets.yaml says where each fact is from."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib import resources

import yaml
from pydantic import Field

from captioning.exchange import Scalar
from pipeline.errors import ConfigError
from pipeline.recipe import recipe


@recipe
class Preset:
    """What a step is given unless it says otherwise.

    Attributes:
        model, revision: as a step names them.
        licence: of the weights.
        temperature, top_p, max_tokens, sampling: of generation.
        max_model_len: tokens of context of an own server; None leaves it to the step.
        args: further arguments of vLLM, before those of the step.
        run: where this project has run the weights; empty for most.
        sources: what the settings rest on.
    """

    model: str
    revision: str | None
    licence: str
    temperature: float
    top_p: float
    max_tokens: int
    sampling: Mapping[str, Scalar]
    max_model_len: int | None
    args: tuple[str, ...]
    run: tuple[str, ...]
    sources: tuple[str, ...] = Field(alias="from")


@cache
def presets() -> Mapping[str, Preset]:
    """All presets by name."""
    data = yaml.safe_load((resources.files("captioning") / "presets.yaml").read_text("utf-8"))
    return {name: Preset(**found) for name, found in data.items()}


def preset_of(name: str) -> Preset:
    """The preset of a name.

    Raises:
        ConfigError: if there is none, naming those that there are.
    """
    if name not in presets():
        raise ConfigError(f"There is no preset {name!r}. There are: {', '.join(presets())}. Correct `preset`.")
    return presets()[name]


def licence_of(model: str) -> str | None:
    """The licence of a model that some preset names; None if nobody said."""
    return next((preset.licence for preset in presets().values() if preset.model == model), None)
