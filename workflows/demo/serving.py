"""The demo's server as a process of its own, for as long as a block lasts."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline.errors import MachineError

READY_S = 30.0


@contextmanager
def serve(root: Path, port: int | None = None) -> Iterator[str]:
    """Serve the demo folder `root`; gives the base URL, without a slash at its end.

    `port` is by default the one that the pool's URLs name; 0 takes a free one. The server ends with the block, or with
    this process, however that ends. Raises MachineError with the server's own words where it does not start (port taken).
    """
    with tempfile.TemporaryDirectory() as folder:
        ready, log = Path(folder) / "ready", Path(folder) / "log"
        command = [sys.executable, "-m", "workflows.demo.server", "--root", str(root), "--ready-file", str(ready)]
        command += ["--parent", str(os.getpid()), *(["--port", str(port)] if port is not None else [])]
        with log.open("wb") as said:
            process = subprocess.Popen(command, stdout=said, stderr=subprocess.STDOUT)
        try:
            yield when_ready(process, ready, log)
        finally:
            process.terminate()
            process.wait()


def when_ready(process: "subprocess.Popen[bytes]", ready: Path, log: Path) -> str:
    """Wait for the base URL."""
    end = time.monotonic() + READY_S
    while time.monotonic() < end and process.poll() is None:
        if ready.exists():
            return ready.read_text()
        time.sleep(0.02)
    raise MachineError(f"the demo's server did not start: {log.read_text().strip() or 'it said nothing'}")
