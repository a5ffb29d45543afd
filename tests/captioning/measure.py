"""Rows per second of the caption stage on a real vLLM server with the tiny model.

Run it as `python -m tests.captioning.measure ROWS CONCURRENCY...`.
Also tells how long the server takes to start, and what memory its processes hold. A row is one image of 64 x 48 pixels and an
answer of about 55 tokens; the client shares the cores with the server.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from captioning.stage import Caption
from captioning.vllm_command import ServerOptions
from tests.captioning.helpers import batches
from tests.captioning.tiny_qwen2vl import build

BOUNDS = (10, 160)


def main(rows: int, levels: list[int]) -> None:
    with TemporaryDirectory() as folder:
        model = build(Path(folder) / "tiny", sentences=1)
        stage = Caption(
            model=str(model),
            prompt="plain",
            lengths={"short": BOUNDS, "medium": BOUNDS, "long": BOUNDS},
            max_tokens=500,
            server=ServerOptions(max_model_len=1024),
        )
        with stage.open({}) as annotate:
            captioner: Any = annotate.args[1]  # type: ignore[attr-defined]
            server = captioner.client._endpoints[0]._server
            begun = time.perf_counter()
            list(annotate(batches(1)))
            resident = sum(group_memory(server.group)) / 2**30
            print(
                f"first row after {time.perf_counter() - begun:.1f} s, {resident:.2f} GiB resident, load {os.getloadavg()[0]:.1f}"
            )
            os.environ["PAIRPOOL_MEASURE_KEY"] = server.key
            for level in levels:
                measure(
                    replace(
                        stage,
                        model="tiny",
                        endpoints=(server.url,),
                        api_key_env="PAIRPOOL_MEASURE_KEY",
                        concurrency=level,
                    ),
                    rows,
                )


def measure(stage: Caption, count: int) -> None:
    with stage.open({}) as annotate:
        begun = time.perf_counter()
        made = [row for batch in annotate(batches(count, 64)) for row in batch.to_pylist()]
        seconds = time.perf_counter() - begun
    tokens = sum(row["completion_tokens"] or 0 for row in made)
    good = sum(row["error_message"] is None for row in made)
    print(
        f"concurrency {stage.concurrency}: {count / seconds:.1f} rows/s, {tokens / seconds:.0f} tokens/s, "
        f"{good} of {count} captioned, load {os.getloadavg()[0]:.1f}",
        flush=True,
    )


def group_memory(group: int) -> Iterator[int]:
    """Resident bytes of each process of a group."""
    for status in Path("/proc").glob("[0-9]*/stat"):
        fields = status.read_text().rpartition(")")[2].split()
        if int(fields[2]) == group:
            yield int(fields[21]) * os.sysconf("SC_PAGE_SIZE")


if __name__ == "__main__":
    main(int(sys.argv[1]), [int(level) for level in sys.argv[2:]])
