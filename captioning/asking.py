"""One question about one row: asked again, rung by rung, until its captions are good or the ladder ends."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from captioning.client import Client, Refused
from captioning.exchange import Answer, Request, Sampling, body
from captioning.faults import Judge
from captioning.ladder import Rung
from captioning.parse import Fault, Said, read
from captioning.prompts.form import Pass
from captioning.schema import Field, goals, json_schema

EXCERPT = 200  # characters of a faulty answer that its reason keeps


@dataclass(frozen=True)
class Question:
    """What one pass, or one region of it, asks of one row.

    Attributes:
        uid: of the row.
        about: tells it from the other questions about the row.
        told: the pass.
        fields: that are asked for.
        image_url: data URL; None where the pass sends text alone.
        texts: slot -> text.
        judge: of the answer.
    """

    uid: str
    about: str
    told: Pass
    fields: tuple[Field, ...]
    image_url: str | None
    texts: Mapping[str, str]
    judge: Judge


@dataclass(frozen=True)
class Try:
    """One request, and what became of it: `fault` is None if its captions were taken."""

    request: Request
    answer: Answer | None
    fault: str | None


@dataclass
class Found:
    """What came of a question: captions by field, the reasons of those that did not come, and every try."""

    captions: dict[str, Said] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)
    tries: list[Try] = field(default_factory=list)

    def take(self, other: Found) -> None:
        """Add what came of another question."""
        self.captions |= other.captions
        self.reasons |= other.reasons
        self.tries += other.tries


@dataclass(frozen=True)
class Asker:
    """Climbs the ladder.

    Attributes:
        model: under which name it is served.
        ladder: what is tried after a first attempt.
    """

    client: Client
    model: str
    sampling: Sampling
    ladder: Sequence[Rung]

    async def __call__(self, question: Question) -> Found:
        """Its captions, or the reasons why there are none."""
        found = Found()
        for number, rung in enumerate((Rung(), *self.ladder)):
            missing = [one for one in question.fields if one.name not in found.captions]
            groups = [[one] for one in goals(missing)] if rung.each else [missing]
            for group in groups:
                if not await self._ask(question, group, number, rung, found):
                    return found
            if all(one.name in found.captions for one in goals(question.fields)):
                break
        return found

    async def _ask(self, question: Question, fields: Sequence[Field], number: int, rung: Rung, found: Found) -> bool:
        """One request for some fields; False if no server will answer this row, whatever is asked."""
        tight = rung.tighter < 1
        asked = [one.tighter(rung.tighter) for one in fields] if tight else list(fields)
        request = self._request(question, asked, number, rung)
        messages = question.told.messages(asked, question.image_url, question.texts, tight)
        try:
            answer = await self.client.ask(body(request, messages, json_schema(asked)))
        except Refused as refused:
            _note(found, request, None, asked, str(refused))
            return False
        made = read(answer, asked, question.judge)
        if isinstance(made, Fault):
            _note(found, request, answer, asked, f"{made.reason}\nlast answer: {answer.text[:EXCERPT]!r}")
            return True
        found.captions |= made
        found.reasons = {name: reason for name, reason in found.reasons.items() if name not in made}
        found.tries.append(Try(request, answer, None))
        return True

    def _request(self, question: Question, asked: Sequence[Field], number: int, rung: Rung) -> Request:
        names = ", ".join(one.name for one in asked)
        by_itself = f"{question.about} {names}".strip() if rung.each and len(question.fields) > 1 else question.about
        sampling = self.sampling.attempt(question.uid, number + 1, rung.hotter, by_itself)
        return Request(question.uid, self.model, question.about or names, number, sampling)


def _note(found: Found, request: Request, answer: Answer | None, asked: Sequence[Field], reason: str) -> None:
    found.reasons |= {one.name: reason for one in asked}
    found.tries.append(Try(request, answer, reason.partition("\n")[0]))
