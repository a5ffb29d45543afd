"""Where every row of the pool went in an export, and what the written ones are."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from pipeline.rows import FAILED, NOT_SELECTED, SUCCESS
from workflows.export.sample import Sample

LANGUAGE = "language"  #: the json field that the card counts


@dataclass
class Account:
    """The tally of one export.

    Attributes:
        rows: of the pool.
        kept: by the selection.
        written: as samples.
        held_out: how many of them on the validation side.
        failures: reason -> kept rows that could not be written.
        empty: caption field -> samples in which it is empty.
        sources, languages: of the samples.
    """

    rows: int = 0
    kept: int = 0
    written: int = 0
    held_out: int = 0
    failures: Counter[str] = field(default_factory=Counter)
    empty: Counter[str] = field(default_factory=Counter)
    sources: Counter[str] = field(default_factory=Counter)
    languages: Counter[str] = field(default_factory=Counter)

    def take(self, sample: Sample, texts: Iterable[str], source: str | None, held_out: bool) -> None:
        """Count a sample that was written."""
        self.written += 1
        self.held_out += held_out
        self.sources[source or "unknown"] += 1
        for name in texts:
            if not str(sample.fields[name]).strip():
                self.empty[name] += 1
        if LANGUAGE in sample.fields:
            self.languages[str(sample.fields[LANGUAGE])] += 1

    @property
    def left(self) -> int:
        """Rows that were not selected."""
        return self.rows - self.written - self.failures.total()

    def counts(self) -> dict[str, int]:
        """Status -> rows; they add up to `rows`."""
        found = {SUCCESS: self.written, FAILED: self.failures.total(), NOT_SELECTED: self.left}
        return {status: rows for status, rows in found.items() if rows}

    def facts(self) -> dict[str, object]:
        """What is worth keeping beside the counts: how many samples lack each caption, and how many are held out."""
        held_out = {"validation": self.held_out} if self.held_out else {}
        return {"empty": dict(sorted(self.empty.items())), **held_out}
