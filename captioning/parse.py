"""From what a server said to captions, or to the reason why it is none. A failure is a reason, never a caption."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from captioning.exchange import Answer
from captioning.loops import loops
from captioning.schema import TextField

COPIED_WORDS = 9  # the longest run of words that a caption may share with the prompt
SENTENCE_END = frozenset(".!?…。！？।؟\"'”’»)）」』")

#: How models decline. Anchored at the start: a caption may well quote a sign that says "I'm sorry".
_REFUSAL = re.compile(
    r"(i['’]?m sorry|i am sorry|sorry,|i apologi[sz]e|i (can(no|['’])t|am unable|['’]?m unable|am not able|['’]?m not able|"
    r"do not have|don['’]t have|do not see|don['’]t see)\b|as an? (ai|artificial intelligence|language model)\b|"
    r"unfortunately,? i\b|(no|there is no) image (was |is |has been )?(provided|attached|visible|given)|"
    r"please (provide|upload|share|attach) (an|the|a|your) (image|picture|photo))",
    re.IGNORECASE,
)
_FENCE = re.compile(r"\A\s*```(?:json)?\s*(.*?)\s*```\s*\Z", re.DOTALL)

#: What to say of a finish reason other than `stop`.
_CUT = {"length": "answer cut at max_tokens", "repetition": "server saw a repetition loop"}


@dataclass(frozen=True)
class Fault:
    """Why an answer holds no captions. The first line is the kind, which is counted; details stand below it."""

    reason: str


def read(answer: Answer, fields: Sequence[TextField], prompt_text: str = "") -> dict[str, str] | Fault:
    """The captions of an answer by field, cleaned, or the fault in it.

    Args:
        answer: of the server.
        fields: that it should have, with their bounds.
        prompt_text: constant text of the prompt, to recognise copies of it.
    """
    if answer.finish_reason != "stop":
        return Fault(_CUT.get(answer.finish_reason, f"server ended with {answer.finish_reason}"))
    found = _object(answer.text)
    if isinstance(found, Fault):
        return found
    captions: dict[str, str] = {}
    for field in fields:
        value = found.get(field.name)
        if not isinstance(value, str):
            return Fault(f"no text in field {field.name}")
        captions[field.name] = clean(value)
        if reason := _fault(captions[field.name], field, prompt_text):
            return Fault(f"{reason}: {field.name}")
    return captions


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


def _fault(text: str, field: TextField, prompt_text: str) -> str | None:
    """What is wrong with one caption, if anything."""
    faults = {
        "empty": not text,
        "too short": len(text) < field.minimum,
        "too long": len(text) > field.maximum,
        "repetition loop": loops(text),
        "cut at its bound": len(text) >= field.maximum - 1 and text[-1:] not in SENTENCE_END,
        "refusal": _REFUSAL.match(text) is not None,
        "copy of the prompt": copies(text, prompt_text),
    }
    return next((fault for fault, found in faults.items() if found), None)


def copies(text: str, prompt_text: str, words: int = COPIED_WORDS) -> bool:
    """Whether `text` shares a run of more than `words` words with the prompt; case and punctuation are left aside."""
    runs = _runs(prompt_text, words + 1)
    return bool(runs) and not runs.isdisjoint(_runs(text, words + 1))


def _runs(text: str, length: int) -> set[tuple[str, ...]]:
    words = re.findall(r"\w+", text.casefold())
    return {tuple(words[at : at + length]) for at in range(len(words) - length + 1)}
