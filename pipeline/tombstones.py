"""Tombstones: which rows may not be in the pool, and what is left of them where they were."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.recipe import fingerprint
from pipeline.rows import REMOVED
from pipeline.store import Store

FOLDER = "tombstones"
KEPT = ("uid", "key", "status", "error_message")
Stone = dict[str, str]  #: uid -> reason


def lay(store: Store, uids: Iterable[str], reason: str) -> None:
    """Write a tombstone. Uids that the pool does not have get theirs all the same: they can never enter."""
    stone = dict.fromkeys(sorted(set(uids)), reason)
    store.create(f"{FOLDER}/{fingerprint(stone)[:16]}.json", json.dumps(stone).encode())


def dead(store: Store) -> Stone:
    """All rows that may not be in the pool."""
    return _merged(store, [path for path in store.list(f"{FOLDER}/") if path.endswith(".json")])


def unfinished(store: Store) -> tuple[Stone, list[str]]:
    """The rows whose removal is not complete, and the tombstones that say so."""
    paths = store.list(f"{FOLDER}/")
    waiting = [path for path in paths if path.endswith(".json") and f"{path}.done" not in paths]
    return _merged(store, waiting), waiting


def _merged(store: Store, paths: Iterable[str]) -> Stone:
    found: Stone = {}
    for path in paths:
        found |= json.loads(store.get(path))
    return found


def blank(rows: pa.Table, stone: Mapping[str, str]) -> pa.Table:
    """The rows; of those with a tombstone uid and key, the status `removed` and the reason, and nothing else.

    Booleans become false, so that no selection holds them; everything else becomes null.
    """
    gone = pc.is_in(rows["uid"], pa.array(list(stone), pa.string()))
    reasons = pa.array([stone.get(uid) for uid in rows["uid"].to_pylist()], pa.string())
    columns = {name: rows[name] for name in rows.column_names}
    columns |= {name: _emptied(rows[name], gone) for name in rows.column_names if name not in KEPT}
    columns |= {"status": pc.if_else(gone, REMOVED, rows["status"])}
    columns |= {"error_message": pc.if_else(gone, reasons, rows["error_message"])}
    return pa.table(columns, schema=rows.schema)


def _emptied(column: pa.ChunkedArray, gone: pa.ChunkedArray) -> pa.ChunkedArray:
    nothing = pa.scalar(False) if pa.types.is_boolean(column.type) else pa.scalar(None, column.type)
    last = pa.array([nothing.as_py()], column.type)
    choice = pc.if_else(gone, len(column), pa.array(range(len(column)), pa.int64()))
    return pa.chunked_array([*column.chunks, last], column.type).take(choice)
