"""Refusals, boilerplate, placeholders and talk of the task, told by the phrases that models use in many languages.

The phrases are data: phrases.yaml. A caption that merely quotes such words, as a sign may, is not one of them.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from importlib import resources
from typing import Any

import regex  # type: ignore[import-untyped]
import yaml

from captioning.language import QUOTED

_MARKS = " \t\"'“”«»„*_#>-–—•"  # what may stand before a caption's first word


def refuses(text: str) -> bool:
    """Whether it declines rather than describes."""
    return _starts("refusals").match(_plain(text)) is not None


def boilerplate(text: str) -> bool:
    """Whether it opens with a phrase that fits every picture: `The image shows`."""
    return _starts("boilerplate").match(_plain(text)) is not None


def placeholder(text: str) -> bool:
    """Whether it only fills the field: `N/A`, `string`, `<caption>`."""
    return _any("placeholders").fullmatch(text.strip().replace("’", "'")) is not None


def speaks_of_its_task(text: str) -> bool:
    """Whether it mentions the alt-text, the prompt or the form of the answer."""
    return _any("task_talk").search(QUOTED.sub(" ", text)) is not None


def _plain(text: str) -> str:
    return text.lstrip(_MARKS).replace("’", "'")


@cache
def _starts(kind: str) -> Any:
    """One pattern of the phrases of all languages: a captioner that is to write French may well decline in English."""
    return _one_of(phrase for phrases in _data()[kind].values() for phrase in phrases)


@cache
def _any(kind: str) -> Any:
    return _one_of(_data()[kind])


def _one_of(phrases: Iterable[str]) -> Any:
    return regex.compile("|".join(f"(?:{phrase})" for phrase in phrases).replace("’", "'"), regex.IGNORECASE)


@cache
def _data() -> Any:
    return yaml.safe_load((resources.files("captioning") / "phrases.yaml").read_text("utf-8"))
