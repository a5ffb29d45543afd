"""Matching and balancing against MetaCLIP's way, on the same texts in the same process.

    python -m benchmarks.balance [--data build/demo] [--runs 5] [--rows 10000000] [--only english worldwide ...]

The peer is pyahocorasick as MetaCLIP uses it: each text spaced by Python, an automaton walked over it, a set of ids. Results
are compared before anything is timed. Fails where a ratio misses its target. The record is kept in build/bench/balance.json.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from importlib.metadata import version
from itertools import chain as joined
from itertools import cycle, islice
from pathlib import Path
from statistics import median
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from rich.console import Console
from rich.table import Table

from benchmarks import chain, children, corpora, metaclip
from curation.matching import Matcher
from pipeline.errors import PairpoolError

TARGETS = {"english": 8.0, "worldwide": 6.0, "processes": 1.8, "chain": 1.25}
CHAIN_TEXTS, FEW_TEXTS = 200_000, 2_000
MEMORY_GROWTH = 1.1  # of the peak, from a tenth of the rows to all of them
RECORD = Path("build/bench/balance.json")
PARTS = ("english", "worldwide", "first use", "processes", "memory", "chain")

Corpora = Mapping[str, corpora.Corpus]


def seconds(work: Callable[[], object]) -> tuple[float, float]:
    """Of the clock and of the CPU."""
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - wall, time.process_time() - cpu


def compare(sets: Corpora, runs: int) -> dict[str, Any]:
    """Both sides on the same texts, set by set: first their results, then their seconds, turn by turn."""
    Matcher(["a", "a b"]).match_text("a")  # compiles what is not compiled yet
    ours: dict[str, Matcher] = {}
    peers: dict[str, Any] = {}
    _, build = seconds(lambda: ours.update({n: Matcher(c.entries, c.space_free) for n, c in sets.items()}))
    _, build_peer = seconds(
        lambda: peers.update({n: metaclip.automaton(c.entries, c.space_free) for n, c in sets.items()})
    )
    columns = {name: pa.array(found.texts) for name, found in sets.items()}
    matches = sum(
        check(name, ours[name].match(columns[name]), metaclip.match(peers[name], sets[name].texts)) for name in sets
    )

    def run_ours() -> None:
        for name, column in columns.items():
            ours[name].match(column)

    def run_peer() -> None:
        for name, found in sets.items():
            metaclip.match(peers[name], found.texts)

    turns = [(seconds(run_peer), seconds(run_ours)) for _ in range(runs)]
    return {
        "sets": len(sets),
        "texts": sum(map(len, columns.values())),
        "entries": sum(len(found.entries) for found in sets.values()),
        "bytes": sum(len(text.encode()) for found in sets.values() for text in found.texts),
        "matches": matches,
        "index_bytes": sum(matcher.nbytes for matcher in ours.values()),
        "build": build,
        "build_peer": build_peer,
        "wall_peer": median(peer[0] for peer, _ in turns),
        "wall": median(mine[0] for _, mine in turns),
        "cpu_peer": median(peer[1] for peer, _ in turns),
        "cpu": median(mine[1] for _, mine in turns),
        "ratio": median(peer[1] / mine[1] for peer, mine in turns),
        "ratios": sorted(round(peer[1] / mine[1], 2) for peer, mine in turns),
        "peak": children.peak(),
    }


def check(name: str, ours: pa.ListArray, peer: list[list[int]]) -> int:
    """Stop where the two differ; gives how many matches there are."""
    for number, (mine, theirs) in enumerate(zip(ours.to_pylist(), peer, strict=True)):
        if mine != sorted(theirs):
            raise SystemExit(f"{name}, text {number}: we find {mine}, the peer {sorted(theirs)}")
    return len(ours.flatten())


def processes(corpus: corpora.Corpus, folder: Path, runs: int) -> dict[str, Any]:
    """One process, then two at a time, over one index file."""
    index, texts = folder / "english.index", folder / "texts.parquet"
    Matcher(corpus.entries, corpus.space_free).save(index)
    pq.write_table(pa.table({"text": corpus.texts}), texts)
    rounds = max(1, 2_000_000 // len(corpus.texts))
    turns = [
        (children.together(1, index, texts, rounds), children.together(2, index, texts, rounds)) for _ in range(runs)
    ]
    return {
        "index_bytes": index.stat().st_size,
        "one": median(one[0].texts for one, _ in turns),
        "two": median(sum(child.texts for child in two) for _, two in turns),
        "ratio": median(sum(child.texts for child in two) / one[0].texts for one, two in turns),
        "ratio_cpu": median(sum(child.texts_cpu for child in two) / one[0].texts_cpu for one, two in turns),
        "rss": [child.rss for child in turns[-1][1]],
        "pss": [child.pss for child in turns[-1][1]],
        "pss_alone": turns[-1][0][0].pss,
    }


def memory(sets: Corpora, folder: Path, rows: int) -> dict[str, Any]:
    """A tenth of the rows, then all, through the match stage."""
    metadata, texts = write_metadata(sets, folder), folder / "mixed.parquet"
    labelled = [(text, name) for text, name in mixed(sets)]
    pq.write_table(pa.table({"text": [t for t, _ in labelled], "language": [name for _, name in labelled]}), texts)
    less, more = (children.through_stage(metadata, texts, count) for count in (rows // 10, rows))
    return {"less": less, "more": more, "growth": more["peak"] / less["peak"]}


def whole_chain(sets: Corpora, folder: Path, runs: int) -> dict[str, Any]:
    """The engine from rows to the selection, and the bare loops, turn by turn, in this process.

    What opening costs (models, the metadata, their index) is taken from a pool of FEW_TEXTS, and stands apart: the bare loops
    begin with an open model and a ready matcher.
    """
    metadata = write_metadata(sets, folder)
    texts = [text for text, _ in islice(mixed(sets), CHAIN_TEXTS)]
    small, large = (chain.write_pool(folder / f"urls{count}", texts[:count]) for count in (FEW_TEXTS, len(texts)))
    turns = []
    for turn in range(-1, runs):  # the first warms both sides up
        predicting, labels = chain.bare_language(texts)
        bare = {"predict": predicting, "matcher": chain.bare_matching(texts, labels, metadata)}
        opening = chain.cpu_by_step(folder / f"small{turn}", small, metadata)
        steps = chain.cpu_by_step(folder / f"large{turn}", large, metadata)
        turns.append((bare, opening, {name: steps[name] - opening[name] for name in steps}))
    turns = turns[1:]
    return {
        "texts": len(texts),
        "bare": {name: median(bare[name] for bare, _, _ in turns) for name in turns[0][0]},
        "opening": {name: median(opening[name] for _, opening, _ in turns) for name in turns[0][1]},
        "steps": {name: median(steps[name] for _, _, steps in turns) for name in turns[0][2]},
        "ratio": median(sum(steps.values()) / sum(bare.values()) for bare, _, steps in turns),
    }


def write_metadata(sets: Corpora, folder: Path) -> Path:
    """The sets as a folder of lists."""
    metadata = folder / "metadata"
    metadata.mkdir(exist_ok=True)
    for name, found in sets.items():
        entries = (" ".join(entry.splitlines()) for entry in found.entries)
        (metadata / f"{name}.txt").write_text("".join(f"{entry}\n" for entry in entries), encoding="utf-8")
    return metadata


def mixed(sets: Corpora) -> list[tuple[str, str]]:
    """Texts of all sets in turn, with the set's name: one English text, then one of another language."""
    others = [(text, name) for name, found in sets.items() if name != "en" for text in found.texts]
    others = [pair for start in range(997) for pair in others[start::997]]
    english = ((text, "en") for text in cycle(sets["en"].texts))
    return list(joined.from_iterable(zip(english, others, strict=False)))


def show(record: Mapping[str, Any], console: Console) -> None:
    """The tables."""
    if pairs := {name: record[name] for name in ("english", "worldwide") if name in record}:
        console.print(speed_table(pairs))
    others = Table("claim", "measured", "target", title="around it", title_justify="left")
    for row in other_rows(record):
        others.add_row(*row)
    if others.row_count:
        console.print(others)


def speed_table(pairs: Mapping[str, Mapping[str, Any]]) -> Table:
    """Both sides of each corpus."""
    table = Table(title="matching, one thread of one process, medians of alternating runs", title_justify="left")
    for name in ("corpus", "texts", "entries", "matches/text", "side", "texts/s", "CPU-s", "build s", "index", "ratio"):
        table.add_column(name, justify="left" if name in ("corpus", "side") else "right")
    for name, found in pairs.items():
        head = (name, f"{found['texts']:,}", f"{found['entries']:,}", f"{found['matches'] / found['texts']:.1f}")
        ratio = f"{found['ratio']:.1f}x (target {TARGETS[name]:.0f}x)"
        rate = f"{found['texts'] / found['cpu_peer']:,.0f}", f"{found['texts'] / found['cpu']:,.0f}"
        table.add_row(*head, "pyahocorasick", rate[0], f"{found['cpu_peer']:.2f}", f"{found['build_peer']:.1f}", "", "")
        size = f"{found['index_bytes'] / children.MEGABYTE:.0f} MB"
        table.add_row("", "", "", "", "pairpool", rate[1], f"{found['cpu']:.2f}", f"{found['build']:.1f}", size, ratio)
    return table


def other_rows(record: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """What stands beside the speed."""
    rows = []
    if found := record.get("first use"):
        rows.append(
            ("first use", f"{found['cold']:.1f} CPU-s on a new machine (compiling), {found['warm']:.1f} then", "")
        )
    if found := record.get("processes"):
        rows.append(
            (
                "two processes, one index",
                f"{found['ratio']:.2f}x one by the clock ({found['one']:,.0f} -> {found['two']:,.0f} texts/s), "
                f"{found['ratio_cpu']:.2f}x by CPU-seconds",
                f"{TARGETS['processes']}x",
            )
        )
        size, alone = found["index_bytes"] / children.MEGABYTE, found["pss_alone"] / children.MEGABYTE
        share = " + ".join(f"{pss / children.MEGABYTE:.1f}" for pss in found["pss"])
        rows.append(("the index in memory", f"{size:.1f} MB; PSS {alone:.1f} MB in one, {share} MB in two", "shared"))
    if found := record.get("memory"):
        peaks = " -> ".join(f"{found[k]['peak'] / children.MEGABYTE:.0f} MB" for k in ("less", "more"))
        span = f"{found['less']['rows']:,} -> {found['more']['rows']:,} rows"
        rows.append((f"peak of the match stage, {span}", f"{peaks} ({found['growth']:.3f}x)", f"{MEMORY_GROWTH}x"))
        rows.append(
            ("CPU of the match stage", f"{found['more']['cpu'] / found['more']['rows'] * 1e6:.2f} us a row", "")
        )
    if found := record.get("chain"):
        steps = ", ".join(f"{name} {cpu:.2f}" for name, cpu in found["steps"].items())
        bare = ", ".join(f"{name} {cpu:.2f}" for name, cpu in found["bare"].items())
        rows.append(
            (
                f"text chain, {found['texts']:,} rows",
                f"{found['ratio']:.2f}x the bare loops' CPU",
                f"{TARGETS['chain']}x",
            )
        )
        opening = ", ".join(f"{name} {cpu:.2f}" for name, cpu in found["opening"].items())
        rows.append(("  CPU-seconds", f"{steps}; bare: {bare}", ""))
        rows.append(("  opening, beside them", opening, ""))
    return rows


def missed(record: Mapping[str, Any]) -> list[str]:
    """The targets that were not reached."""
    found = [
        name for name in ("english", "worldwide", "processes") if record.get(name, {}).get("ratio", 99) < TARGETS[name]
    ]
    if record.get("memory", {}).get("growth", 0) > MEMORY_GROWTH:
        found.append("memory")
    if record.get("chain", {}).get("ratio", 0) > TARGETS["chain"]:
        found.append("chain")
    return found


def measure(chosen: argparse.Namespace, console: Console) -> dict[str, Any]:
    """All parts that were asked for."""
    stock = corpora.stock_of(chosen.data)
    english, others = {"en": corpora.english(chosen.data, stock)}, corpora.worldwide(stock)
    for name, function in (("english", corpora.english), ("worldwide", corpora.worldwide)):
        console.print(f"[bold]{name}[/]: {' '.join((function.__doc__ or '').split())}", highlight=False)
    console.print(f"Languages: {' '.join(others)}\n", highlight=False)
    record: dict[str, Any] = {"machine": machine()}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        parts: dict[str, Callable[[], dict[str, Any]]] = {
            "english": lambda: compare(english, chosen.runs),
            "worldwide": lambda: compare(others, chosen.runs),
            "first use": lambda: {name: children.first_use(folder / "cache") for name in ("cold", "warm")},
            "processes": lambda: processes(english["en"], folder, min(chosen.runs, 3)),
            "memory": lambda: memory({**others, **english}, folder, chosen.rows),
            "chain": lambda: whole_chain({**others, **english}, folder, min(chosen.runs, 3)),
        }
        for part in chosen.only:
            record[part] = parts[part]()
            show({part: record[part]}, console)
    return record


def machine() -> dict[str, Any]:
    """Where and with what this was measured."""
    packages = ("pyahocorasick", "numba", "pyarrow", "numpy", "fasttext")
    versions = {name: version(name) for name in packages}
    load = round(os.getloadavg()[0], 2)
    return {"cores": os.cpu_count(), "load": load, "python": platform.python_version(), **versions}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("build/demo"))
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS)
    chosen, console = parser.parse_args(), Console(width=150)
    try:
        record = measure(chosen, console)
    except PairpoolError as error:
        console.print(error, style="red")
        return 2
    RECORD.parent.mkdir(parents=True, exist_ok=True)
    RECORD.write_text(json.dumps(record, indent=1) + "\n")
    console.print(", ".join(f"{name} {value}" for name, value in record["machine"].items()), f"; record: {RECORD}")
    failed = missed(record)
    console.print(f"missed: {', '.join(failed)}" if failed else "all targets reached")
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main())
