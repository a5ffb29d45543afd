"""Metadata of ten million entries: what its index costs, and whether its matches are still those of the definition.

    python -m benchmarks.entries [--entries 10000000] [--texts 20000]

Entries are all different: one to three of 30,000 made-up words. Texts hold some of them among other words. The matches are
compared with a look-up of every run of one to three words in a Python dict. Fails where one differs, or where the index takes
more memory than BYTES an entry.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
from pathlib import Path

import pyarrow as pa
from rich.console import Console

from benchmarks.children import peak
from curation.matching import Matcher

RECORD = Path("build/bench/entries.json")
WORDS, LONGEST = 30_000, 3
BYTES = 400  #: of peak memory of the process an entry, the list of entries itself included


def made_up(many: int, seed: int) -> list[str]:
    """Different entries of one to three words."""
    draw, found = random.Random(seed), dict[str, None]()
    words = [f"w{k:x}" for k in range(WORDS)]
    while len(found) < many:
        found[" ".join(draw.choices(words, k=draw.randint(1, LONGEST)))] = None
    return list(found)


def texts_of(entries: list[str], many: int, seed: int) -> list[str]:
    """Texts of a few entries each, one after another, and words that are in no entry."""
    draw = random.Random(seed)
    return [" ".join([*draw.choices(entries, k=3), "else", *draw.choices(entries, k=2)]) for _ in range(many)]


def looked_up(places: dict[str, int], text: str) -> list[int]:
    """The entries in a text of plain words, by the definition: every run of words that is one."""
    words = text.split(" ")
    runs = (" ".join(words[at : at + size]) for at in range(len(words)) for size in range(1, LONGEST + 1))
    return sorted({places[run] for run in runs if run in places})


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--entries", type=int, default=10_000_000)
    parser.add_argument("--texts", type=int, default=20_000)
    chosen, console = parser.parse_args(), Console(width=150)
    entries = made_up(chosen.entries, 0)
    texts, before = texts_of(entries, chosen.texts, 1), peak()
    begun = time.process_time()
    matcher = Matcher(entries, False)
    built, held = time.process_time() - begun, peak()
    begun = time.process_time()
    found = matcher.match(pa.array(texts)).to_pylist()
    matched = time.process_time() - begun
    places = {entry: place for place, entry in enumerate(entries)}
    wrong = sum(ours != looked_up(places, text) for ours, text in zip(found, texts, strict=True))
    record = {
        "entries": len(entries),
        "texts": len(texts),
        "matches": sum(map(len, found)),
        "wrong": wrong,
        "build_cpu_seconds": built,
        "texts_per_cpu_second": len(texts) / matched,
        "peak_before": before,
        "peak": held,
    }
    RECORD.parent.mkdir(parents=True, exist_ok=True)
    RECORD.write_text(json.dumps(record, indent=1) + "\n")
    console.print(
        f"{len(entries):,} entries: index in {built:.1f} CPU-s, {len(texts) / matched:,.0f} texts a CPU-second, "
        f"{record['matches']:,} matches, {wrong} of {len(texts):,} texts differ from the definition"
    )
    console.print(f"peak memory {before / 1e6:,.0f} MB with the list of entries, {held / 1e6:,.0f} MB with the index")
    failed = wrong or held > BYTES * len(entries)
    console.print("missed" if failed else "all targets reached")
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main())
