"""The step `caption-repeats`: which captions come again, word for word or nearly, on other pictures of the pool.

Definition. A caption's words are its tokens in lower case after NFKC, without marks. Two captions of one field are

- *equal* if their words are equal, in their order;
- *near-identical* if they are equal, or both share a band of their MinHash sketches and agree in at least `similarity` of all their
  minima. A sketch has `bands` times `rows` minima over the set of pairs of neighbouring words (Broder 1997); two sets of the
  Jaccard similarity J agree in a share J of them, give or take .05 at J = .8, and share one of the bands with the probability
  1 - (1 - J**rows)**bands: at the defaults, 12 bands of 6, .97 at J = .8 and .9999 at .9.

A caption's count is the number of rows with a caption near-identical to it, itself included. In a band that more than CROWD
different captions share, each is compared with CROWD of them, so that the work grows with the captions and not with their
square; there counts are lower bounds. The merge holds 4 bytes a minimum: at the defaults and three captions 900 bytes a row.
`bands: 0` counts equal captions alone, with 24 bytes a row.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from captioning.checking.words import is_word, tokens
from pipeline.errors import ConfigError
from pipeline.recipe import recipe
from pipeline.reduce import Reduce

CROWD = 256
Minima = npt.NDArray[np.uint32]
Counts = npt.NDArray[np.int64]
PARTIAL = pa.schema(
    [
        pa.field("uid", pa.string()),
        pa.field("text", pa.string()),
        pa.field("digest", pa.uint64()),
        pa.field("minima", pa.list_(pa.uint32())),
    ]
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
        similarity: share of the minima from which captions count as near-identical.
    """

    kind: ClassVar[str] = "caption-repeats"

    name: str = "repeats"
    captions: Mapping[str, str] = field(
        default_factory=lambda: {"short": "captions.short", "medium": "captions.medium", "long": "captions.long"}
    )
    bands: int = 12
    rows: int = 6
    similarity: float = 0.8

    def __post_init__(self) -> None:
        if self.bands < 0 or self.rows < 1 or not 0 < self.similarity <= 1:
            raise ConfigError(
                f"Step {self.name!r}: bands must be 0 or more, rows 1 or more, and similarity above 0 and at most 1."
            )

    @property
    def reads(self) -> tuple[str, ...]:
        """The captions."""
        return tuple(self.captions.values())

    def partial(self, rows: pa.Table) -> pa.Table:
        """Digest and sketch of every caption of a shard that has a word."""
        sketch = Sketch(self.bands * self.rows)
        found = [
            {"uid": uid, "text": name, "digest": _hash(" ".join(words)), "minima": sketch(words)}
            for name, ref in self.captions.items()
            for uid, words in zip(rows["uid"].to_pylist(), map(words_of, rows[ref].to_pylist()), strict=True)
            if words
        ]
        return pa.Table.from_pylist(found, PARTIAL)

    def combine(self, partials: Iterator[pa.Table]) -> pa.Table:
        """The captions that are not alone, by text and uid."""
        rows = pa.concat_tables([PARTIAL.empty_table(), *partials])
        rows = rows.sort_by([("text", "ascending"), ("uid", "ascending")]).combine_chunks()
        parts = [REPEATS.empty_table()]
        fields = rows["text"].to_numpy(zero_copy_only=False)
        for name in sorted(set(fields.tolist())):
            parts.append(self._of_field(rows.filter(pa.array(fields == name)).combine_chunks()))
        return pa.concat_tables(parts).combine_chunks()

    def _of_field(self, rows: pa.Table) -> pa.Table:
        digests = rows["digest"].to_numpy()
        _, first, place, equal = np.unique(digests, return_index=True, return_inverse=True, return_counts=True)
        minima = rows["minima"].combine_chunks().flatten().to_numpy().reshape(len(digests), -1)[first]
        near = _near(minima, equal, self.bands, self.similarity)
        counts = {"equal": pa.array(equal[place]), "near": pa.array(near[place])}
        table = pa.table({"uid": rows["uid"], "text": rows["text"], **counts}, schema=REPEATS)
        return table.filter(pa.array(near[place] > 1))


def _near(minima: Minima, equal: Counts, bands: int, similarity: float) -> Counts:
    """For each different caption, given with how many rows have it, how many rows have a near-identical one."""
    pairs = [np.empty(0, np.int64)]
    for band in np.split(minima, bands, axis=1) if bands else ():
        keys = np.unique(band, axis=0, return_inverse=True)[1].reshape(-1)
        order = np.argsort(keys, kind="stable")
        edges = np.flatnonzero(np.diff(keys[order])) + 1
        pairs += [_alike(minima, members, similarity) for members in np.split(order, edges) if len(members) > 1]
    one, other = np.divmod(np.unique(np.concatenate(pairs)), len(equal))
    near = equal.astype(np.int64).copy()
    np.add.at(near, one, equal[other])
    return near


def _alike(minima: Minima, members: Counts, similarity: float) -> Counts:
    """The ordered pairs of members, one of each among the first CROWD, that agree in enough minima, as `a * captions + b`."""
    pairs = [np.empty(0, np.int64)]
    others = members[:CROWD]
    for start in range(0, len(members), CROWD):
        mine = members[start : start + CROWD]
        agree = (minima[mine][:, None] == minima[others][None]).mean(axis=2) >= similarity
        one, other = (found[place] for found, place in zip((mine, others), np.nonzero(agree), strict=True))
        one, other = one[one != other], other[one != other]
        pairs += [one * len(minima) + other, other * len(minima) + one]
    return np.concatenate(pairs)


def words_of(caption: str | None) -> list[str]:
    """The words by which captions are compared."""
    return [token for token in tokens(caption or "") if is_word(token)]


class Sketch:
    """MinHash sketches of captions: equal from run to run and machine to machine."""

    def __init__(self, minima: int) -> None:
        # Odd multipliers and offsets of multiply-shift hashing (Dietzfelbinger et al. 1997), fixed for ever.
        self._factors = np.array([_hash(f"factor {k}") | 1 for k in range(minima)], np.uint64)
        self._offsets = np.array([_hash(f"offset {k}") for k in range(minima)], np.uint64)

    def __call__(self, words: Sequence[str]) -> list[Any]:
        """So many minima of 32 bits. `words` must not be empty; one word alone is a pair with nothing."""
        pairs = {" ".join(words[place : place + 2]) for place in range(max(1, len(words) - 1))}
        hashed = np.array([_hash(pair) for pair in pairs], np.uint64)
        found: list[Any] = (hashed[:, None] * self._factors + self._offsets >> np.uint64(32)).min(axis=0).tolist()
        return found


def _hash(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little")
