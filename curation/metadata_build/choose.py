"""The best rows of a stream of tables, in bounded memory, always the same whatever the tables."""

from __future__ import annotations

from collections.abc import Iterable

import pyarrow as pa

SPARE = 1 << 19  # rows held beyond the budget before they are sorted out


def best(tables: Iterable[pa.Table], budget: int, *columns: str) -> pa.Table | None:
    """The `budget` rows with the largest values, the first column counting most; equal ones by `key`. None of none."""
    order = [*((column, "descending") for column in columns), ("key", "ascending")]
    held: list[pa.Table] = []
    rows = 0
    for table in tables:
        held.append(table)
        rows += len(table)
        if rows > budget + SPARE:
            held = [pa.concat_tables(held).sort_by(order).slice(0, budget).combine_chunks()]
            rows = len(held[0])
    return pa.concat_tables(held).sort_by(order).slice(0, budget) if held else None
