"""One row to its captions, or to the reason why it has none: the passes of a prompt, one after another."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from captioning.asking import Asker, Found, Question
from captioning.client import Client
from captioning.faults import Judge
from captioning.images import UnreadableImage, data_url
from captioning.language import Language
from captioning.parse import Said
from captioning.prompts.form import Pass, Prompt
from captioning.provenance import Maker, provenance
from captioning.regions import Box, Cutter, Units, boxes_of, thousandths
from captioning.schema import Field, ListField, goals
from captioning.sentences import sentences


@dataclass(frozen=True)
class Row:
    """What captioning needs of a row.

    Attributes:
        image: encoded bytes.
        alt_text: None where there is none, or it is not trusted.
        texts: of further slots: earlier captions.
        language: that is asked for.
        boxes: as the column gives them.
    """

    uid: str
    image: bytes | None = None
    alt_text: str | None = None
    texts: Mapping[str, str | None] = field(default_factory=dict)
    language: Language | None = None
    boxes: object = None

    @property
    def told(self) -> dict[str, str]:
        """Slot -> text, without those that are empty."""
        name = self.language.name if self.language else None
        found = {**self.texts, "alt_text": self.alt_text, "language": name}
        return {slot: text for slot, text in found.items() if text and text.strip()}


@dataclass(frozen=True)
class Captioner:
    """Asks for the captions of rows.

    Attributes:
        maker: who captions, for provenance.
        fields: of each pass, those that are asked for.
        forgives: faults that are let pass.
        max_side: pixels; a larger image is scaled down before it is sent.
        units: of boxes.
    """

    asker: Asker
    maker: Maker
    prompt: Prompt
    fields: Sequence[tuple[Field, ...]]
    forgives: Sequence[str]
    max_side: int
    units: Units = "shares"

    @property
    def client(self) -> Client:
        """Whom it asks."""
        return self.asker.client

    async def __call__(self, row: Row) -> dict[str, Any]:
        """The columns of a row: captions (or nulls and an `error_message`) and their provenance."""
        if self.prompt.wants_image and row.image is None:
            return self._columns(row, Found(reasons=self._none("image is missing from its shard")))
        found = Found()
        try:
            await self._passes(row, found)
        except UnreadableImage as error:
            found.reasons = self._none(str(error))
        return self._columns(row, found)

    async def _passes(self, row: Row, found: Found) -> None:
        url = await self._url(row.image) if "image" in self.prompt.slots else None
        for number, (one, fields) in enumerate(zip(self.prompt.passes, self.fields, strict=True)):
            said = {name: text for name, text in found.captions.items() if isinstance(text, str)}
            question = self._question(row, one, fields, row.told | said, url)
            if number:
                question = replace(question, about=f"pass {number + 1}")
            lacks = [slot for slot in one.needs if slot != "boxes" and slot not in question.texts]
            if lacks:
                found.reasons |= {asked.name: f"nothing to go by: {lacks[0]} is empty" for asked in fields}
            elif one.slots & {"crop", "boxes"}:
                found.take(await self._regions(row, question))
            else:
                found.take(await self.asker(question))

    def _question(
        self, row: Row, one: Pass, fields: tuple[Field, ...], texts: Mapping[str, str], url: str | None
    ) -> Question:
        language = row.language if "language" in one.slots else None
        judge = Judge(one.text, language, one.differ, texts, self.forgives)
        return Question(row.uid, "", one, fields, url if "image" in one.slots else None, texts, judge)

    async def _regions(self, row: Row, question: Question) -> Found:
        """The captions of all boxes, in their order; None for a box that has none."""
        (wanted,) = question.fields
        assert isinstance(wanted, ListField)
        assert row.image is not None
        cutter = await asyncio.to_thread(Cutter, row.image)
        boxes = boxes_of(row.boxes, self.units, cutter.size)
        found = Found()
        texts: list[str | None] = [None] * len(boxes)
        places = [place for place, box in enumerate(boxes) if box]
        for start in range(0, len(places), wanted.most):
            some = places[start : start + wanted.most]
            made = await self._some_regions(question, wanted, cutter, some, [box for at in some if (box := boxes[at])])
            found.tries += made.tries
            found.reasons |= {f"{wanted.name}[{at}]": reason for at in some for reason in made.reasons.values()}
            for at, text in zip(some, made.captions.get(wanted.name, []), strict=False):
                texts[at] = text
        found.reasons |= {f"{wanted.name}[{at}]": "no box" for at, box in enumerate(boxes) if not box}
        if not boxes or any(texts):
            found.captions[wanted.name] = texts  # type: ignore[assignment]
        return found

    async def _some_regions(
        self, question: Question, wanted: ListField, cutter: Cutter, places: Sequence[int], boxes: Sequence[Box]
    ) -> Found:
        url = question.image_url
        if "crop" in question.told.slots:
            url = await self._url(await asyncio.to_thread(cutter.cut, boxes[0]))
        return await self.asker(
            replace(
                question,
                about=f"{wanted.name}[{places[0]}]",
                fields=(replace(wanted, least=len(boxes), most=len(boxes)),),
                image_url=url,
                texts={**question.texts, "boxes": thousandths(boxes)},
            )
        )

    async def _url(self, image: bytes | None) -> str:
        assert image is not None
        return await asyncio.to_thread(data_url, image, self.max_side)

    def _none(self, reason: str) -> dict[str, str]:
        return {asked.name: reason for fields in self.fields for asked in fields}

    def _columns(self, row: Row, found: Found) -> dict[str, Any]:
        asked = [one for fields in self.fields for one in fields]
        made: dict[str, Any] = {one.name: found.captions.get(one.name) for one in asked}
        made |= {name: _split(found.captions.get(source)) for name, source in self.prompt.sentences}
        captioned = any(made[one.name] is not None for one in goals(asked))
        reasons = {name: reason for name, reason in found.reasons.items() if name not in found.captions}
        return {
            **made,
            **spread(asked, found.captions),
            "missing": [{"field": name, "reason": reason.partition("\n")[0]} for name, reason in reasons.items()],
            "grounded": self.prompt.wants_alt_text and "alt_text" in row.told,
            "asked_language": row.language.code if row.language else None,
            **provenance(self.maker, found.tries),
            "error_message": None if captioned else next(iter(reasons.values()), "no caption was asked for"),
        }


def spread(asked: Sequence[Field], captions: Mapping[str, Said]) -> dict[str, str | None]:
    """A list of a fixed number of texts as columns of their own, for readers that know no lists: `rewrites_1`, ..."""
    found: dict[str, str | None] = {}
    for one in asked:
        texts = captions.get(one.name, [])
        found |= {name: texts[at] if texts else None for at, name in enumerate(spread_names(one))}
    return found


def spread_names(one: Field) -> list[str]:
    """The names of those columns: of a list of a fixed number of texts, more than one; else none."""
    if not isinstance(one, ListField) or not 1 < one.least == one.most:
        return []
    return [f"{one.name}_{number}" for number in range(1, one.most + 1)]


def _split(caption: Said | None) -> list[str] | None:
    return sentences(caption) if isinstance(caption, str) else None
