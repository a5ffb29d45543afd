"""Prompts as versioned data: one YAML file each, named by its id.

A prompt that has captioned anything is never edited: its hash is part of the identity of the captions. Change it under a new
id. Constant text stands before the image, so that a server's prefix cache holds it for all images; what differs from row to
row (the alt-text, earlier captions, the language) stands after.

A prompt is one pass or several. A pass is one request; its captions are known to the passes after it by their names, and so are
the columns that a step's `given` names. A pass without `{image}` sends text alone.
"""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import Any

import yaml

from captioning.prompts.form import ALT_TEXT_CHARACTERS, Pass, Prompt, tame
from captioning.schema import Field, ListField, TextField
from pipeline.errors import ConfigError

__all__ = ["ALT_TEXT_CHARACTERS", "Pass", "Prompt", "known", "load", "tame"]

#: Of a prompt that names no fields.
GRANULARITIES = (TextField("short", 1, 160), TextField("medium", 1, 480), TextField("long", 1, 1600))
LENGTH = [1, 480]


@cache
def load(prompt_id: str) -> Prompt:
    """The prompt of an id.

    Raises:
        ConfigError: if there is none, naming those that there are.
    """
    if prompt_id not in known():
        raise ConfigError(f"There is no prompt {prompt_id!r}. There are: {', '.join(known())}. Correct `prompt`.")
    data = yaml.safe_load((resources.files(__name__) / f"{prompt_id}.yaml").read_text("utf-8"))
    passes = tuple(_pass(found) for found in data.get("passes", [data]))
    sentences = tuple(sorted(data.get("sentences", {}).items()))
    return Prompt(prompt_id, data["about"], passes, sentences, tuple(data.get("forgives", ())))


def known() -> list[str]:
    """The ids of all prompts, sorted."""
    names = (item.name for item in resources.files(__name__).iterdir())
    return sorted(name.removesuffix(".yaml") for name in names if name.endswith(".yaml"))


def _pass(data: dict[str, Any]) -> Pass:
    told = data.get("fields", {})
    fields = tuple(_field(name, found) for name, found in told.items()) or GRANULARITIES
    return Pass(
        system=data.get("system"),
        user=tuple(data["user"]),
        fields=fields,
        optional=tuple(name for name, found in told.items() if found.get("optional")),
        needs=tuple(data.get("needs", ())),
        differ=tuple(data.get("differ", ())),
        tighter=data.get("tighter"),
        own_fields=bool(told),
    )


def _field(name: str, found: dict[str, Any]) -> Field:
    (minimum, maximum), ask, note = found.get("length", LENGTH), found.get("ask", ""), found.get("note", False)
    if "items" in found:
        least, most = found["items"]
        return ListField(name, minimum, maximum, least, most, ask, note)
    return TextField(name, minimum, maximum, ask, note)
