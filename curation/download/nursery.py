"""The process that has img2dataset loaded, and forks one child for each attempt at a shard.

Loading it takes seconds of CPU (it brings wandb, pandas, webdataset and albumentations along); forking takes milliseconds, and a
child can be killed without harm to the next.

Protocol: a line on stdin is the path of a job; the answers on stdout are the child's process id, and later its exit code
(negative: the signal that killed it). The end of stdin is the end of everything: whoever started this process is gone.
"""

from __future__ import annotations

import os
import select
import signal
import sys
import tempfile
import threading
import time
import traceback
from pathlib import Path
from typing import NoReturn

from curation.download import runner
from curation.download.job import Job

LOG = "log.txt"


def main() -> None:
    """Serve jobs until stdin ends."""
    channel = os.dup(1)
    os.dup2(2, 1)  # whatever img2dataset prints must not reach the channel
    with tempfile.TemporaryDirectory(prefix="pairpool-") as scratch:
        tempfile.tempdir = scratch  # wandb makes folders as it is imported, in every child too
        runner.preload()
        _serve(channel)


def _serve(channel: int) -> None:
    for line in sys.stdin:
        pid, ended = _fork(Path(line.strip()), channel)
        os.write(channel, b"%d\n" % pid)
        readable, _, _ = select.select([ended, 0], [], [])
        if ended not in readable:
            os.killpg(pid, signal.SIGKILL)
            return
        os.close(ended)
        os.write(channel, b"%d\n" % os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))


def _fork(job: Path, channel: int) -> tuple[int, int]:
    """Start a child; its process id, and a pipe that ends with it and with all that it starts."""
    ended, alive = os.pipe()
    nursery = os.getpid()
    pid = os.fork()
    if pid == 0:
        os.close(channel)
        _child(job, nursery)
    os.close(alive)
    return pid, ended


def _child(job: Path, nursery: int) -> NoReturn:
    code = 1
    try:
        os.setsid()  # a group of its own, to be killed as one
        log = os.open(job.parent / LOG, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        for stream, target in ((0, os.open(os.devnull, os.O_RDONLY)), (1, log), (2, log)):
            os.dup2(target, stream)
        threading.Thread(target=_die_with, args=(nursery,), daemon=True).start()
        runner.run(Job.load(job))
        code = 0
    except BaseException:  # noqa: BLE001 - a forked child must never return into its parent's code
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


def _die_with(nursery: int) -> None:
    while os.getppid() == nursery:
        time.sleep(0.5)
    os._exit(1)


if __name__ == "__main__":
    main()
