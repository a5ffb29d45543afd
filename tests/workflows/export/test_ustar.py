"""Our headers are those of Python's tarfile, for every name and size."""

import io
import tarfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import ContractError
from workflows.export.ustar import closing, header, padding

NAMES = st.from_regex(r"[A-Za-z0-9_-]{1,80}\.(jpg|json|txt)", fullmatch=True)


@given(NAMES, st.integers(0, 8**11 - 1))
def test_header_equals_tarfile(name: str, size: int) -> None:
    member = tarfile.TarInfo(name)
    member.size, member.mtime = size, 0
    assert header(name, size) == member.tobuf(tarfile.USTAR_FORMAT)


@given(st.lists(st.tuples(NAMES, st.binary(max_size=2000)), max_size=8))
def test_archive_equals_tarfile(files: list[tuple[str, bytes]]) -> None:
    theirs = io.BytesIO()
    with tarfile.open(fileobj=theirs, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for name, data in files:
            member = tarfile.TarInfo(name)
            member.size, member.mtime = len(data), 0
            tar.addfile(member, io.BytesIO(data))
    ours = b"".join(header(name, len(data)) + data + padding(len(data)) for name, data in files)
    assert ours + closing(len(ours)) == theirs.getvalue()


@pytest.mark.parametrize(("name", "size"), [("x" * 101, 0), ("", 0), ("é.jpg", 0), ("a.jpg", 8**11), ("a.jpg", -1)])
def test_what_does_not_fit_is_refused(name: str, size: int) -> None:
    with pytest.raises(ContractError, match="does not fit"):
        header(name, size)
