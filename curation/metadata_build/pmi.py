"""The pointwise mutual information of pairs, as nltk's bigram association measures give it.

    PMI = log2(c12 * N / (c1 * c2))      c12 pairs, c1 and c2 occurrences of its words, N words in all

The counts of words may be many: they are looked up table by table, for one range of pairs at a time.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from curation.metadata_build.corpus import BETWEEN, Corpus
from curation.metadata_build.tally import Counts

Floats = npt.NDArray[np.float64]


def scored(corpus: Corpus) -> Iterator[pa.Table]:
    """Tables of every pair: `key` (its words with a tab between them), `count` and `pmi` in bits."""
    for table in corpus.pairs.tables():
        both = pc.list_flatten(pc.split_pattern(table["key"], BETWEEN)).combine_chunks()
        counts = occurrences(both, corpus.words)
        together = table["count"].to_numpy().astype(np.float64)
        values = np.log2(together * corpus.words.total) - np.log2(counts[::2] * counts[1::2])
        yield table.append_column("pmi", pa.array(values))


def occurrences(words: pa.Array, counts: Counts) -> Floats:
    """How often each of these words was counted, each of which is among the counts."""
    encoded = words.dictionary_encode()
    found = np.zeros(len(encoded.dictionary), np.float64)
    for table in counts.tables():
        place = pc.index_in(encoded.dictionary, value_set=table["key"].combine_chunks())
        there = pc.is_valid(place).to_numpy(zero_copy_only=False)
        found[there] = table["count"].to_numpy()[place.drop_null().to_numpy()]
    spread: Floats = found[encoded.indices.to_numpy()]
    return spread
