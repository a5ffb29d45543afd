"""Whether a step gives its prompt what the prompt has slots for, and names only what is there."""

from __future__ import annotations

from collections.abc import Iterable

from captioning.language import language_of
from captioning.prompts import Prompt
from pipeline.errors import ConfigError

#: Slots that are no captions of earlier steps.
BUILT_IN = frozenset({"image", "crop", "boxes", "alt_text", "language"})


def check_slots(step: str, prompt: Prompt, alt_text: str | None, boxes: str | None, given: Iterable[str]) -> None:
    """See that every slot has its column, and every column its slot.

    Args:
        step: its name, for the error.
        prompt: that it asks by.
        alt_text, boxes: its columns.
        given: the slots that it names columns for.

    Raises:
        ConfigError: if not.
    """
    if prompt.wants_alt_text and not alt_text:
        raise ConfigError(
            f"Prompt {prompt.id!r} wants the alt-text, but stage {step!r} is given none. Name a column in `alt_text`, "
            "for example rows.caption, or take another prompt."
        )
    if prompt.slots & {"crop", "boxes"} and not boxes:
        raise ConfigError(f"Prompt {prompt.id!r} is about regions. Name a column of boxes in `boxes` of {step!r}.")
    for slot in sorted(prompt.slots - BUILT_IN - set(given)):
        raise ConfigError(
            f"Prompt {prompt.id!r} has a slot {slot!r}. Name its column in `given` of {step!r}, for example "
            f"{{{slot}: captions.long}}."
        )
    for slot in sorted(set(given) - prompt.slots):
        raise ConfigError(f"Prompt {prompt.id!r} has no slot {slot!r} for `given` of {step!r}. Drop it.")


def check_names(prompt: Prompt, fields: Iterable[str], language: str) -> None:
    """See that the prompt has these fields, and that there is such a language.

    Raises:
        ConfigError: if not.
    """
    known = sorted({one.name for told in prompt.passes for one in told.fields})
    for name in fields:
        if name not in known:
            raise ConfigError(f"Prompt {prompt.id!r} has no field {name!r}. It has: {', '.join(known)}.")
    if "." not in language:
        language_of(language)
