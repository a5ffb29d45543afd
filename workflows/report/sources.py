"""What a report reads: the parts of the steps that play a role in it, one shard at a time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import pyarrow as pa

from pipeline.errors import ConfigError
from pipeline.ledger import Ledger
from pipeline.parts import column_names, read_columns
from pipeline.step import POOL, Entry, Task
from pipeline.store import Store
from workflows.report.fates import Because, Fate, fates

Numbers = dict[str, Any]  #: what a section found, as JSON
ACCOUNT = ("status", "error_message")
DECISION = ("keep", "reject_reason")
PROVENANCE = ("model", "revision", "prompt_id", "prompt_hash", "server")
COST = ("prompt_tokens", "completion_tokens", "finish_reason", "attempts", "temperature")

#: Role -> the columns that the report looks at, where the step has them. In the order of the data.
COLUMNS: Mapping[str, tuple[str, ...]] = {
    "rows": ("uid", "key", "url", "caption", "texts", "source"),
    "languages": ("language", "probability"),
    "words": ("junk",),
    "match": ("metadata", "entries"),
    "balance": ("probability", "text_probabilities", "kept", *DECISION),
    "chosen": DECISION,
    "download": ("width", "height", "bytes"),
    "look": (),
    "scores": ("clip_score",),
    "duplicates": ("group", "representative", *DECISION),
    "select": DECISION,
    "captions": ("short", "medium", "long", *PROVENANCE, *COST),
    "checks": ("weights", "scores", "verdicts", "reasons", "caught"),
}
OTHERS = ("clip_score", *DECISION)  # of steps in no role of their own


@dataclass(frozen=True)
class View:
    """One shard, as the report sees it.

    Attributes:
        shard: its number.
        tables: role -> the columns that its step has, all with the same rows in the same order.
        fates: where each row left the pool.
    """

    shard: int
    tables: Mapping[str, pa.Table]
    fates: Sequence[Fate]
    _values: dict[tuple[str, str], list[Any]] = field(default_factory=dict)

    def get(self, role: str, column: str) -> list[Any]:
        """A column as Python values; nulls where nobody plays the role, or its step has no such column."""
        if (role, column) not in self._values:
            self._values[role, column] = self._read(role, column)
        return self._values[role, column]

    def _read(self, role: str, column: str) -> list[Any]:
        table = self.tables.get(role)
        if table is None or column not in table.column_names:
            return [None] * len(self.fates)
        values: list[Any] = table[column].to_pylist()
        return values


@dataclass(frozen=True)
class Sources:
    """The committed parts that a report is made of.

    Attributes:
        store: of the pool.
        task: the report's own; its inputs are the parts.
        roles: role -> name of the step that plays it, in the order of the data.
    """

    store: Store
    task: Task
    roles: Mapping[str, str]

    @cached_property
    def by_row(self) -> dict[str, str]:
        """The roles whose steps have columns, one value a row."""
        return {role: step for role, step in self.roles.items() if POOL not in self.task.inputs[step]}

    def views(self) -> Iterator[View]:
        """Every shard, in order; memory holds one at a time."""
        self._check()
        rests = self._because()
        for shard in self.task.shards:
            tables = {role: self._read(role, step, shard) for role, step in self.by_row.items()}
            there = {key: at for key, at in rests.items() if at[1] in tables[at[0]].column_names}
            yield View(shard, tables, fates(tables, self.roles, there))

    def _because(self) -> Because:
        """Where the rules of the selections rest on the judgement of another step: `x.keep` on its reason, else the column."""
        played = {step: role for role, step in self.by_row.items()}
        found: dict[tuple[str, str], tuple[str, str]] = {}
        for role in ("chosen", "select"):
            rules = self.identity(role)["recipe"].get("rules") or () if role in self.by_row else ()
            for rule in rules:
                step, _, column = rule["column"].partition(".")
                if step in played and (rule["is_null"] or column == "keep"):
                    reason = rule["reason"] or f"{rule['column']} is not {'null' if rule['is_null'] else 'true'}"
                    found[role, reason] = (played[step], "reject_reason" if column == "keep" else column)
        return found

    def _check(self) -> None:
        wrong = [role for role in COLUMNS if role in self.roles and role not in self.by_row]
        if wrong:
            raise ConfigError(
                f"Step {self.task.step!r}: {wrong[0]} names {self.roles[wrong[0]]!r}, which has one table for the whole pool and "
                "no column. Name a step that annotates rows."
            )

    def _read(self, role: str, step: str, shard: int) -> pa.Table:
        parts = self.task.inputs[step][shard]
        there = column_names(self.store, parts)
        wanted = [*ACCOUNT, *COLUMNS.get(role, OTHERS)]
        return read_columns(self.store, parts, [name for name in wanted if name in there])

    def pooled(self, role: str) -> Entry | None:
        """The part of a pool-wide step, or None where nobody plays the role."""
        parts = self.task.inputs.get(self.roles.get(role, ""), {}).get(POOL)
        return parts[-1] if parts else None

    def entry(self, role: str) -> Entry:
        """Any part of the step that plays a role: its version and facts."""
        places = self.task.inputs[self.roles[role]]
        return places[min(places)][-1]

    def lists(self) -> list[str]:
        """The names of the lists that the rows came from, the first one first: a pool that grew has several."""
        shards = self.task.inputs[self.roles["rows"]]
        named = (part.facts.get("list") for shard in sorted(shards) for part in shards[shard])
        return list(dict.fromkeys(str(name) for name in named if name))

    def identity(self, role: str) -> Numbers:
        """The recipe that the ledger holds for the step that plays a role."""
        entry = self.entry(role)
        return Ledger(self.store).identity(entry.step, entry.version)
