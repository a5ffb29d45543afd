"""The text side of a pool as the engine runs it, from rows in parquet to the selection, beside its bare heart."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from curation.balance import Balance, MatchCounts
from curation.intake import Intake
from curation.langid import LangId, default_model
from curation.match import Match
from curation.matching import Matcher
from curation.metadata import MetadataSets
from pipeline.executor import LocalExecutor
from pipeline.plan import Plan
from pipeline.progress import Progress
from pipeline.run import Run
from pipeline.step import Step
from pipeline.store import Store

BATCH = 4096


def write_pool(folder: Path, texts: list[str]) -> Intake:
    """A list of URLs with these texts, and the step that takes it in."""
    urls = [f"https://example.org/{k}" for k in range(len(texts))]
    folder.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table({"url": urls, "caption": texts}), folder / "urls.parquet")
    return Intake(urls=folder / "urls.parquet", shard_rows=max(len(texts) // 4, 1))


def chain(metadata: Path) -> list[Step]:
    """Language, matches, counts, balance."""
    return [
        LangId(name="lang"),
        Match(name="match", metadata=metadata),
        MatchCounts(name="counts"),
        Balance(name="balance", t_en=100, seed=1),
    ]


def cpu_of(store: Store, steps: list[Step]) -> float:
    """CPU-seconds of steps that are run in this process."""
    begun = time.process_time()
    Run(Plan(store, steps), LocalExecutor(store), Progress())()
    return time.process_time() - begun


def cpu_by_step(folder: Path, intake: Intake, metadata: Path) -> dict[str, float]:
    """CPU-seconds of each step of the chain, over a new pool."""
    store, found = Store(folder), dict[str, float]()
    steps: list[Step] = [intake]
    cpu_of(store, steps)
    for step in chain(metadata):
        steps = [*steps, step]
        found[step.name] = cpu_of(store, steps)
    return found


def bare_language(texts: list[str]) -> tuple[float, list[str]]:
    """CPU-seconds of a loop over `predict(list)`, and the labels."""
    import fasttext

    model, labels = fasttext.load_model(str(default_model())), []
    lines = [text.replace("\n", " ") for text in texts]
    begun = time.process_time()
    for part in _parts(lines):
        labels += [label[0].removeprefix("__label__") for label in model.predict(part)[0]]
    return time.process_time() - begun, labels


def bare_matching(texts: list[str], labels: list[str], metadata: Path) -> float:
    """CPU-seconds of the matchers alone, each over all texts of its set at once."""
    sets, by_set = MetadataSets.load(metadata), dict[str, list[str]]()
    for text, label in zip(texts, labels, strict=True):
        by_set.setdefault(sets.set_of(label), []).append(text)
    ready = [(_matcher(sets, name), pa.array(found)) for name, found in by_set.items()]
    begun = time.process_time()
    for match, column in ready:
        match(column)
    return time.process_time() - begun


def _matcher(sets: MetadataSets, name: str) -> Callable[[pa.Array], pa.ListArray]:
    return Matcher.cached(sets.entries(name), name != "en").match


def _parts(texts: list[str]) -> Iterator[list[str]]:
    return (texts[start : start + BATCH] for start in range(0, len(texts), BATCH))
