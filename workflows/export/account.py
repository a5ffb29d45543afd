"""Where every row of the pool went in an export."""

from collections import Counter
from dataclasses import dataclass, field

from pipeline.rows import FAILED, NOT_SELECTED, SUCCESS
from workflows.export.writer import ShardWriter


@dataclass
class Account:
    """The tally of one export.

    Attributes:
        rows: of the pool.
        kept: by the selection.
        written: as samples.
        failures: reason -> kept rows that could not be written.
        empty: caption field -> samples in which it is empty.
    """

    rows: int = 0
    kept: int = 0
    written: int = 0
    failures: Counter[str] = field(default_factory=Counter)
    empty: Counter[str] = field(default_factory=Counter)

    @property
    def left(self) -> int:
        """Rows that were not selected."""
        return self.rows - self.written - self.failures.total()

    def counts(self) -> dict[str, int]:
        """Status -> rows; they add up to `rows`."""
        found = {SUCCESS: self.written, FAILED: self.failures.total(), NOT_SELECTED: self.left}
        return {status: rows for status, rows in found.items() if rows}

    def facts(self, writer: ShardWriter) -> dict[str, object]:
        """What is worth keeping beside the counts: shards, bytes, and how many samples lack each caption."""
        return {"shards": len(writer.sizes), "bytes": writer.bytes, "empty": dict(sorted(self.empty.items()))}
