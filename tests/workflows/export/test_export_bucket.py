"""An export lands on a bucket as on a disk, byte for byte; a run that is killed there goes on."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import obstore
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from painted import Judge, Paint, export

from curation.intake import Intake
from pipeline.executor import LocalExecutor
from pipeline.plan import Plan
from pipeline.progress import Progress
from pipeline.removal import remove
from pipeline.rows import uid_of
from pipeline.run import Run
from pipeline.step import POOL
from pipeline.store import Store
from pipeline.verify import orphans, verify

ROWS = [{"url": f"https://a.example/{n}", "caption": f"a thing number {n}"} for n in range(40)]
HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def bucket(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """`s3://shelf`, served by a real server of objects on loopback."""
    folder = tmp_path_factory.mktemp("server")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    given = {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        "AWS_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_ALLOW_HTTP": "true",
        "PAIRPOOL_CACHE": str(folder / "cache"),
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, value in given.items():
            patch.setenv(name, value)
        _await(port)
        urlopen(Request(f"http://127.0.0.1:{port}/shelf", method="PUT"))
        yield "s3://shelf"
    server.terminate()
    server.wait(10)


def _await(port: int) -> None:
    for _ in range(200):
        with socket.socket() as asked:
            if asked.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise TimeoutError(f"no server on port {port}")


def steps(tmp_path: Path) -> list[Any]:
    pq.write_table(pa.Table.from_pylist(ROWS), tmp_path / "urls.parquet")
    intake = Intake(urls=tmp_path / "urls.parquet", shard_rows=10)
    return [intake, Paint(name="paint"), Judge(name="judge"), export(validation=0.2, formats=["parquet"])]


def run(root: Path | str, made: list[Any]) -> Plan:
    store = Store(root)
    Run(Plan(store, made), LocalExecutor(store), Progress())()
    return Plan(store, made)


def files(plan: Plan) -> dict[str, bytes]:
    entry = plan.parts(plan.by_name["shards"], POOL)[-1]
    return {path: bytes(plan.store.get(path)) for path, _, _ in entry.files.values()}


def test_a_bucket_holds_what_a_disk_holds(bucket: str, tmp_path: Path) -> None:
    made = steps(tmp_path)
    there, here = run(f"{bucket}/one", made), run(tmp_path / "pool", made)
    assert files(there) == files(here)
    assert {name.rpartition("/")[2] for name in files(there)} >= {"00000000.tar", "sizes.json", "README.md", "uids.npy"}
    assert all(found.problems == () for found in verify(there))
    assert orphans(there.store, there) == []
    listed = obstore.list(obstore.store.from_url(f"{bucket}/one"), "shards/").collect()
    assert {item["path"] for item in listed} == set(files(there))


def test_a_takedown_leaves_nothing_in_the_bucket_nor_in_the_cache(bucket: str, tmp_path: Path) -> None:
    made, root = steps(tmp_path), f"{bucket}/taken"
    whole = files(run(root, made))
    store, gone = Store(root), [uid_of(ROWS[n]["url"]) for n in (3, 17)]
    assert any("thing number 17" in opened(store, path) for path in store.list(""))  # the search finds what is there
    told = remove(store, gone, "asked for")
    assert (told.rows, told.deleted) == (2, {"shards": 1})
    assert not any(path in whole for path in store.list("shards/"))
    after = run(root, made)
    left = "".join(opened(store, path) for path in store.list(""))
    assert not any(f"thing number {n}'" in left or f"thing number {n}\n" in left for n in (3, 17))
    assert all(found.problems == () for found in verify(after)) and orphans(store, after) == []
    copies = store._cache.folder / "objects"
    assert {str(path.relative_to(copies)) for path in copies.rglob("*") if path.is_file()} <= set(store.list(""))


def opened(store: Store, path: str) -> str:
    """An object as text; a table decompressed."""
    if path.endswith(".parquet"):
        return str(pq.read_table(store.fetch(path)).to_pylist())
    return store.get(path).decode("latin-1") + "\n"


CODE = """
import os, signal, sys
import obstore
sys.path.insert(0, sys.argv[1])
from test_export_bucket import run, steps
from pathlib import Path
left = iter(range(int(sys.argv[4])))
def audit(event, args):
    if event == "open" and str(args[0]).endswith((".tar", "README.md")) and args[1] and "w" in str(args[1]):
        next(left, None) is None and os.kill(os.getpid(), signal.SIGKILL)
sys.addaudithook(audit)
run(sys.argv[2], steps(Path(sys.argv[3])))
"""


@pytest.mark.parametrize("place", ["disk", "bucket"])
def test_an_export_that_is_killed_goes_on(place: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    root = f"{request.getfixturevalue('bucket')}/two" if place == "bucket" else str(tmp_path / "killed")
    made = steps(tmp_path)
    whole = files(run(tmp_path / "whole", made))
    run(root, made[:3])
    arguments = [str(HERE), root, str(tmp_path), "3"]
    ended = subprocess.run([sys.executable, "-c", CODE, *arguments], check=False, env=os.environ)
    assert ended.returncode == -signal.SIGKILL
    store = Store(root)
    assert Plan(store, made).parts(export(), POOL) == ()
    assert store.list("shards/") == []
    assert files(run(root, made)) == whole
