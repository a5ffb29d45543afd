"""One row to its captions, or to the reason why it has none: a ladder of attempts."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from captioning.client import Client, Refused
from captioning.exchange import Answer, Request, Sampling, body
from captioning.images import UnreadableImage, data_url
from captioning.model import Model
from captioning.parse import Fault, read
from captioning.prompts import Prompt
from captioning.provenance import provenance
from captioning.schema import TextField, json_schema

EXCERPT = 200  # characters of a faulty answer that its reason keeps


@dataclass(frozen=True)
class Row:
    """What captioning needs of a row. `image` are encoded bytes."""

    uid: str
    image: bytes | None
    alt_text: str | None = None


@dataclass(frozen=True)
class Captioner:
    """Asks for the captions of a row until they are good or the attempts are used up.

    Attributes:
        retries: further attempts after a faulty answer, each with a seed of its own and hotter by `retry_step`.
        max_side: pixels; a larger image is scaled down before it is sent.
    """

    client: Client
    model: Model
    prompt: Prompt
    fields: Sequence[TextField]
    sampling: Sampling
    retries: int
    retry_step: float
    max_side: int

    async def __call__(self, row: Row) -> dict[str, Any]:
        """The columns of a row: captions (or nulls and an `error_message`) and their provenance."""
        if row.image is None:
            return self._nothing("image is missing from its shard")
        try:
            url = await asyncio.to_thread(data_url, row.image, self.max_side)
        except UnreadableImage as error:
            return self._nothing(str(error))
        return await self._climb(row, self.prompt.messages(url, row.alt_text))

    async def _climb(self, row: Row, messages: list[dict[str, Any]]) -> dict[str, Any]:
        schema = json_schema(self.fields)
        attempt = 1
        while True:
            request = self._request(row, attempt)
            try:
                answer = await self.client.ask(body(request, messages, schema))
            except Refused as refused:
                return self._failed(request, None, str(refused))
            found = read(answer, self.fields, self.prompt.text)
            if not isinstance(found, Fault):
                return self._made(request, answer, found)
            if attempt > self.retries:
                return self._failed(request, answer, f"{found.reason}\nlast answer: {answer.text[:EXCERPT]!r}")
            attempt += 1

    def _request(self, row: Row, attempt: int) -> Request:
        sampling = self.sampling.attempt(row.uid, attempt, self.retry_step)
        alt_text = row.alt_text if self.prompt.wants_alt_text else None
        return Request(row.uid, self.model.name, self.prompt.id, alt_text, attempt, sampling)

    def _made(self, request: Request, answer: Answer, captions: Mapping[str, str]) -> dict[str, Any]:
        return {**captions, "error_message": None, **self._provenance(request, answer)}

    def _failed(self, request: Request, answer: Answer | None, reason: str) -> dict[str, Any]:
        return {**self._nothing(reason), **self._provenance(request, answer)}

    def _nothing(self, reason: str) -> dict[str, Any]:
        return {**{field.name: None for field in self.fields}, "error_message": reason}

    def _provenance(self, request: Request, answer: Answer | None) -> dict[str, Any]:
        return provenance(request, answer, self.model.revision, self.prompt.hash)
