"""Select: rules over columns decide which rows are kept; every other row gets exactly one reason, its first.

A row that failed somewhere, or was never reached, is judged like any other: its reason says where it was lost. So the rows of a
pool are always the kept ones plus the reasons, counted.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curation.rules import Rule
from pipeline.errors import ConfigError
from pipeline.recipe import execution, recipe
from pipeline.reduce import Reduce
from pipeline.rows import FAILED, QUARANTINED, SUCCESS
from pipeline.stage import Annotate, Stage

SELECTION = pa.schema([pa.field("keep", pa.bool_()), pa.field("reject_reason", pa.string())])
THRESHOLD = pa.schema(
    [pa.field("threshold", pa.float64()), pa.field("ranked", pa.int64()), pa.field("kept", pa.int64())]
)

__all__ = ["Quantile", "Rule", "Select"]


@recipe
class Quantile(Reduce):
    """The threshold that keeps the best fraction of a column, by DataComp's rule: a table of one row, `threshold`, `ranked`, `kept`.

    Of n values the threshold is the (int(n * fraction) + 1)-th largest and values at or above it are kept, so one more than
    n * fraction, and ties (arXiv 2304.14108 and its `baselines/apply_filter.py`). Unlike there a fraction of 1 keeps all
    instead of failing, and null and NaN are not counted instead of ranking last. Memory: 8 bytes a value in the one process
    that merges.

    Attributes:
        column: of numbers, as `step.column`.
        fraction: to keep, above 0 and up to 1.
        among: a selection; rows outside it are not counted.
    """

    kind: ClassVar[str] = "quantile"

    column: str
    fraction: float
    among: str | None = None

    def __post_init__(self) -> None:
        """Check the fraction."""
        if not 0 < self.fraction <= 1:
            raise ConfigError(f"Step {self.name!r}: fraction {self.fraction} is not above 0 and up to 1.")

    @property
    def reads(self) -> tuple[str, ...]:
        """The column, and the selection."""
        return (self.column, f"{self.among}.keep") if self.among else (self.column,)

    def partial(self, rows: pa.Table) -> pa.Table:
        """The values of one shard."""
        if self.among:
            rows = rows.filter(pc.fill_null(rows[f"{self.among}.keep"], False))
        values = rows[self.column].cast(pa.float64()).drop_null()
        return pa.table({"value": values.filter(pc.invert(pc.is_nan(values)))})

    def combine(self, partials: Iterator[pa.Table]) -> pa.Table:
        """The threshold of the pool; null if there is nothing to rank."""
        values = np.concatenate([np.empty(0), *(table["value"].to_numpy() for table in partials)])
        if not len(values):
            return pa.Table.from_pylist([{"threshold": None, "ranked": 0, "kept": 0}], THRESHOLD)
        rank = min(int(len(values) * self.fraction), len(values) - 1)
        threshold = float(np.partition(values, len(values) - 1 - rank)[len(values) - 1 - rank])
        row = {"threshold": threshold, "ranked": len(values), "kept": int((values >= threshold).sum())}
        return pa.Table.from_pylist([row], THRESHOLD)


@recipe
class Select(Stage):
    """The selection by rules.

    Attributes:
        rules: in order; a row's reason is the first that it fails.
        after: earlier selections: what they rejected keeps its reason.
        explain: steps that no rule asks about, but which may be the reason that a column is missing: their failures are named.
    """

    kind: ClassVar[str] = "select"

    rules: tuple[Rule, ...]
    after: str | tuple[str, ...] = ()
    explain: tuple[str, ...] = ()
    batch_rows: int = execution(default=16_384)

    @property
    def earlier(self) -> tuple[str, ...]:
        """The earlier selections."""
        return (self.after,) if isinstance(self.after, str) else self.after

    @property
    def steps(self) -> tuple[str, ...]:
        """The steps at which a row may have been lost, in the order in which they are asked."""
        return tuple(dict.fromkeys(["rows", *self.earlier, *self.explain, *(rule.step for rule in self.rules)]))

    @property
    def reads(self) -> tuple[str, ...]:
        """The columns of the rules, the earlier decisions, and how every step ended."""
        ends = [f"{step}.{name}" for step in self.steps for name in ("status", "error_message")]
        earlier = [f"{step}.{name}" for step in self.earlier for name in SELECTION.names]
        return tuple(dict.fromkeys([*ends, *earlier, *(rule.column for rule in self.rules)]))

    @property
    def needs(self) -> tuple[str, ...]:
        """It judges failed rows as well."""
        return ()

    @property
    def tables(self) -> tuple[str, ...]:
        """The thresholds."""
        return tuple(dict.fromkeys(rule.above for rule in self.rules if rule.above))

    @property
    def writes(self) -> pa.Schema:
        """`reject_reason` is null where `keep` is true."""
        return SELECTION

    @property
    def folder(self) -> str:
        """Selections lie apart from columns."""
        return f"selections/{self.name}/{self.version}"

    @contextmanager
    def open(self, tables: Mapping[str, pa.Table]) -> Iterator[Annotate]:
        """Look the thresholds up."""
        thresholds = {name: tables[name]["threshold"][0].as_py() for name in self.tables}
        yield lambda batches: (self._decide(batch, thresholds) for batch in batches)

    def _decide(self, batch: pa.RecordBatch, thresholds: Mapping[str, float | None]) -> pa.RecordBatch:
        reason, lost = pa.nulls(batch.num_rows, pa.string()), _lost(batch, self.steps)
        reason = _first(reason, _absent(batch, "rows", lost))
        for name in self.earlier:
            said = pc.fill_null(batch[f"{name}.reject_reason"], f"rejected by {name}")
            out = pc.invert(pc.fill_null(batch[f"{name}.keep"], False))
            reason = _first(_first(reason, _absent(batch, name, lost)), pc.if_else(out, said, _NONE))
        for rule in self.rules:
            reason = _first(reason, _absent(batch, rule.step, lost))
            for holds, text in rule.judge(batch[rule.column], thresholds):
                reason = _first(reason, pc.if_else(holds, _NONE, text))
        return pa.record_batch({"keep": pc.is_null(reason), "reject_reason": reason})


_NONE = pa.scalar(None, pa.string())


def _first(reason: pa.Array, next_reason: pa.Array) -> pa.Array:
    return pc.coalesce(reason, next_reason)


def _lost(batch: pa.RecordBatch, steps: tuple[str, ...]) -> pa.Array:
    """Where each row was first lost, and why; null for a row that failed nowhere."""
    found = pa.nulls(batch.num_rows, pa.string())
    for step in steps:
        status = batch[f"{step}.status"]
        line = pc.list_element(
            pc.split_pattern(pc.fill_null(batch[f"{step}.error_message"], "no reason given"), "\n"), 0
        )
        failed = pc.binary_join_element_wise(f"failed at {step}", line, ": ")
        found = _first(found, pc.if_else(pc.equal(status, FAILED), failed, _NONE))
        found = _first(found, pc.if_else(pc.equal(status, QUARANTINED), f"quarantined at {step}", _NONE))
    return found


def _absent(batch: pa.RecordBatch, step: str, lost: pa.Array) -> pa.Array:
    """Why a row was not worked on at a step; null if it was, well."""
    status = batch[f"{step}.status"]
    words = pc.binary_join_element_wise(status, f"at {step}", " ")
    return pc.if_else(pc.equal(status, SUCCESS), _NONE, pc.coalesce(lost, words))
