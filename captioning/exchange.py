"""What is asked and what is answered: plain values that can be written down, so that answers can be kept and replayed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from pipeline.rows import uniform

SEEDS = 2**31  # every server takes a seed of 31 bits
HOTTEST = 2.0  # servers refuse more
Scalar = str | int | float | bool


@dataclass(frozen=True)
class Sampling:
    """How a server draws. `extra` are further fields of the request, such as `top_k` or `presence_penalty`."""

    seed: int
    temperature: float
    top_p: float
    max_tokens: int
    extra: Mapping[str, Scalar] = field(default_factory=dict)

    def attempt(self, uid: str, number: int, hotter: float, about: str = "") -> Sampling:
        """How attempt `number` (from 1) at a row draws: with a seed of its own, and hotter by so much.

        Deterministic repeats of a loop or a refusal fail again, so a retry has to differ. The seed is a keyed hash of
        (seed, uid, number, about): the same row draws alike whatever was asked before it. `about` tells the requests of one row
        apart: passes, regions, fields that are asked for alone.
        """
        seed = int(uniform(self.seed, uid, f"caption attempt {number}", about) * SEEDS)
        return replace(self, seed=seed, temperature=min(HOTTEST, round(self.temperature + hotter, 6)))


@dataclass(frozen=True)
class Request:
    """One question about one row; with the messages it makes the body of an HTTP request.

    Attributes:
        asked: the fields that it asks for, or the region: `short, medium, long`, `regions[2]`.
        rung: of the ladder; 0 is the first attempt.
    """

    uid: str
    model: str
    asked: str
    rung: int
    sampling: Sampling


@dataclass(frozen=True)
class Answer:
    """What a server said.

    Attributes:
        text: the message, unparsed.
        finish_reason: `stop`, `length`, or whatever else the server calls it.
        prompt_tokens, completion_tokens: as the server counts them; None where it does not say.
        server: name and version of the server.
    """

    text: str
    finish_reason: str
    prompt_tokens: int | None
    completion_tokens: int | None
    server: str


def body(request: Request, messages: list[dict[str, Any]], schema: Mapping[str, Any]) -> dict[str, Any]:
    """The JSON body of a chat completion (OpenAI's form) that is held to `schema`."""
    sampling = request.sampling
    return {
        "model": request.model,
        "messages": messages,
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "captions", "schema": schema, "strict": True},
        },
        "seed": sampling.seed,
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "max_tokens": sampling.max_tokens,
        **sampling.extra,
    }


def answer_of(data: Mapping[str, Any], server: str) -> Answer:
    """Read the JSON of a chat completion.

    Raises:
        KeyError, IndexError, TypeError: if it is not one.
    """
    choice, usage = data["choices"][0], data.get("usage") or {}
    return Answer(
        text=choice["message"]["content"] or "",
        finish_reason=str(choice.get("finish_reason")),
        prompt_tokens=usage.get("prompt_tokens"),
        completion_tokens=usage.get("completion_tokens"),
        server=server,
    )
