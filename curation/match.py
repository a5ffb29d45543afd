"""The match stage: every text against the metadata set of its language."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar

import numpy as np
import pyarrow as pa

from curation.matching import Matcher
from curation.metadata import MetadataSets
from curation.texts import Flat, flatten, flatten_texts
from pipeline.errors import ContractError
from pipeline.recipe import execution, recipe
from pipeline.stage import Annotate, Stage


@recipe
class Match(Stage):
    """Writes which metadata set serves each text, and which of its entries the text contains.

    Attributes:
        texts: a column of texts.
        languages: their language labels, aligned.
        metadata: a folder of `<code>.txt`, or a metadata.json (see `MetadataSets.load`); its bytes are identity.
        space_free: whether sets other than `english` are wrapped in the worldwide form of MetaCLIP 2, which finds words in
            scripts without spaces.
        english: the set that is wrapped as MetaCLIP does, whatever `space_free` says.
    """

    kind: ClassVar[str] = "match"

    texts: str = "rows.texts"
    languages: str = "lang.languages"
    metadata: Path = dataclasses.field(metadata={"identity": "content"})
    space_free: bool = True
    english: str = "en"
    batch_rows: int = execution(default=65_536)

    @property
    def reads(self) -> tuple[str, ...]:
        """The texts and their languages."""
        return (self.texts, self.languages)

    @property
    def writes(self) -> pa.Schema:
        """`metadata`, the name of the set of each text, and `entries`, the ids in it that the text contains, ascending."""
        return pa.schema(
            [
                pa.field("metadata", pa.list_(pa.string())),
                pa.field("entries", pa.list_(pa.list_(pa.int32()))),
            ]
        )

    @contextmanager
    def open(self, tables: Mapping[str, pa.Table]) -> Iterator[Annotate]:
        """Read the metadata; the index of each set is built when its first text comes."""
        sets = MetadataSets.load(self.metadata)
        matchers: dict[str, Matcher] = {}

        def matcher(name: str) -> Matcher:
            if name not in matchers:
                matchers[name] = Matcher.cached(sets.entries(name), self.space_free and name != self.english)
            return matchers[name]

        def annotate(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
            for batch in batches:
                texts, labels = flatten_texts(batch[self.texts]), flatten(batch[self.languages])
                self._check(texts, labels)
                names = _translate(labels.values, sets.set_of)
                entries = _match_by_set(texts.values, names, matcher)
                yield pa.record_batch([texts.nest(names), texts.nest(entries)], self.writes)

        yield annotate

    def _check(self, texts: Flat, labels: Flat) -> None:
        if not np.array_equal(texts.offsets, labels.offsets):
            raise ContractError(
                f"Step {self.name!r}: {self.languages} does not hold one language for each text of {self.texts}. "
                "Let both name columns about the same texts."
            )


def _translate(labels: pa.Array, set_of: Callable[[str | None], str]) -> pa.StringArray:
    """The set of each label, asked for once a label."""
    encoded = labels.dictionary_encode(null_encoding="encode")
    sets = pa.array([set_of(label) for label in encoded.dictionary.to_pylist()], pa.string())
    return sets.take(encoded.indices)


def _match_by_set(texts: pa.StringArray, names: pa.StringArray, matcher: Callable[[str], Matcher]) -> pa.ListArray:
    """The entries of each text, found set by set and laid back in the order of the texts."""
    encoded = names.dictionary_encode()
    codes = encoded.indices.to_numpy()
    order = np.argsort(codes, kind="stable")
    bounds = np.searchsorted(codes[order], np.arange(len(encoded.dictionary) + 1))
    sorted_texts = texts.take(pa.array(order))
    parts = [
        matcher(name).match(sorted_texts.slice(start, stop - start))
        for name, start, stop in zip(encoded.dictionary.to_pylist(), bounds[:-1], bounds[1:], strict=True)
    ]
    return pa.concat_arrays([pa.array([], pa.list_(pa.int32())), *parts]).take(pa.array(np.argsort(order)))
