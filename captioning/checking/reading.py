"""The stage `caption-claims`: what the captions of a row claim, what its pixels say of the colours, and what to ask a CLIP."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import field
from pathlib import Path
from typing import Any, ClassVar

import pyarrow as pa

from captioning.checking.claims import BACKGROUND, COLOUR, OBJECT, Claim, claims
from captioning.checking.colours import Shown, colours
from captioning.checking.probes import DISTRACTORS, probes
from captioning.checking.statements import asked, statements
from captioning.checking.vocabulary import Vocabulary, read_vocabulary
from pipeline.recipe import content, recipe
from pipeline.stage import Annotate, Stage

ALT = "alt"  #: the field name of the alt-text among the captions
CLAIM = pa.struct(
    [
        pa.field("text", pa.string()),
        pa.field("kind", pa.string()),
        pa.field("value", pa.string()),
        pa.field("about", pa.string()),
        pa.field("known", pa.bool_()),
        pa.field("share", pa.float32()),
    ]
)
WRITES = pa.schema(
    [
        pa.field("claims", pa.list_(CLAIM)),
        pa.field("probes", pa.list_(pa.string())),
        pa.field("statements", pa.string()),
    ]
)


@recipe
class CaptionClaims(Stage):
    """Reads captions and alt-text by rules, and measures colours. The rules read English: what is written in another language is
    no claim that they could take apart, so captions in it should be judged by their score alone (`object_standing: null`).

    `claims` has for each claim the text that makes it (`alt`, or a name of `captions`), its kind, value and what it is about; of
    an object whether the vocabulary knows its words; of a colour the share of the pixels that may be called so, along the
    border for the background. `probes` is for a clip-score step: `{kind: clip-score, text: claims.probes}`;
    `statements` for a model: `{kind: caption, prompt: check-claims, given: {statements: claims.statements}}`.

    Attributes:
        captions: name -> column.
        alt_text: the column of the alt-text; null leaves it unread.
        image: the encoded picture.
        vocabulary: a file of names, one a line, such as the metadata of the matching. Without it any words are a name.
        distractors: phrases that calibrate the scores: none may fit most of the pictures.
    """

    kind: ClassVar[str] = "caption-claims"

    name: str = "claims"
    captions: Mapping[str, str] = field(
        default_factory=lambda: {"short": "captions.short", "medium": "captions.medium", "long": "captions.long"}
    )
    alt_text: str | None = "rows.caption"
    image: str = "download.image"
    vocabulary: Path | None = content(default=None)
    distractors: tuple[str, ...] = DISTRACTORS

    @property
    def reads(self) -> tuple[str, ...]:
        """The texts and the picture."""
        return (*self.captions.values(), *([self.alt_text] if self.alt_text else []), self.image)

    @property
    def writes(self) -> pa.Schema:
        """Claims and probes."""
        return WRITES

    @contextmanager
    def open(self, tables: Mapping[str, pa.Table]) -> Iterator[Annotate]:
        """Read the vocabulary."""
        vocabulary = read_vocabulary(self.vocabulary)
        yield lambda batches: (self._read(batch, vocabulary) for batch in batches)

    def _read(self, batch: pa.RecordBatch, vocabulary: Vocabulary) -> pa.RecordBatch:
        columns = {name: batch[ref].to_pylist() for name, ref in self.captions.items()}
        alts = batch[self.alt_text].to_pylist() if self.alt_text else [None] * batch.num_rows
        made = []
        for row, data in enumerate(batch[self.image].to_pylist()):
            texts = {name: column[row] for name, column in columns.items()}
            shown = colours(data) if data is not None else None
            made.append(self._row(texts, alts[row], shown, vocabulary))
        return pa.RecordBatch.from_pylist(made, WRITES)

    def _row(
        self, texts: Mapping[str, str | None], alt: str | None, shown: Shown | None, vocabulary: Vocabulary
    ) -> dict[str, Any]:
        found = {name: claims(text or "", vocabulary) for name, text in {ALT: alt, **texts}.items()}
        told = [evidence(name, claim, shown, vocabulary) for name, said in found.items() for claim in said]
        wanted = probes(list(texts.values()), phrases_of(told), self.distractors)
        return {"claims": told, "probes": wanted, "statements": statements(asked(told, tuple(texts))) or None}


def evidence(text: str, claim: Claim, shown: Shown | None, vocabulary: Vocabulary) -> dict[str, Any]:
    """A claim as a row of the column, with what words and pixels say about it."""
    told: dict[str, Any] = {"text": text, "kind": claim.kind, "value": claim.value, "about": claim.about}
    if claim.kind == OBJECT:
        told["known"] = vocabulary.knows(claim.value)
    if claim.kind == COLOUR and shown:
        told["share"] = shown.share(claim.value, ground=claim.about == BACKGROUND)
    return told


def phrases_of(told: Sequence[Mapping[str, Any]]) -> list[str]:
    """The phrases of the objects that the captions claim, each once, in order; those of the alt-text are not asked."""
    return list(dict.fromkeys(one["value"] for one in told if one["kind"] == OBJECT and one["text"] != ALT))
