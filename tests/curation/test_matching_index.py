"""The index of a matcher as a file: shared, cached, and built again when it is not whole."""

import multiprocessing
import os
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from curation.matching import Matcher
from curation.matching.entries import digest, pack
from pipeline.errors import DataError
from pipeline.local import cache_root

ENTRIES = ["photo", "photo of", "a photo of a cat", "猫", "cat写", "(x", "St. Louis", "", "photo", "\ud800", "a" * 300]
MANY = [f"entry {k}" for k in range(10_000)]
TEXTS = pa.array(["a photo of a cat", "cat写真 (x", "猫", "", "a" * 300])


@pytest.fixture
def index(tmp_path):
    Matcher(ENTRIES, space_free=True).save(tmp_path / "some.index")
    return tmp_path / "some.index"


def test_a_file_finds_what_memory_finds(index):
    opened, built = Matcher.open(index), Matcher(ENTRIES, space_free=True)
    assert opened.match(TEXTS).to_pylist() == built.match(TEXTS).to_pylist()
    assert opened.match(TEXTS).to_pylist()[0] == [0, 1, 2, 8]
    assert opened.nbytes == built.nbytes
    Matcher(["x"], False).save(index)
    assert Matcher.open(index).match_text("x") == [0]


@pytest.mark.parametrize("size", [0, 1, 40, 500, 3000, -1])
def test_a_truncated_file_is_refused(index, size):
    whole = index.read_bytes()
    index.write_bytes(whole[:size])
    with pytest.raises(DataError, match="index"):
        Matcher.open(index)


@pytest.mark.parametrize("part", range(9))
def test_a_damaged_file_is_refused(index, part):
    whole = bytearray(index.read_bytes())
    place = len(whole) * part // 9 + 700  # within arrays, or the padding between them
    whole[min(place, len(whole) - 1)] ^= 0x40
    index.write_bytes(whole)
    try:
        found = Matcher.open(index)
    except DataError as error:
        assert "index" in str(error)  # either answer is right, a third one is not
    else:
        assert found.match(TEXTS).to_pylist() == Matcher(ENTRIES, space_free=True).match(TEXTS).to_pylist()


def test_another_format_and_another_file_are_refused(index):
    index.write_bytes(index.read_bytes().replace(b'"pairpool-index": ', b'"pairpool-index": 9'))
    with pytest.raises(DataError, match="another format"):
        Matcher.open(index)
    for other in (b"\xff" * 100, b"[]\n", b'{"arrays": 3}\n'):
        index.write_bytes(other)
        with pytest.raises(DataError, match="not a whole index"):
            Matcher.open(index)
    with pytest.raises(FileNotFoundError):
        Matcher.open(index.with_name("none"))


def test_the_cache_is_used_and_damage_mended(tmp_path):
    first = Matcher.cached(MANY, folder=tmp_path)
    (file,) = tmp_path.iterdir()
    made = file.stat().st_mtime_ns
    assert Matcher.cached(MANY, folder=tmp_path).match_text("entry 77") == first.match_text("entry 77") == [77]
    assert file.stat().st_mtime_ns == made
    for damage in (b"", file.read_bytes()[:-9], b"\0" * file.stat().st_size):
        file.write_bytes(damage)
        assert Matcher.cached(MANY, folder=tmp_path).match_text("entry 77") == [77]
        assert Matcher.open(file).match_text("entry 9999") == [9999]
    assert [file] == list(tmp_path.iterdir())


def test_the_key_is_entries_order_form(tmp_path):
    forms = [
        (MANY, False),
        (MANY, True),
        (MANY[::-1], False),
        ([*MANY, ""], False),
        ([*MANY[:-2], "entry 9998entry 9999", ""], False),
    ]
    assert len({digest(pack(entries), space_free) for entries, space_free in forms}) == len(forms)
    for entries, space_free in forms:
        Matcher.cached(entries, space_free, folder=tmp_path)
    assert len(list(tmp_path.iterdir())) == len(forms)


def test_without_a_place_to_write_the_index_stays_in_memory(tmp_path, caplog):
    (tmp_path / "file").write_text("a file where the folder should be")
    assert Matcher.cached(MANY, folder=tmp_path / "file" / "matching").match_text("entry 5") == [5]
    assert "stays in memory" in caplog.text


def test_few_entries_are_not_kept(tmp_path):
    assert Matcher.cached(["cat"], folder=tmp_path / "none").match_text("cat") == [0]
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize(
    ("given", "root"),
    [
        ({"PAIRPOOL_CACHE": "/a", "XDG_CACHE_HOME": "/b"}, Path("/a")),
        ({"XDG_CACHE_HOME": "/b"}, Path("/b/pairpool")),
        ({}, Path("~/.cache/pairpool").expanduser()),
    ],
)
def test_where_the_cache_lies(monkeypatch, given, root):
    for name in ("PAIRPOOL_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    assert cache_root() == root


def _count(path, results):
    results.put(Matcher.open(path).match(pa.array(["entry 1", "entry 2 entry 3"])).to_pylist())


def test_processes_share_a_file(tmp_path):
    Matcher(MANY).save(tmp_path / "many.index")
    context = multiprocessing.get_context("spawn")
    results = context.Queue()
    workers = [context.Process(target=_count, args=(tmp_path / "many.index", results)) for _ in range(2)]
    for worker in workers:
        worker.start()
    found = [results.get(timeout=120) for _ in workers]
    for worker in workers:
        worker.join()
    assert found == [[[1], [2, 3]]] * 2


@pytest.mark.slow
def test_compiled_code_is_kept_where_it_can_be(tmp_path, index):
    script = f"from pathlib import Path; from curation.matching import Matcher; m = Matcher.open(Path({str(index)!r}))"
    (tmp_path / "file").write_text("")
    for root, kept in ((tmp_path / "cache", True), (tmp_path / "file" / "cache", False)):
        environment = os.environ | {"PAIRPOOL_CACHE": str(root)}
        command = [sys.executable, "-c", f"{script}; print(m.match_text('a photo of'))"]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        assert done.stdout == "[0, 1, 8]\n"
        assert any(root.glob("numba/*/*/*.nbc")) == kept


def test_entries_that_arrow_cannot_hold_are_packed_as_others_are():
    entries = ["a", "\ud83d", "", "猫" * 3, "\0"]
    data, offsets = pack(entries)
    assert [bytes(data[a:b]) for a, b in pairwise(offsets)] == [
        entry.encode("utf-8", "surrogatepass") for entry in entries
    ]
    many = [f"{k}é" for k in range(70_000)]
    data, offsets = pack(many)
    assert bytes(data[: offsets[-1]]).decode() == "".join(many)
    assert np.array_equal(np.diff(offsets), [len(entry.encode()) for entry in many])
