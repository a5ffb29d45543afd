"""The stage `check-captions`: verdicts on the claims of every caption, and the weights by which training mixes a row's texts.

It reads columns alone. Scores come from clip-score steps, claims and colours from `caption-claims`, repeats from
`caption-repeats`, and, where one is asked, a model's answers from a caption step with the prompt `check-claims`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import field
from typing import Any, ClassVar

import pyarrow as pa

from captioning.checking.claims import Claim
from captioning.checking.probes import Scored, scored
from captioning.checking.reading import ALT, phrases_of
from captioning.checking.statements import answers, asked
from captioning.checking.verdicts import Limits, judge
from captioning.checking.weights import Mixing, Text, weigh
from pipeline.parts import ColumnRef
from pipeline.recipe import recipe
from pipeline.stage import Annotate, Stage

REASON = pa.struct([pa.field(name, pa.string()) for name in ("text", "reason", "detail")])
VERDICT = pa.struct(
    [*(pa.field(name, pa.string()) for name in ("text", "kind", "value", "about")), pa.field("holds", pa.bool_())]
)
ANSWERS = ("wrong", "unsure")  #: what the prompt check-claims answers
Counts = Mapping[tuple[str, str], int]


@recipe
class CheckCaptions(Stage):
    """Weighs the texts of each row; every selected row gets weights that add up to 1, failed captions or not.

    `weights` is a struct with a number for each of `caption_alt`, `caption_short` ...: exported as `caption_weights`, it is what
    the trainer's `texts: {weights: caption_weights}` reads. `scores` has the CLIP scores side by side, `verdicts` what was
    found about each claim (null: nothing could check it), `reasons` why texts weigh less; `caught` is true where a caption has
    a claim that does not hold, or does not fit the picture.

    Attributes:
        captions: name -> column, as in `caption-claims`.
        alt_text: the column of the alt-text.
        alt_score: its clip-score column; null leaves it unscored.
        claims: the `caption-claims` step.
        scores: the clip-score step over that step's probes; null leaves objects to the model, and fit out of the weights.
        repeats: the `caption-repeats` step; null leaves repeats out.
        model: a caption step with the prompt `check-claims`, whose answers go before other evidence; null asks no model.
        language: the column with the language of the alt-text; null takes every alt-text for English.
        trust: CLIP score from which an alt-text in English is trusted: captions that contradict it are wrong. Null trusts none.
        limits: where evidence becomes a no.
        mixing: the formula of the weights.
    """

    kind: ClassVar[str] = "check-captions"

    name: str = "check"
    captions: Mapping[str, str] = field(
        default_factory=lambda: {"short": "captions.short", "medium": "captions.medium", "long": "captions.long"}
    )
    alt_text: str = "rows.caption"
    alt_score: str | None = "clip.clip_score"
    claims: str = "claims"
    scores: str | None = "clip_captions"
    repeats: str | None = "repeats"
    model: str | None = None
    language: str | None = "lang.language"
    trust: float | None = 0.3
    limits: Limits = Limits()
    mixing: Mixing = Mixing()

    @property
    def reads(self) -> tuple[str, ...]:
        """The texts, their claims and scores."""
        found = [self.alt_text, *self.captions.values(), f"{self.claims}.claims", f"{self.claims}.probes"]
        further = [self.alt_score, self.scores and f"{self.scores}.clip_scores", self.language]
        further += [f"{self.model}.{name}" for name in ANSWERS] if self.model else []
        return tuple(dict.fromkeys([*found, *(ref for ref in further if ref)]))

    @property
    def needs(self) -> tuple[str, ...]:
        """The rows that were to be captioned; those that could not be get weights too."""
        return (ColumnRef.parse(self.alt_text).step,)

    @property
    def tables(self) -> tuple[str, ...]:
        """The repeats."""
        return (self.repeats,) if self.repeats else ()

    @property
    def names(self) -> tuple[str, ...]:
        """The texts of a row, the alt-text first."""
        return (ALT, *self.captions)

    @property
    def writes(self) -> pa.Schema:
        """See the class."""
        numbered = pa.struct([pa.field(_field(name), pa.float32()) for name in self.names])
        return pa.schema(
            [
                pa.field("weights", numbered),
                pa.field("scores", numbered),
                pa.field("repeats", pa.struct([pa.field(_field(name), pa.int32()) for name in self.captions])),
                pa.field("verdicts", pa.list_(VERDICT)),
                pa.field("reasons", pa.list_(REASON)),
                pa.field("caught", pa.bool_()),
            ]
        )

    @contextmanager
    def open(self, tables: Mapping[str, pa.Table]) -> Iterator[Annotate]:
        """Keep the counts of the captions that repeat."""
        counts: Counts = {}
        if self.repeats:
            table = tables[self.repeats].to_pydict()
            counts = dict(zip(zip(table["uid"], table["text"], strict=True), table["near"], strict=True))
        yield lambda batches: (self._check(batch, counts) for batch in batches)

    def _check(self, batch: pa.RecordBatch, counts: Counts) -> pa.RecordBatch:
        columns = {name: batch[name].to_pylist() for name in ("uid", *self.reads)}
        rows = (dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True))
        return pa.RecordBatch.from_pylist([self._row(row, counts) for row in rows], self.writes)

    def _row(self, row: Mapping[str, Any], counts: Counts) -> dict[str, Any]:
        told: Sequence[Mapping[str, Any]] = row[f"{self.claims}.claims"] or ()
        scores = self._scored(row, told)
        trusted = self._trusted(row, told)
        model = self._model(row, told)
        texts = {ALT: Text(_there(row[self.alt_text]), self._alt_score(row))}
        for name, ref in self.captions.items():
            mine = [one for one in told if one["text"] == name]
            verdicts = judge(mine, scores, trusted, model, self.limits)
            score = scores.texts[name] if scores else None
            texts[name] = Text(
                _there(row[ref]), score, verdicts, counts.get((row["uid"], name), 1), self._misfit(score)
            )
        return self._made(texts)

    def _made(self, texts: Mapping[str, Text]) -> dict[str, Any]:
        weights, reasons = weigh(texts, self.mixing)
        verdicts = [(name, verdict) for name, text in texts.items() for verdict in text.verdicts]
        return {
            "weights": {_field(name): weight for name, weight in weights.items()},
            "scores": {_field(name): text.score for name, text in texts.items()},
            "repeats": {_field(name): text.repeats for name, text in texts.items() if name != ALT},
            "verdicts": [{"text": name, **vars(verdict.claim), "holds": verdict.holds} for name, verdict in verdicts],
            "reasons": [vars(reason) for reason in reasons],
            "caught": any(verdict.holds is False for _, verdict in verdicts)
            or any(text.misfit for text in texts.values()),
        }

    def _scored(self, row: Mapping[str, Any], told: Sequence[Mapping[str, Any]]) -> Scored | None:
        cosines = row[f"{self.scores}.clip_scores"] if self.scores else None
        if cosines is None:
            return None
        phrases, names = phrases_of(told), tuple(self.captions)
        distractors = row[f"{self.claims}.probes"][len(names) + len(phrases) :]
        return scored(names, phrases, distractors, cosines)

    def _misfit(self, score: float | None) -> bool:
        return score is not None and self.limits.score is not None and score < self.limits.score

    def _alt_score(self, row: Mapping[str, Any]) -> float | None:
        score: float | None = row[self.alt_score] if self.alt_score else None
        return score

    def _model(self, row: Mapping[str, Any], told: Sequence[Mapping[str, Any]]) -> dict[Claim, bool]:
        """What the model is sure of."""
        if not self.model:
            return {}
        wrong, unsure = (row[f"{self.model}.{name}"] for name in ANSWERS)
        return answers(asked(told, tuple(self.captions)), wrong, unsure)

    def _trusted(self, row: Mapping[str, Any], told: Sequence[Mapping[str, Any]]) -> list[Claim]:
        """The claims of the alt-text, if it is trusted."""
        score = self._alt_score(row)
        if self.trust is None or score is None or score < self.trust:
            return []
        if self.language and row[self.language] != "en":
            return []
        return [Claim(one["kind"], one["value"], one["about"]) for one in told if one["text"] == ALT]


def _field(name: str) -> str:
    """The field of the export that holds a text."""
    return f"caption_{name}"


def _there(text: str | None) -> bool:
    return bool(text and text.strip())
