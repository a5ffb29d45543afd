"""The watching end: one process for each attempt at a shard, killed when it stands still or runs over its time."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import IO

import curation
from curation.download import journal
from curation.download.job import Job
from curation.download.nursery import LOG
from pipeline.errors import MachineError

GLANCE = 0.25  #: seconds between two looks at the journal
GRACE = 10.0  #: seconds that a killed process may take to be gone
QUIET = {"NO_ALBUMENTATIONS_UPDATE": "1", "WANDB_MODE": "disabled", "WANDB_SILENT": "true"}  # both call home otherwise
RESOLVER = "timeout:3 attempts:2"  # glibc: a dead name server must not hold a thread for half a minute
STALLED, OVERDUE = "downloader stalled", "shard deadline passed"


class Nursery:
    """The process that forks downloaders; started with the first job, ended with the context."""

    _process: subprocess.Popen[bytes] | None = None
    _jobs: IO[bytes]
    _answers: IO[bytes]

    def __enter__(self) -> Nursery:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the process and whatever it forked."""
        if self._process:
            self._jobs.close()  # it ends by this, and takes its child along
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(GRACE)
            self._process.kill()
            self._process.wait()
            self._answers.close()
            self._process = None

    def run(self, job: Job, patience: float, deadline: float) -> str | None:
        """Do a job in a process of its own.

        Args:
            job: whose folder receives everything.
            patience: seconds without a new line in the journal after which the process is killed.
            deadline: moment of the monotonic clock at which it is killed.

        Returns:
            None if it ended by itself, else why it did not, as a countable reason.

        Raises:
            MachineError: if img2dataset cannot be loaded, or fails for another reason than a row.
        """
        self._start()
        self._jobs.write(f"{job.save()}\n".encode())
        line = self._answers.readline()
        if not line:
            self.close()
            raise MachineError("The download process did not start; its error stands above. Mend the installation.")
        return self._wait(int(line), job.folder, patience, deadline)

    def _start(self) -> None:
        if self._process is not None and self._process.poll() is None:
            return
        self.close()
        root = str(Path(curation.__file__).parent.parent)
        path = os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH")]))
        self._process = subprocess.Popen(
            [sys.executable, "-m", "curation.download.nursery"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
            env=os.environ | QUIET | {"PYTHONPATH": path, "RES_OPTIONS": RESOLVER},
            start_new_session=True,  # Ctrl-C is for us: we end it when we end
        )
        assert self._process.stdin and self._process.stdout
        self._jobs, self._answers = self._process.stdin, self._process.stdout

    def _wait(self, pid: int, folder: Path, patience: float, deadline: float) -> str | None:
        """Watch the journal grow until the child ends, or has to."""
        seen, moved = -1, time.monotonic()
        while not self._answered(GLANCE):
            now, written = time.monotonic(), journal.size(folder)
            if written != seen:
                seen, moved = written, now
            if now - moved > patience or now > deadline:
                self._kill(pid)
                return OVERDUE if now > deadline else STALLED
        code = self._answers.readline()
        if not code:
            self._kill(pid)
        return _judge(code.decode().strip(), folder)

    def _kill(self, pid: int) -> None:
        """Kill a child's whole group, and the nursery with it if that does not answer for it."""
        with suppress(ProcessLookupError):  # it may end at this very moment
            os.killpg(pid, signal.SIGKILL)
        if not (self._answered(GRACE) and self._answers.readline()):
            self.close()

    def _answered(self, seconds: float) -> bool:
        return bool(select.select([self._answers], [], [], seconds)[0])


def _judge(code: str, folder: Path) -> str | None:
    """What an exit code means: None for a good end."""
    if not code:
        return "downloader lost"
    if int(code) < 0:
        return f"downloader killed by signal {code[1:]}"
    if int(code) == 0:
        return None
    tail = "\n".join((folder / LOG).read_text(errors="replace").splitlines()[-8:])
    raise MachineError(f"img2dataset failed on a whole shard. Its last words:\n{tail}")
