"""A corpus to counts: words, and pairs of words that stand beside each other."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from curation.metadata_build.rules import LONGEST
from curation.metadata_build.streams import BLOCK, Watch, texts, unwatched
from curation.metadata_build.tally import Counts, Tally
from curation.metadata_build.wikipedia import articles
from curation.metadata_build.words import INSIDE, Cutter
from pipeline.errors import DataError

BETWEEN = "\t"  # between the words of a counted pair: no word holds one


@dataclass(frozen=True)
class Corpus:
    """What was counted; `words.total` is the N of the PMI."""

    words: Counts
    pairs: Counts


def count(
    files: Iterable[Path],
    cut: Cutter,
    scratch: Path,
    *,
    memory: int = 512 << 20,
    workers: int = 1,
    watch: Watch = unwatched,
) -> Corpus:
    """Count the words and pairs of files, exactly.

    Args:
        files: plain texts (UTF-8; a pair never stands across a line end), or Wikipedia dumps (`*.xml`, compressed or not).
        scratch: an empty folder; what is counted lies there, so it must outlive the outcome.
        memory: bytes that the counting takes, about, beside what the libraries take.
        workers: processes that strip wikitext.

    Raises:
        DataError: if a file cannot be read, or if there are no words.
    """
    words, pairs = (_tally(scratch / name, memory // 8) for name in ("words", "pairs"))
    files = list(files)
    for file in files:
        read = articles(file, workers, watch) if is_dump(file) else texts(file, watch)
        for text in batched(read):
            _count(cut(text), words, pairs)
    corpus = Corpus(words.finish(), pairs.finish())
    if not corpus.words.total:
        raise DataError(f"there is no word in {', '.join(map(str, files))}. Name a corpus of texts in UTF-8.")
    return corpus


def is_dump(file: Path) -> bool:
    """Whether a file is MediaWiki's XML, by its name."""
    return ".xml" in file.suffixes[-2:]


def batched(read: Iterable[str], size: int = BLOCK) -> Iterator[str]:
    """Texts joined by line ends until they are worth an array."""
    held: list[str] = []
    characters = 0
    for text in read:
        held.append(text)
        characters += len(text)
        if characters >= size // 2:
            yield "\n".join(held)
            held, characters = [], 0
    if held:
        yield "\n".join(held)


def _count(phrases: pa.Array, words: Tally, pairs: Tally) -> None:
    flat = pc.utf8_trim(phrases.flatten(), INSIDE)
    phrase = pc.list_parent_indices(phrases).to_numpy()
    length = pc.utf8_length(flat).to_numpy()
    good = (length > 0) & (length <= LONGEST)
    words.add(flat.filter(pa.array(good)))
    beside = pa.array(good[:-1] & good[1:] & (phrase[:-1] == phrase[1:]))
    left, right = (side.filter(beside) for side in (flat[:-1], flat[1:]))
    pairs.add(pc.binary_join_element_wise(left, right, BETWEEN))


def _tally(folder: Path, memory: int) -> Tally:
    folder.mkdir(parents=True)
    return Tally(folder, memory)
