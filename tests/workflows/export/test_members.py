"""Images are found in any tar that tarfile reads, whoever wrote it."""

from __future__ import annotations

import hashlib
import io
import tarfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.parts import Members
from pipeline.step import Entry
from pipeline.store import Store
from workflows.export.sink import Sink
from workflows.export.ustar import closing, header, padding

FILES = st.lists(
    st.tuples(st.from_regex(r"[a-z0-9_-]{1,90}\.(jpg|png|json|txt)", fullmatch=True), st.binary(max_size=1500)),
    max_size=8,
    unique_by=lambda file: file[0].partition(".")[0],
)


def members(path: Path) -> Members:
    return Members(Store(path.parent), [Entry("d", "1", "0", 0, "", {"tar": (path.name, "", 0)}, 1, {})])


@given(FILES, st.sampled_from([tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT, None]))
def test_every_image_is_found(
    tmp_path_factory: pytest.TempPathFactory, files: list[tuple[str, bytes]], form: int | None
) -> None:
    path = tmp_path_factory.mktemp("tar") / "images.tar"
    if form is None:
        body = b"".join(header(name, len(data)) + data + padding(len(data)) for name, data in files)
        path.write_bytes(body + closing(len(body)))
    else:
        with tarfile.open(path, "w", format=form) as tar:
            for name, data in files:
                member = tarfile.TarInfo(name)
                member.size, member.mtime = len(data), 0.5 if form == tarfile.PAX_FORMAT else 0  # type: ignore[assignment]
                tar.addfile(member, io.BytesIO(data))
    found = members(path)
    for name, data in files:
        key, _, suffix = name.partition(".")
        assert found.get(key) == (data if suffix in ("jpg", "png") else None)
    assert found.get("nothing") is None


def test_a_tar_that_is_cut_short_is_read_as_far_as_tarfile_does(tmp_path: Path) -> None:
    (tmp_path / "a.tar").write_bytes(header("a.jpg", 3) + b"abc" + padding(3) + header("b.jpg", 5000) + b"abc")
    with pytest.raises(tarfile.ReadError):
        members(tmp_path / "a.tar")
    (tmp_path / "b.tar").write_bytes(b"")
    with pytest.raises(tarfile.ReadError):
        members(tmp_path / "b.tar")


@settings(max_examples=30)
@given(st.lists(st.lists(st.binary(max_size=2000), max_size=4), max_size=20))
def test_a_sink_holds_what_was_written(tmp_path_factory: pytest.TempPathFactory, pieces: list[list[bytes]]) -> None:
    path = tmp_path_factory.mktemp("sink") / "file"
    sink = Sink(path)
    for some in pieces:
        sink.write(some, sum(map(len, some)))
    sink.close()
    digest = sink.digest()
    whole = b"".join(piece for some in pieces for piece in some)
    assert path.read_bytes() == whole
    assert digest == hashlib.sha256(whole).hexdigest()


def test_a_disk_that_refuses_is_an_error(tmp_path: Path) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full")
    (tmp_path / "full").symlink_to("/dev/full")
    sink = Sink(tmp_path / "full")
    sink.write([b"x"], 1)
    sink.close()
    with pytest.raises(OSError, match="No space"):
        sink.digest()
