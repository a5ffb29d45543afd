"""Processes that die, stand still or take too long: what is finished is kept, and every row has its reason."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pyarrow as pa
import pytest
from faulty import FaultyServer

from curation.download import journal
from curation.download.attempts import Found, download_rows
from curation.download.job import Canonical, Job, Limits
from curation.download.stage import ROWS
from curation.download.watch import Nursery

pytestmark = pytest.mark.slow
CANONICAL = Canonical(
    image_size=128,
    resize_mode="keep_ratio_largest",
    resize_only_if_bigger=True,
    encode_format="jpg",
    encode_quality=95,
    min_image_size=0,
    max_aspect_ratio=None,
    max_pixels=20_000_000,
)


@pytest.fixture(scope="module")
def nursery() -> Iterator[Nursery]:
    with Nursery() as made:
        yield made


def rows(server: FaultyServer, names: list[str]) -> pa.Table:
    listed = [{"row": k, "url": server.url(name), "caption": None, "sha256": None} for k, name in enumerate(names)]
    return pa.Table.from_pylist(listed, ROWS)


def job(server: FaultyServer, folder: Path, threads: int = 2) -> Job:
    limits = Limits(timeout=1.0, retries=0, allow_hosts=(server.host,))
    return Job(folder, threads, limits, CANONICAL)


def child_of(folder: Path) -> int:
    """The process that writes a journal: the one that has it open, or 0."""
    for link in Path("/proc").glob("[0-9]*/fd/*"):
        with suppress(OSError):  # a downloader opens and closes sockets all the time, and processes end
            if link.readlink() == folder / journal.NAME:
                return int(link.parts[2])
    return 0


def when_written(folder: Path, lines: int, act: Callable[[int], None]) -> threading.Thread:
    """Do something to the downloader of an attempt as soon as its journal has so many lines."""

    path = folder / journal.NAME

    def watch() -> None:
        pid, end = 0, time.monotonic() + 120
        while time.monotonic() < end and not (path.exists() and path.read_bytes().count(b"\n") >= lines and pid):
            pid = pid or child_of(folder)  # looked for from the start: it may not live long once it has its lines
            time.sleep(0.005)
        if pid:
            act(pid)

    thread = threading.Thread(target=watch)
    thread.start()
    return thread


def reasons(found: Found) -> dict[int, str]:
    return {row: message.partition("\n")[0] for row, (_, message) in found.failed.items()}


def test_a_killed_process_costs_at_most_the_row_that_it_was_decoding(
    nursery: Nursery, server: FaultyServer, tmp_path: Path
) -> None:
    names = ["missing", *(f"unique{k}.jpg" for k in range(500))]  # far more than are done while the killer looks for it
    killer = when_written(tmp_path / "attempt0", 200, lambda pid: os.kill(pid, signal.SIGKILL))
    found = download_rows(nursery, job(server, tmp_path), rows(server, names), 60, 300)
    killer.join()
    assert (tmp_path / "attempt1").exists() and not (tmp_path / "attempt2").exists()
    assert found.samples.keys() | found.failed.keys() == set(range(len(names)))
    assert not found.samples.keys() & found.failed.keys()
    lost = {k: v for k, v in reasons(found).items() if k}
    assert len(lost) <= 1 and set(lost.values()) <= {"downloader killed by signal 9 at this row"}
    assert reasons(found)[0] == "http 404"
    assert {s.tar.parent.name for s in found.samples.values()} == {"attempt0", "attempt1"}  # nothing finished is redone
    assert server.hits["missing"] == 1


def test_a_process_that_is_killed_every_time_gives_up_with_reasons(
    nursery: Nursery, server: FaultyServer, tmp_path: Path
) -> None:
    names = ["missing", *(["stall"] * 40)]
    killers = [
        when_written(tmp_path / f"attempt{k}", 2 if k else 4, lambda pid: os.kill(pid, signal.SIGKILL))
        for k in range(5)
    ]
    found = download_rows(nursery, job(server, tmp_path), rows(server, names), 60, 300)
    for killer in killers:
        killer.join()
    assert sorted(found.failed) == list(range(41))
    assert reasons(found)[0] == "http 404"
    assert set(list(reasons(found).values())[1:]) <= {"downloader killed by signal 9", "timeout"}


def test_a_process_that_stands_still_is_killed_and_the_rest_goes_on(
    nursery: Nursery, server: FaultyServer, tmp_path: Path
) -> None:
    names = ["stall", "stall", *(f"unique{k}.jpg" for k in range(20))]
    stopper = when_written(tmp_path / "attempt0", 1, lambda pid: os.kill(pid, signal.SIGSTOP))
    found = download_rows(nursery, job(server, tmp_path), rows(server, names), 1.0, 300)
    stopper.join()
    assert {found.failed[row][1] for row in (0, 1)} <= {"downloader stalled at this row", "timeout"}
    assert "downloader stalled at this row" in reasons(found).values()
    assert found.samples.keys() | found.failed.keys() == set(range(len(names)))
    assert len(found.failed) <= 4  # two threads: what was in flight, and no more


def test_at_the_deadline_every_row_has_a_reason_and_what_is_done_stays(
    nursery: Nursery, server: FaultyServer, tmp_path: Path
) -> None:
    names = ["missing", "good.jpg", *(["drip"] * 60)]
    begun = time.monotonic()
    found = download_rows(nursery, job(server, tmp_path), rows(server, names), 60, 4.0)
    assert time.monotonic() - begun < 30
    assert reasons(found)[0] == "http 404"
    assert reasons(found)[61] == "shard deadline passed"
    assert sorted({*found.failed, *found.samples}) == list(range(62))


def test_a_lost_nursery_is_started_anew(nursery: Nursery, server: FaultyServer, tmp_path: Path) -> None:
    names = ["drip", "drip", "good.jpg", "good.png"]

    def kill_parent(pid: int) -> None:
        os.kill(int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1]), signal.SIGKILL)

    killer = when_written(tmp_path / "attempt0", 1, kill_parent)
    found = download_rows(nursery, job(server, tmp_path), rows(server, names), 60, 300)
    killer.join()
    assert sorted({*found.failed, *found.samples}) == [0, 1, 2, 3]
    assert {2, 3} <= found.samples.keys()


ORPHAN = """
import sys, pathlib, pyarrow as pa
from curation.download.attempts import download_rows
from curation.download.job import Canonical, Job, Limits
from curation.download.watch import Nursery
from curation.download.stage import ROWS
folder, host = pathlib.Path(sys.argv[1]), sys.argv[2]
rows = pa.Table.from_pylist([{"row": k, "url": f"http://{host}/stall"} for k in range(50)], ROWS)
canonical = Canonical(128, "no", True, "jpg", 95, 0, None, 10**7)
with Nursery() as nursery:
    download_rows(nursery, Job(folder, 1, Limits(timeout=20, allow_hosts=(host,)), canonical), rows, 60, 600)
"""


def test_no_downloader_outlives_the_worker_that_started_it(server: FaultyServer, tmp_path: Path) -> None:
    worker = subprocess.Popen([sys.executable, "-c", ORPHAN, str(tmp_path), server.host])
    children: list[int] = []
    when_written(tmp_path / "attempt0", 1, children.append).join()
    worker.send_signal(signal.SIGKILL)
    worker.wait()
    assert children
    end = time.monotonic() + 10
    while Path(f"/proc/{children[0]}").exists() and time.monotonic() < end:
        time.sleep(0.05)
    assert not Path(f"/proc/{children[0]}").exists()
