"""From what a server said to captions, or to the reason why it is none. A failure is a reason, never a caption."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from captioning.exchange import Answer
from captioning.faults import Judge
from captioning.schema import Field, ListField

Said = str | list[str]

_FENCE = re.compile(r"\A\s*```(?:json)?\s*(.*?)\s*```\s*\Z", re.DOTALL)

#: What to say of a finish reason other than `stop`.
_CUT = {"length": "answer cut at max_tokens", "repetition": "server saw a repetition loop"}


@dataclass(frozen=True)
class Fault:
    """Why an answer holds no captions. The first line is the kind, which is counted; details stand below it."""

    reason: str

    @property
    def kind(self) -> str:
        """Its first line."""
        return self.reason.partition("\n")[0]


def read(answer: Answer, fields: Sequence[Field], judge: Judge | str = "") -> dict[str, Said] | Fault:
    """The captions of an answer by field, cleaned, or the first fault in it.

    Args:
        answer: of the server.
        fields: that it should have, with their bounds.
        judge: of what they say; a text stands for one who knows the prompt alone.
    """
    if answer.finish_reason != "stop":
        return Fault(_CUT.get(answer.finish_reason, f"server ended with {answer.finish_reason}"))
    found = _object(answer.text)
    if isinstance(found, Fault):
        return found
    return _captions(found, fields, Judge(judge) if isinstance(judge, str) else judge)


def clean(text: str) -> str:
    """One line of printable text in NFC: no control characters, no lone surrogates, single spaces."""
    whole = unicodedata.normalize("NFC", text.encode("utf-16", "surrogatepass").decode("utf-16", "replace"))
    printable = "".join(" " if unicodedata.category(sign) in {"Cc", "Cs", "Co", "Cn"} else sign for sign in whole)
    return " ".join(printable.split())


def _object(text: str) -> Mapping[str, object] | Fault:
    """The JSON object of an answer; a Markdown fence around it, as servers without guided decoding give it, is taken off.

    Raw control characters in strings pass here and are cleaned later: xgrammar's bounded strings let models write them.
    """
    fenced = _FENCE.match(text)
    try:
        found = json.loads(fenced.group(1) if fenced else text, strict=False)
    except (ValueError, RecursionError) as error:
        return Fault(f"answer is not JSON\n{error}: {text[:200]}")
    return found if isinstance(found, dict) else Fault("answer is not a JSON object")


def _captions(found: Mapping[str, object], fields: Sequence[Field], judge: Judge) -> dict[str, Said] | Fault:
    captions: dict[str, Said] = {}
    for asked in fields:
        said = _said(found.get(asked.name), asked)
        if isinstance(said, Fault):
            return said
        captions[asked.name] = said
        for place, text in _places(asked, said):
            if reason := judge.fault(text, asked):
                return Fault(f"{reason}: {place}")
    if again := judge.repeated([pair for asked in fields for pair in _places(asked, captions[asked.name])]):
        return Fault(f"same text: {again[0]}\nas {again[1]}")
    return captions


def _said(value: object, asked: Field) -> Said | Fault:
    """What one field says, cleaned, if it is of the right type and number."""
    if not isinstance(asked, ListField):
        return clean(value) if isinstance(value, str) else Fault(f"no text in field {asked.name}")
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        return Fault(f"no list of texts in field {asked.name}")
    if not asked.least <= len(value) <= asked.most:
        return Fault(f"wrong number of items: {asked.name}\n{len(value)} for {asked.least} to {asked.most}")
    return [clean(item) for item in value]


def _places(asked: Field, said: Said) -> list[tuple[str, str]]:
    """(where it stands, text) for each text of a field; items of a list are counted under the list's name."""
    return [(asked.name, said)] if isinstance(said, str) else [(asked.name, item) for item in said]
