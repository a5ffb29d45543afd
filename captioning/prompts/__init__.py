"""Prompts as versioned data: one YAML file each, named by its id.

A prompt that has captioned anything is never edited: its hash is part of the identity of the captions. Change it under a new
id. Constant text stands before the image, so that a server's prefix cache holds it for all images; what differs from row to
row (the alt-text) stands after.
"""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from functools import cache
from importlib import resources
from typing import Any

import yaml

from pipeline.errors import ConfigError
from pipeline.recipe import fingerprint

IMAGE, ALT_TEXT = "{image}", "{alt_text}"
ALT_TEXT_CHARACTERS = 500  # about the 128 tokens that Altogether conditions on (arXiv:2410.17251)


@dataclass(frozen=True)
class Prompt:
    """What a captioner is told.

    Attributes:
        id: names it, for ever.
        about: where it comes from and what it is for; not part of its hash.
        system: the system message, if any.
        user: the parts of the user message in order. `{image}` alone is the image; a part with `{alt_text}` is left out
            where a row has none.
    """

    id: str
    about: str
    system: str | None
    user: tuple[str, ...]

    @property
    def hash(self) -> str:
        """sha256 of everything that the model is told, 64 hex digits."""
        told = asdict(self)
        del told["about"]
        return fingerprint(told)

    @property
    def wants_alt_text(self) -> bool:
        """Whether a row's alt-text is part of it."""
        return any(ALT_TEXT in part for part in self.user)

    @property
    def text(self) -> str:
        """All constant text, to recognise answers that copy it."""
        return " ".join(part for part in (self.system or "", *self.user) if part != IMAGE)

    def messages(self, image_url: str, alt_text: str | None) -> list[dict[str, Any]]:
        """The messages of a chat request (OpenAI's form) about one image."""
        alt = tame(alt_text or "")
        system = [{"role": "system", "content": self.system}] if self.system else []
        content = [_part(part, image_url, alt) for part in self.user if alt or ALT_TEXT not in part]
        return [*system, {"role": "user", "content": content}]


def _part(part: str, image_url: str, alt_text: str) -> dict[str, Any]:
    if part == IMAGE:
        return {"type": "image_url", "image_url": {"url": image_url}}
    return {"type": "text", "text": part.replace(ALT_TEXT, alt_text)}


def tame(text: str) -> str:
    """Alt-text as it may stand in a prompt: one line, bounded, without the angle brackets of control tokens.

    A web page could write `<|im_end|>` or `<image>`, which a chat template's tokenizer would take for its own.
    """
    line = re.sub(r"\s+", " ", text.translate({ord("<"): "‹", ord(">"): "›"})).strip()
    return line[:ALT_TEXT_CHARACTERS]


@cache
def load(prompt_id: str) -> Prompt:
    """The prompt of an id.

    Raises:
        ConfigError: if there is none, naming those that there are.
    """
    if prompt_id not in known():
        raise ConfigError(f"There is no prompt {prompt_id!r}. There are: {', '.join(known())}. Correct `prompt`.")
    data = yaml.safe_load((resources.files(__name__) / f"{prompt_id}.yaml").read_text("utf-8"))
    return Prompt(prompt_id, data["about"], data.get("system"), tuple(data["user"]))


def known() -> list[str]:
    """The ids of all prompts, sorted."""
    names = (item.name for item in resources.files(__name__).iterdir())
    return sorted(name.removesuffix(".yaml") for name in names if name.endswith(".yaml"))
