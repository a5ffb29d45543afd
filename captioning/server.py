"""A server of our own: started on a free loopback port, watched until it is healthy, stopped with all its processes."""

from __future__ import annotations

import contextlib
import http.client
import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from captioning import watchdog
from pipeline.errors import MachineError

HOST = "127.0.0.1"
LOG_LINES = 15
PORTS = 3  # tries, each on another port, where another process was faster

#: Makes the command of a server from its port.
Command = Callable[[int], Sequence[str]]


class Server:
    """One server process group. `start` blocks until it is healthy; after it died, `start` again makes a new one.

    Attributes:
        key: a secret that it is given as VLLM_API_KEY, so that nobody else on the machine is answered, and so that another
            process on its port is not mistaken for it.
        starts: how often it has been started.
        group: the process group of the server; 0 before the first start.
    """

    def __init__(self, command: Command, env: Mapping[str, str], timeout: float, log_dir: Path | None = None) -> None:
        self._command, self._env, self._timeout = command, dict(env), timeout
        self._log_dir = log_dir or Path(tempfile.gettempdir())
        with self._disk():
            self._log_dir.mkdir(parents=True, exist_ok=True)
            handle, name = tempfile.mkstemp(prefix="pairpool-server-", suffix=".log", dir=self._log_dir)
            os.close(handle)
            self._scratch = tempfile.TemporaryDirectory(prefix="pairpool-")  # vLLM leaves sockets and stores behind
        self.log = Path(name)
        self.key = secrets.token_urlsafe(24)
        self.url = ""
        self.starts = self.group = 0
        self._process: subprocess.Popen[bytes] | None = None
        self._closing = threading.Event()

    @property
    def alive(self) -> bool:
        """Whether its process runs; it may still be loading, or hang."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start it, and return when it answers its health check.

        Raises:
            MachineError: if it ends or is not healthy in time, with the last lines of its log.
        """
        for _ in range(PORTS):
            port = self._launch()
            if self._becomes_healthy(port):
                return
            if "address already in use" not in self.tail().lower():
                break
        raise MachineError(f"The caption server ended while it started. {self._advice()}")

    def _launch(self) -> int:
        self.stop()
        if self._closing.is_set():
            raise MachineError("The caption server was closed before it ran.")
        self.starts += 1
        port = free_port()
        self.url = f"http://{HOST}:{port}"
        argv = [sys.executable, "-I", watchdog.__file__, str(self.log), *self._command(port)]
        environment = os.environ | {"TMPDIR": self._scratch.name} | self._env | {"VLLM_API_KEY": self.key}
        self._process = subprocess.Popen(
            argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment, start_new_session=True
        )
        assert self._process.stdout is not None
        self.group = int(self._process.stdout.readline() or 0)
        return port

    @contextlib.contextmanager
    def _disk(self) -> Iterator[None]:
        """Say what a full or missing disk means here."""
        try:
            yield
        except OSError as error:
            raise MachineError(
                f"The caption server has no place for its log or its temporary files ({error}). Make room there, or name "
                f"another folder: `server.log_dir` for the log (now {self._log_dir}), TMPDIR for the rest."
            ) from error

    def _becomes_healthy(self, port: int) -> bool:
        """Wait until it is healthy; False if it ended before."""
        deadline = time.monotonic() + self._timeout
        while not healthy(port):
            if not self.alive:
                return False
            if self._closing.is_set() or time.monotonic() > deadline:
                self.stop()
                raise MachineError(
                    f"The caption server was not healthy within {self._timeout:.0f} s and was stopped. If it was only "
                    f"slow, raise `server.startup_timeout`. {self._advice()}"
                )
            time.sleep(0.2)
        return True

    def stop(self) -> None:
        """Stop all its processes. Safe to call when there are none."""
        process, self._process = self._process, None
        if process is None:
            return
        assert process.stdin is not None
        assert process.stdout is not None
        with contextlib.suppress(OSError):
            process.stdin.close()  # the watchdog stops the server when this pipe closes
        try:
            process.wait(watchdog.GRACE + 5)
        except subprocess.TimeoutExpired:
            watchdog.signal_group(self.group, signal.SIGKILL)
            process.kill()
            process.wait()
        process.stdout.close()

    def kill(self) -> None:
        """Stop a server that no longer listens, without asking it."""
        if self.group:
            watchdog.signal_group(self.group, signal.SIGKILL)
        self.stop()

    def memory(self) -> int:
        """Bytes that its processes hold; 0 where the kernel does not tell."""
        return sum(resident(self.group))

    def close(self) -> None:
        """Stop it for good, give up a start that is under way, and remove its log and its temporary files."""
        self._closing.set()
        self.stop()
        self._scratch.cleanup()
        self.log.unlink(missing_ok=True)

    def tail(self) -> str:
        """The last lines of its log."""
        lines = self.log.read_text("utf-8", "replace").splitlines() if self.log.exists() else []
        return "\n".join(lines[-LOG_LINES:])

    def keep_log(self) -> Path:
        """A copy of its log that outlives it."""
        kept = self.log.with_suffix(".failed.log")
        with contextlib.suppress(OSError):
            kept.write_bytes(self.log.read_bytes())
        return kept

    def _advice(self) -> str:
        return (
            f"Read what it says in {self.keep_log()}, then change `server.args`, `server.max_model_len` or the model, or name a server "
            f"that runs in `endpoints`. Its last lines:\n{self.tail()}\n"
        )


def resident(group: int) -> Iterator[int]:
    """Resident bytes of each process of a group."""
    for status in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # it has just ended
            fields = status.read_text().rpartition(")")[2].split()
            if int(fields[2]) == group:
                yield int(fields[21]) * os.sysconf("SC_PAGE_SIZE")


def free_port() -> int:
    """A loopback port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def healthy(port: int, timeout: float = 5) -> bool:
    """Whether a server on this port answers its health check with 200."""
    connection = http.client.HTTPConnection(HOST, port, timeout=timeout)
    try:
        connection.request("GET", "/health")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
