"""The step `caption-repeats`: which captions come again, word for word or nearly, on other pictures of the pool.

Definition. A caption's words are its tokens in lower case after NFKC, without marks. Two captions of one field are

- *equal* if their words are equal, in their order;
- *near-identical* if they share a band of their MinHash sketch: `rows` minima, in the same place, over the set of pairs of
  neighbouring words (Broder 1997). Captions whose sets have the Jaccard similarity J share one of `bands` bands with the probability
  1 - (1 - J**rows)**bands: with the defaults, 12 bands of 6, .17 at J = .5, .78 at .7, .97 at .8; equal ones always.

A caption's count is the number of rows in the largest band that it is in, itself included. The merge holds three captions a row
with 8 bytes a band: about 300 bytes a row at the defaults. `bands: 0` counts equal captions alone, with 24 bytes a row.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field
from typing import ClassVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from captioning.checking.words import is_word, tokens
from pipeline.errors import ConfigError
from pipeline.recipe import recipe
from pipeline.reduce import Reduce

Hashes = npt.NDArray[np.uint64]
#: `keys` are the digest of the whole caption, then one of each band.
PARTIAL = pa.schema(
    [pa.field("uid", pa.string()), pa.field("text", pa.string()), pa.field("keys", pa.list_(pa.uint64()))]
)
REPEATS = pa.schema(
    [
        pa.field("uid", pa.string()),
        pa.field("text", pa.string()),
        pa.field("equal", pa.int64()),
        pa.field("near", pa.int64()),
    ]
)


@recipe
class CaptionRepeats(Reduce):
    """Captions that are not alone: a table of `uid`, `text` (the field), and how many rows have an `equal` and a `near` one.

    Attributes:
        captions: name -> column.
        bands, rows: of the sketch; see the module.
    """

    kind: ClassVar[str] = "caption-repeats"

    name: str = "repeats"
    captions: Mapping[str, str] = field(
        default_factory=lambda: {"short": "captions.short", "medium": "captions.medium", "long": "captions.long"}
    )
    bands: int = 12
    rows: int = 6

    def __post_init__(self) -> None:
        if self.bands < 0 or self.rows < 1:
            raise ConfigError(f"Step {self.name!r}: bands must be 0 or more, rows 1 or more.")

    @property
    def reads(self) -> tuple[str, ...]:
        """The captions."""
        return tuple(self.captions.values())

    def partial(self, rows: pa.Table) -> pa.Table:
        """The keys of every caption of a shard that has a word."""
        sketch = Sketch(self.bands, self.rows)
        found = [
            {"uid": uid, "text": name, "keys": sketch.keys(words).tolist()}
            for name, ref in self.captions.items()
            for uid, words in zip(rows["uid"].to_pylist(), map(words_of, rows[ref].to_pylist()), strict=True)
            if words
        ]
        return pa.Table.from_pylist(found, PARTIAL)

    def combine(self, partials: Iterator[pa.Table]) -> pa.Table:
        """The captions that share a key, by text and uid."""
        rows = pa.concat_tables([PARTIAL.empty_table(), *partials])
        rows = rows.sort_by([("text", "ascending"), ("uid", "ascending")]).combine_chunks()
        if not rows.num_rows:
            return REPEATS.empty_table()
        keys = rows["keys"].combine_chunks().flatten().to_numpy().reshape(rows.num_rows, -1)
        fields = rows["text"].combine_chunks().dictionary_encode().indices.to_numpy().astype(np.uint64)
        counts = np.stack([_shared(keys[:, band], fields) for band in range(keys.shape[1])])
        equal, near = counts[0], counts.max(axis=0)
        table = pa.table([rows["uid"], rows["text"], pa.array(equal), pa.array(near)], schema=REPEATS)
        return table.filter(pa.array(near > 1))


def words_of(caption: str | None) -> list[str]:
    """The words by which captions are compared."""
    return [token for token in tokens(caption or "") if is_word(token)]


def _shared(keys: Hashes, fields: Hashes) -> npt.NDArray[np.int64]:
    """For each row how many rows have its key in its field."""
    salted = keys ^ (fields * np.uint64(0x9E3779B97F4A7C15))
    _, place, counts = np.unique(salted, return_inverse=True, return_counts=True)
    found: npt.NDArray[np.int64] = counts[place].astype(np.int64)
    return found


class Sketch:
    """The keys of captions: 64-bit digests, equal from run to run and machine to machine."""

    def __init__(self, bands: int, rows: int) -> None:
        self._bands, self._rows = bands, rows
        # Odd multipliers and offsets of multiply-shift hashing (Dietzfelbinger et al. 1997), fixed for ever.
        self._factors = np.array([_hash(f"factor {k}") | 1 for k in range(bands * rows)], np.uint64)
        self._offsets = np.array([_hash(f"offset {k}") for k in range(bands * rows)], np.uint64)

    def keys(self, words: Sequence[str]) -> Hashes:
        """One key of the whole and one a band: uint64 of shape (1 + bands,). `words` must not be empty."""
        whole = np.array([_hash(" ".join(words))], np.uint64)
        pairs = {" ".join(words[place : place + 2]) for place in range(max(1, len(words) - 1))}
        hashed = np.array([_hash(pair) for pair in pairs], np.uint64)
        minima = (hashed[:, None] * self._factors + self._offsets >> np.uint64(32)).min(axis=0)
        bands = [_hash(band.tobytes().hex()) for band in minima.reshape(self._bands, self._rows)]
        return np.concatenate([whole, np.array(bands, np.uint64)])


def _hash(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little")
