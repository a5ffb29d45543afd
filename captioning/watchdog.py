"""Runs a server as its guardian: the server ends when it is told to, and also when the one who wanted it dies.

Called as a script, `python watchdog.py LOG COMMAND...`, with a pipe as standard input. It prints the process group of the server,
and stops the whole group when the pipe closes or its parent is gone. A signal asked of the kernel (PR_SET_PDEATHSIG) would not
do alone: it follows the thread that started the server, not the process. Nor would the watchdog: Ray kills what a worker has
started when the worker goes. So a second process, which Ray does not know, kills the group when the watchdog is killed. All this
imports nothing but the standard library.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import signal
import subprocess
import sys

GRACE = 10.0  # seconds between SIGTERM and SIGKILL
PR_SET_PDEATHSIG = 1
GONE = b"gone\n"


def guard(log: str, command: list[str]) -> int:
    """Run `command` in a process group of its own, its output in `log`; gives its exit status."""
    parent, tell = os.getppid(), second()
    with open(log, "ab") as file:  # noqa: PTH123 - the script stays free of imports
        server = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=die_with_parent,  # noqa: PLW1509 - this process has one thread
        )
    os.write(tell, b"%d\n" % server.pid)
    print(server.pid, flush=True)
    while server.poll() is None:
        closed, _, _ = select.select([0], [], [], 0.25)
        if closed or os.getppid() != parent:
            stop(server)
    signal_group(server.pid, signal.SIGKILL)  # an engine process may outlive the front of its server
    os.write(tell, GONE)
    return server.returncode


def second() -> int:
    """Start the process that kills the group that it is told of once the watchdog is gone; gives the pipe to tell it."""
    hear, tell = os.pipe()
    if os.fork():
        os.close(hear)
        return tell
    os.setsid()
    for inherited in (0, 1, 2, tell):
        os.close(inherited)
    told = b""
    while heard := os.read(hear, 64):  # until nobody holds the other end
        told += heard
    if told and not told.endswith(GONE):
        signal_group(int(told), signal.SIGKILL)
    os._exit(0)


def die_with_parent() -> None:
    """Have the kernel kill this process when the watchdog itself is killed."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def stop(server: subprocess.Popen[bytes]) -> None:
    """Ask the group to end, and after `GRACE` seconds make it."""
    signal_group(server.pid, signal.SIGTERM)
    with contextlib.suppress(subprocess.TimeoutExpired):
        server.wait(GRACE)
    signal_group(server.pid, signal.SIGKILL)
    server.wait()


def signal_group(group: int, number: int) -> None:
    """Send a signal to a process group that may be gone."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, number)


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the one who wanted the server decides, and closes the pipe
    sys.exit(guard(sys.argv[1], sys.argv[2:]) & 0xFF)
