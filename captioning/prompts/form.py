"""What a prompt is made of, and how it becomes the messages of a request."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from captioning.schema import Field
from pipeline.recipe import fingerprint

IMAGE, CROP = "{image}", "{crop}"  # the slots that are pictures
ALT_TEXT_CHARACTERS = 500  # about the 128 tokens that Altogether conditions on (arXiv:2410.17251)
GIVEN_CHARACTERS = 4000  # of any other text that a row brings: a long caption, to be rewritten or merged

_SLOT = re.compile(r"\{([a-z_]+)\}")


@dataclass(frozen=True)
class Pass:
    """One request.

    Attributes:
        system: the system message, if any.
        user: the parts of the user message in order. `{image}` alone is the image, `{crop}` alone one region of it, asked for
            one by one. A part with any other slot, such as `{alt_text}`, is left out where a row has nothing for it.
        fields: of the answer.
        optional: those of them that are asked for only if a step names them.
        needs: slots without which the request makes no sense; a row that lacks one gets no captions of this pass.
        differ: fields no two of which may be the same text, and slots that none of them may merely repeat.
        tighter: said after all else where the bounds have been tightened; `{bounds}` names them.
        own_fields: whether the file names the fields.
    """

    system: str | None
    user: tuple[str, ...]
    fields: tuple[Field, ...]
    optional: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    differ: tuple[str, ...] = ()
    tighter: str | None = None
    own_fields: bool = True

    @property
    def slots(self) -> frozenset[str]:
        """What it may be told of a row: `image`, `alt_text`, `short`, ..."""
        return frozenset(slot for part in self.user for slot in _SLOT.findall(part)) | {*self.needs}

    @property
    def text(self) -> str:
        """All constant text, to recognise answers that copy it."""
        asks = (field.ask for field in self.fields)
        return " ".join([self.system or "", *(part for part in self.user if part not in {IMAGE, CROP}), *asks])

    def messages(
        self, fields: Sequence[Field], image_url: str | None, texts: Mapping[str, str], tightened: bool = False
    ) -> list[dict[str, Any]]:
        """The messages of a chat request (OpenAI's form).

        Args:
            fields: that are asked for.
            image_url: data URL of the image or the region.
            texts: slot -> text of this row. It is data: it can write no control token of a chat template.
            tightened: whether the bounds of the fields are to be told.
        """
        asked = "\n".join(f'"{field.name}": {field.ask}' for field in fields)
        told = {slot: tame(text, _limit(slot)) for slot, text in texts.items()} | {"fields": asked}
        if tightened:
            told["bounds"] = ", ".join(f"{field.name} at most {field.maximum} characters" for field in fields)
        parts = [*self.user, *([self.tighter] if self.tighter and tightened else [])]
        content = [_part(part, image_url, told) for part in parts if _said(part, told)]
        system = [{"role": "system", "content": _fill(self.system, {"fields": asked})}] if self.system else []
        return [*system, {"role": "user", "content": content}]


@dataclass(frozen=True)
class Prompt:
    """What a captioner is told.

    Attributes:
        id: names it, for ever.
        about: where it comes from and what it is for; not part of its hash.
        passes: its requests, in order.
        sentences: (list column, field): the sentences of a caption, told apart without a model.
        forgives: faults that its captions may have, because its published form brings them.
    """

    id: str
    about: str
    passes: tuple[Pass, ...]
    sentences: tuple[tuple[str, str], ...] = ()
    forgives: tuple[str, ...] = ()

    @property
    def hash(self) -> str:
        """sha256 of everything that the model is told, 64 hex digits."""
        first = self.passes[0]
        if len(self.passes) == 1 and not first.own_fields:
            return fingerprint({"id": self.id, "system": first.system, "user": first.user})
        told = asdict(self)
        del told["about"]
        return fingerprint(_said_of(told))

    @property
    def slots(self) -> frozenset[str]:
        """What a row has to bring: the slots of all passes but those that earlier ones fill."""
        wanted: set[str] = set()
        made: set[str] = set()
        for one in self.passes:
            wanted |= one.slots - made
            made |= {field.name for field in one.fields}
        return frozenset(wanted)

    @property
    def wants_alt_text(self) -> bool:
        """Whether a row's alt-text is part of it."""
        return "alt_text" in self.slots

    @property
    def wants_image(self) -> bool:
        """Whether any pass looks at the picture."""
        return bool(self.slots & {"image", "crop"})

    def messages(self, image_url: str, alt_text: str | None) -> list[dict[str, Any]]:
        """The messages of the first pass about one image, for all of its fields."""
        return self.passes[0].messages(self.passes[0].fields, image_url, {"alt_text": alt_text or ""})


def tame(text: str, characters: int = ALT_TEXT_CHARACTERS) -> str:
    """A row's text as it may stand in a prompt: one line, bounded, without the angle brackets of control tokens.

    A web page could write `<|im_end|>` or `<image>`, which a chat template's tokenizer would take for its own.
    """
    line = re.sub(r"\s+", " ", text.translate({ord("<"): "‹", ord(">"): "›"})).strip()
    return line[:characters]


def _said_of(told: Any) -> Any:
    """Without what is empty, so that a new attribute changes no hash of a prompt that does not use it."""
    if isinstance(told, dict):
        return {name: _said_of(value) for name, value in told.items() if value}
    return [_said_of(value) for value in told] if isinstance(told, list | tuple) else told


def _limit(slot: str) -> int:
    return ALT_TEXT_CHARACTERS if slot == "alt_text" else GIVEN_CHARACTERS


def _said(part: str, told: Mapping[str, str]) -> bool:
    slots = _SLOT.findall(part)
    return part in {IMAGE, CROP} or all(told.get(slot) for slot in slots)


def _part(part: str, image_url: str | None, told: Mapping[str, str]) -> dict[str, Any]:
    if part in {IMAGE, CROP}:
        return {"type": "image_url", "image_url": {"url": image_url}}
    return {"type": "text", "text": _fill(part, told)}


def _fill(part: str | None, told: Mapping[str, str]) -> str:
    """Each slot once: what a text brings is never taken for a slot."""
    return _SLOT.sub(lambda slot: told.get(slot.group(1), slot.group()), part or "")
