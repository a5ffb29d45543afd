"""What is wrong with one caption. Each fault has a name, which is counted; a config or a prompt may forgive some by name."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from captioning.language import Language, wrong_language
from captioning.loops import loops
from captioning.phrases import boilerplate, placeholder, refuses, speaks_of_its_task
from captioning.schema import Field, ListField
from pipeline.errors import ConfigError

COPIED_WORDS = 9  # the longest run of words that a caption may share with the prompt
SAME_WORDS = 12  # a shorter alt-text may be as good a short caption as any
SENTENCE_END = frozenset(".!?…。！？।؟\"'”’»)）」』")

#: Words that no phrase ends with, so a caption that does was cut. Prepositions can end one: "the box it came in".
_UNFINISHED = frozenset(["the", "a", "an", "and", "or"])

#: The faults that may be forgiven: matters of style and of judgement.
FORGIVABLE = (
    "repetition loop",
    "cut at its bound",
    "ends in the middle",
    "refusal",
    "placeholder",
    "boilerplate opening",
    "speaks of its task",
    "copy of the prompt",
    "wrong script",
    "wrong language",
    "same text",
)


@dataclass(frozen=True)
class Judge:
    """Says what is wrong with captions.

    Attributes:
        prompt_text: constant text of the prompt, to recognise copies of it.
        language: that was asked for; None asks for none.
        differ: fields no two of which may be the same text, and slots that none of them may merely repeat.
        told: slot -> text of the row.
        forgives: faults that are let pass.
    """

    prompt_text: str = ""
    language: Language | None = None
    differ: Sequence[str] = ()
    told: Mapping[str, str] = field(default_factory=dict)
    forgives: Sequence[str] = ()

    def fault(self, text: str, asked: Field) -> str | None:
        """What is wrong with one text of a field; of several faults the first one counts."""
        bounds = bounds_fault(text, asked)
        if bounds or asked.note:
            return bounds
        checks: dict[str, Callable[[], bool]] = {
            "repetition loop": lambda: loops(text),
            "cut at its bound": lambda: len(text) >= asked.maximum - 1 and text[-1:] not in SENTENCE_END,
            "refusal": lambda: refuses(text),
            "placeholder": lambda: placeholder(text),
            "copy of the prompt": lambda: copies(text, self.prompt_text),
            "speaks of its task": lambda: speaks_of_its_task(text),
            "boilerplate opening": lambda: boilerplate(text),
            "ends in the middle": lambda: unfinished(text),
        }
        found = next((fault for fault, holds in checks.items() if fault not in self.forgives and holds()), None)
        return found or self._language_fault(text) or self._copy(text, asked)

    def _language_fault(self, text: str) -> str | None:
        fault = wrong_language(text, self.language) if self.language else None
        return None if fault in self.forgives else fault

    def _copy(self, text: str, asked: Field) -> str | None:
        if asked.name not in self.differ:
            return None
        words = 1 if isinstance(asked, ListField) else SAME_WORDS
        copied = next((slot for slot in self.differ if same(text, self.told.get(slot, ""), words)), None)
        return f"copy of {copied}" if copied else None

    def repeated(self, texts: Sequence[tuple[str, str]]) -> tuple[str, str] | None:
        """The first two of (field, text) that should differ and do not: (the later field, the earlier one)."""
        if "same text" in self.forgives:
            return None
        judged = [(name, text) for name, text in texts if name.partition("[")[0] in self.differ]
        for at, (name, text) in enumerate(judged):
            earlier = next((before for before, other in judged[:at] if plain(text) == plain(other)), None)
            if earlier:
                return name, earlier
        return None


def check_forgiven(names: Sequence[str]) -> None:
    """See that faults are known by these names.

    Raises:
        ConfigError: naming those that are.
    """
    strange = [name for name in names if name not in FORGIVABLE]
    if strange:
        raise ConfigError(f"There is no fault {strange[0]!r} to forgive. There are: {', '.join(FORGIVABLE)}.")


def bounds_fault(text: str, asked: Field) -> str | None:
    """Whether a text keeps the bounds of its field."""
    if not text:
        return "empty"
    return "too short" if len(text) < asked.minimum else "too long" if len(text) > asked.maximum else None


def copies(text: str, prompt_text: str, words: int = COPIED_WORDS) -> bool:
    """Whether `text` shares a run of more than `words` words with the prompt; case and punctuation are left aside."""
    return not _runs_of_prompt(prompt_text, words + 1).isdisjoint(_runs(text, words + 1))


def unfinished(text: str) -> bool:
    """Whether it stops in the middle of a sentence: at a comma or an opening bracket, an article or a conjunction."""
    last = re.findall(r"\w+", text.casefold())[-1:]
    return text[-1:] in {",", "(", "，", "、", "（"} or (
        text[-1:].isalpha() and len(text.split()) > 2 and last[0] in _UNFINISHED
    )


def same(text: str, other: str, words: int) -> bool:
    """Whether two texts of so many words or more are the same but for case and punctuation."""
    one = plain(text)
    return bool(one) and one == plain(other) and (len(one.split()) >= words or len(one) >= 6 * words)


def plain(text: str) -> str:
    """A text without case, punctuation and compatibility forms, to compare it."""
    return " ".join(re.findall(r"\w+", unicodedata.normalize("NFKC", text).casefold()))


@lru_cache(maxsize=64)
def _runs_of_prompt(text: str, length: int) -> frozenset[tuple[str, ...]]:
    """The same for every caption that the prompt asks for."""
    return frozenset(_runs(text, length))


def _runs(text: str, length: int) -> set[tuple[str, ...]]:
    words = re.findall(r"\w+", text.casefold())
    return {tuple(words[at : at + length]) for at in range(len(words) - length + 1)}
