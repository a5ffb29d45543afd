"""The rows of a shard, tried until each has an image or a reason.

A process that dies or stands still costs the rows that it was busy with, not the shard: what it finished is harvested from
its tar and its journal, and the rest goes to a fresh process.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from pathlib import Path

import pyarrow as pa

from curation.download import journal
from curation.download.fetch import longest
from curation.download.job import Job
from curation.download.rekey import Sample, harvest
from curation.download.runner import DOWNLOAD, RESIZE
from curation.download.watch import OVERDUE, STALLED, Nursery

ATTEMPTS = 5
LOST = "img2dataset gave no account of this row"


@dataclass
class Found:
    """What became of the rows: number -> image, or number -> (img2dataset's status, message)."""

    samples: dict[int, Sample] = field(default_factory=dict)
    failed: dict[int, tuple[str, str]] = field(default_factory=dict)

    def add(self, folder: Path, suffix: str) -> journal.Testament:
        """Take in what an attempt left behind; its testament."""
        testament = journal.read(folder)
        self.samples |= harvest(folder / "00000.tar", suffix)
        self.failed |= testament.failed
        return testament

    def left(self, rows: pa.Table) -> pa.Table:
        """The rows that nothing is known of."""
        mask = [row not in self.samples and row not in self.failed for row in rows["row"].to_pylist()]
        return rows.filter(pa.array(mask, pa.bool_()))


def download_rows(nursery: Nursery, job: Job, rows: pa.Table, stall_seconds: float, shard_seconds: float) -> Found:
    """Download `rows` (row, url, caption, sha256), in up to five attempts.

    Args:
        nursery: that forks the processes.
        job: whose folder holds a folder for each attempt.
        rows: `row` numbers them; they come back under these numbers, every one.
        stall_seconds: that may pass, beyond the longest that one row can take, without any row getting on.
        shard_seconds: for all attempts together.
    """
    found, left = Found(), rows
    deadline = time.monotonic() + shard_seconds
    patience = stall_seconds + longest(job.limits)
    reason: str | None = None
    for attempt in range(ATTEMPTS):
        if not left.num_rows or reason == OVERDUE:
            break
        here = replace(job, folder=job.folder / f"attempt{attempt}")
        _write(here.folder, left)
        reason = nursery.run(here, patience, deadline)
        testament = found.add(here.folder, job.canonical.encode_format)
        left = found.left(left)
        _blame(found, testament, reason, set(left["row"].to_pylist()))
        left = found.left(left)
    found.failed |= dict.fromkeys(left["row"].to_pylist(), (DOWNLOAD, reason or LOST))
    return found


def _write(folder: Path, rows: pa.Table) -> None:
    folder.mkdir(parents=True)
    with pa.OSFile(str(folder / "rows.arrow"), "wb") as file, pa.ipc.new_file(file, rows.schema) as writer:
        writer.write_table(rows)


def _blame(found: Found, testament: journal.Testament, reason: str | None, left: set[int]) -> None:
    """The row that was being decoded when the process ended badly is not tried again; nor, after a stall, those in flight."""
    if reason is None or reason == OVERDUE:
        return
    suspects = testament.decoding & left
    if not suspects and reason == STALLED:
        suspects = testament.fetching & left
    status = RESIZE if testament.decoding else DOWNLOAD
    found.failed |= dict.fromkeys(suspects, (status, f"{reason} at this row"))
