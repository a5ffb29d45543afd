"""The report as a step: reads what is committed, writes report.html and report.json, and decides nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import field
from pathlib import Path
from typing import ClassVar

from pipeline.errors import ConfigError
from pipeline.recipe import execution, recipe
from pipeline.rows import SUCCESS
from pipeline.step import Entry, Outcome, Scope, Step, Task, Work
from pipeline.store import Store
from workflows.report.figures import figures
from workflows.report.numbers import Wishes, numbers
from workflows.report.page import render
from workflows.report.sources import Sources

PAGE, NUMBERS = "report.html", "report.json"
#: Fields that name a step, in the order of the data.
ROLES = (
    "rows",
    "languages",
    "words",
    "match",
    "counts",
    "balance",
    "chosen",
    "download",
    "look",
    "scores",
    "duplicates",
    "select",
)
LATER = ("captions", "shards", "model")


@recipe
class Report(Step):
    """Writes one self-contained page about a pool. A role that is null leaves its section out, and the page says so.

    Attributes:
        rows: the intake.
        languages: a langid step.
        words: caption-quality.
        match, counts, balance: matching against metadata, its counts, and the balanced selection.
        chosen: the selection on text alone, before the download.
        download: the step whose tars hold the images.
        look: image quality.
        scores: clip-score over the alt-text.
        duplicates: the selection of one row of each group of duplicates.
        select: the last selection: what it keeps is kept.
        captions: the captioner.
        caption_scores: short, medium or long -> the clip-score step over that caption.
        checks: the check-captions step.
        shards, model: the export and the trainer.
        ablation: the comparison that `pairpool ablate` added; the recipe itself names none.
        also: further steps to account for.
        title: of the page.
        truth: a parquet with what was planted in a demo pool, by uid.
        metadata: the folder of `<language>.txt` that was matched against: names for the entries.
        licences: a Markdown file with a table of the data's licences.
        kept, each, reasons: how many rows are shown: kept ones, for each reason, and for how many reasons.
    """

    kind: ClassVar[str] = "report"
    scope: ClassVar[Scope] = "pool"

    name: str = "report"
    rows: str = "rows"
    languages: str | None = "lang"
    words: str | None = "words"
    match: str | None = "match"
    counts: str | None = "counts"
    balance: str | None = "balance"
    chosen: str | None = "chosen"
    download: str | None = "download"
    look: str | None = "look"
    scores: str | None = "clip"
    duplicates: str | None = "unique"
    select: str | None = "select"
    captions: str | None = "captions"
    caption_scores: Mapping[str, str] = field(default_factory=dict)
    checks: str | None = None
    shards: str | None = "shards"
    model: str | None = "model"
    ablation: str | None = execution(default=None)
    also: tuple[str, ...] = ()
    title: str = "What became of the pool"
    truth: Path | None = execution(default=None)
    metadata: Path | None = execution(default=None)
    licences: Path | None = execution(default=None)
    kept: int = 24
    each: int = 4
    reasons: int = 16

    def __post_init__(self) -> None:
        wrong = sorted(set(self.caption_scores) - {"short", "medium", "long"})
        if wrong:
            raise ConfigError(f"Report {self.name!r}: caption_scores knows short, medium and long, not {wrong[0]!r}.")

    @property
    def roles(self) -> dict[str, str]:
        """Role -> the step that plays it, in the order of the data; only those that are set."""
        named = {role: getattr(self, role) for role in ROLES}
        named |= {f"also.{step}": step for step in self.also}
        named["captions"] = self.captions
        named |= {f"caption_scores.{text}": step for text, step in sorted(self.caption_scores.items())}
        named["checks"] = self.checks
        named |= {role: getattr(self, role) for role in (*LATER, "ablation")}
        return {role: step for role, step in named.items() if step}

    @property
    def inputs(self) -> tuple[str, ...]:
        """Every step that plays a role."""
        return tuple(dict.fromkeys(self.roles.values()))

    @property
    def folder(self) -> str:
        """Beside the data."""
        return "report"

    def path(self, role: str, task: Task, digest: str) -> str:
        """A page keeps its name, in a folder that belongs to what it was made from."""
        return f"{self.folder}/{self.name}-{self.version}-{task.unit}/{role}"

    @contextmanager
    def start(self, store: Store, tables: Mapping[str, Entry]) -> Iterator[Work]:
        """Give the function that writes the report."""
        yield lambda task, folder: self._write(Sources(store, task, self.roles), folder)

    def _write(self, sources: Sources, folder: Path) -> Outcome:
        wishes = Wishes(self.title, self.truth, self.metadata, self.licences, self.kept, self.each, self.reasons)
        found = numbers(sources, wishes)
        (folder / PAGE).write_text(render(found, figures(found)), encoding="utf-8", errors="replace")
        text = json.dumps(_without_pictures(found), ensure_ascii=True, indent=1, sort_keys=True)
        (folder / NUMBERS).write_text(text + "\n", encoding="utf-8")
        rows = found["funnel"]["rows"]
        facts = {"kept": found["funnel"]["kept"], "bytes": (folder / PAGE).stat().st_size}
        return Outcome({name: folder / name for name in (PAGE, NUMBERS)}, rows, {SUCCESS: rows}, facts=facts)


def _without_pictures(found: object) -> object:
    """The same numbers, without the thumbnails, which are on the page."""
    if isinstance(found, dict):
        return {name: _without_pictures(value) for name, value in found.items() if name != "thumbnail"}
    return [_without_pictures(value) for value in found] if isinstance(found, list | tuple) else found
