"""Takedown: what the pool holds of given rows is deleted everywhere, and a tombstone keeps them out from then on.

The tombstone is written first and finished last, so that a removal that was killed is completed by whatever runs next. Every
part that holds such a row is rewritten: the row keeps its place, uid and key, has the status `removed`, and nothing else; its
image leaves the tar. What was made of the whole pool (shards, reports, models) is deleted, and the next run makes it anew. A
rewritten part keeps the digests that it was first committed with as its identity: nothing else is done again.

Nothing else may work on the pool meanwhile.
"""

from __future__ import annotations

import tarfile
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline import tombstones
from pipeline.ledger import Ledger
from pipeline.rows import REMOVED, write_parquet
from pipeline.stage import account
from pipeline.step import Entry
from pipeline.store import Store
from pipeline.tombstones import Stone

OUTPUTS = ("shards/", "report/", "models/")  #: made of the whole pool, and made anew by the next run


@dataclass
class Removed:
    """What a removal did: how many rows of the pool it removed, and by step the parts rewritten and the outputs deleted."""

    rows: int = 0
    rewritten: Counter[str] = field(default_factory=Counter)
    deleted: Counter[str] = field(default_factory=Counter)


def remove(store: Store, uids: Iterable[str], reason: str) -> Removed:
    """Remove rows from everything that the pool holds, and keep them out of it."""
    tombstones.lay(store, uids, reason)
    return finish(store)


def finish(store: Store) -> Removed:
    """Complete every removal that is not complete."""
    stone, waiting = tombstones.unfinished(store)
    told = Removed()
    if waiting:
        _sweep(store, stone, told)
        for path in waiting:
            store.create(f"{path}.done", b"")
    return told


def _sweep(store: Store, stone: Stone, told: Removed) -> None:
    """Go through all that is committed. The rows say which key belongs to which uid, also where they are blank already."""
    ledger = Ledger(store)
    entries = list(ledger.all_entries())
    keys = {key for entry in entries if _holds(entry, "rows/") for key in _keys(store, entry, stone)}
    for entry in entries:
        if any(_holds(entry, folder) for folder in OUTPUTS):
            ledger.forget(entry)
            told.deleted[entry.step] += 1
        else:
            _rewrite(ledger, entry, stone, keys, told)
    told.rows = len(keys)


def _holds(entry: Entry, folder: str) -> bool:
    return any(path.startswith(folder) for path, _, _ in entry.files.values())


def _keys(store: Store, entry: Entry, stone: Stone) -> list[str]:
    tables = (pq.read_table(store.fetch(path), columns=["uid", "key"]) for path, _, _ in entry.files.values())
    dead = pa.array(list(stone), pa.string())
    return [key for rows in tables for key in rows.filter(pc.is_in(rows["uid"], dead))["key"].to_pylist()]


def _rewrite(ledger: Ledger, entry: Entry, stone: Stone, keys: set[str], told: Removed) -> None:
    """Replace the files of a part that hold a dead row, then its entry, and only then delete the old files."""
    with TemporaryDirectory(prefix="pairpool-removal-") as folder:
        made: dict[str, Path] = {}
        for role, (path, _, _) in entry.files.items():
            source, target = ledger.store.fetch(path), Path(folder) / Path(path).name
            if (path.endswith(".parquet") and _without_rows(source, stone, target)) or (
                path.endswith(".tar") and _without_members(source, keys, target)
            ):
                made[role] = target
        if made:
            ledger.replace(entry, made, *_counts(ledger.store, entry, made))
            told.rewritten[entry.step] += 1


def _without_rows(source: Path, stone: Stone, target: Path) -> bool:
    """Write the table without the dead rows' content; False if it has none. Most have none, and are not read whole."""
    names = {"uid", "status"} & set(pq.read_schema(source).names)
    if "uid" not in names:
        return False
    known = pq.read_table(source, columns=sorted(names))
    gone = pc.is_in(known["uid"], pa.array(list(stone), pa.string()))
    if "status" in names:
        gone = pc.and_(gone, pc.not_equal(known["status"], REMOVED))
    if not pc.any(gone).as_py():
        return False
    rows = pq.read_table(source)
    # In a table with a line a row the line stays.
    write_parquet(tombstones.blank(rows, stone) if "status" in names else rows.filter(pc.invert(gone)), target)
    return True


def _without_members(source: Path, keys: set[str], target: Path) -> bool:
    """Write the tar without the members of `keys`; False if it has none of them."""
    with tarfile.open(source, "r:") as old:
        members = old.getmembers()
        left = [member for member in members if member.name.partition(".")[0] not in keys]
        if len(left) == len(members):
            return False
        with tarfile.open(target, "w", format=tarfile.USTAR_FORMAT) as new:
            for member in left:
                new.addfile(member, old.extractfile(member))
    return True


def _counts(store: Store, entry: Entry, made: dict[str, Path]) -> tuple[dict[str, int], dict[str, int]]:
    """The account of the part after it was rewritten; that of a table without `status` stays."""
    paths = [
        made.get(role) or store.fetch(path) for role, (path, _, _) in entry.files.items() if path.endswith(".parquet")
    ]
    tables = [pq.read_table(path) for path in paths]
    if not all("status" in rows.column_names for rows in tables):
        return dict(entry.counts), dict(entry.reasons)
    counts, reasons = Counter[str](), Counter[str]()
    for rows in tables:
        told, why = account(rows)
        counts.update(told)
        reasons.update(why)
    return dict(counts), dict(reasons)
