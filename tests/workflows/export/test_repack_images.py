"""The tars of downloads, img2dataset's three members a key, come over whole under the child's keys."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path

import pytest
from painted import picture

from workflows.export.ustar import closing
from workflows.repack.carry import _copy


@pytest.fixture
def downloaded(tmp_path: Path) -> Path:
    """Five samples as a download stores them."""
    path = tmp_path / "images.tar"
    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as tar:
        for n in range(5):
            told = json.dumps({"uid": f"u{n}", "key": f"0000000000000{n}", "caption": "é"}, indent=4).encode()
            for suffix, data in (("jpg", picture(f"abc{n}")), ("json", told), ("txt", "é".encode())):
                member = tarfile.TarInfo(f"0000000000000{n}.{suffix}")
                member.size = len(data)
                tar.addfile(member, io.BytesIO(data))
    return path


def test_members_get_the_key_of_the_child(downloaded: Path, tmp_path: Path) -> None:
    keys = {"00000000000003": "00000007000001", "00000000000001": "00000007000000", "00000000000009": "00000007000002"}
    with (tmp_path / "child.tar").open("wb") as target:
        assert _copy(downloaded, keys, target) == {"00000000000001", "00000000000003"}
        target.write(closing(target.tell()))
    with tarfile.open(tmp_path / "child.tar", "r:") as tar:
        held = {member.name: tar.extractfile(member).read() for member in tar}  # type: ignore[union-attr]
    assert list(held) == [f"0000000700000{n}.{suffix}" for n in (0, 1) for suffix in ("jpg", "json", "txt")]
    assert held["00000007000001.jpg"] == picture("abc3")
    assert held["00000007000000.txt"].decode() == "é"
    assert json.loads(held["00000007000000.json"]) == {"uid": "u1", "key": "00000007000000", "caption": "é"}
    assert held["00000007000000.json"] == json.dumps(json.loads(held["00000007000000.json"]), indent=4).encode()
