"""Shards are read by position, whoever wrote them; what is damaged costs what is damaged, and nothing is executed."""

import io
import json
import pickle
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipeline.errors import DataError
from workflows.training.shards import Shards, Unreadable

Make = Callable[..., Shards]


def pack(path: Path, files: dict[str, bytes], form: int = tarfile.PAX_FORMAT) -> None:
    with tarfile.open(path, "w", format=form) as tar:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))


def test_every_sample_by_its_position(make_shards: Make) -> None:
    shards = make_shards(20, per_shard=8)
    assert shards.sizes == (8, 8, 4)
    raw = shards.read(2, 3)
    assert raw.key == "0-000019"
    assert raw.texts["uid"] == f"{19:032x}"
    assert raw.texts["txt"] == raw.texts["caption_alt"]
    assert "score" not in raw.texts
    assert raw.image.startswith(b"\xff\xd8\xff")


def test_sizes_without_a_file_are_counted(make_shards: Make) -> None:
    shards = make_shards(20, per_shard=8)
    (shards.paths[0].parent / "sizes.json").unlink()
    assert Shards.of(shards.paths[0].parent).sizes == (8, 8, 4)


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_tars_of_others(tmp_path: Path, form: int) -> None:
    key = "k" * 90 if form == tarfile.USTAR_FORMAT else "k" * 150
    pack(tmp_path / "x.tar", {f"some/dir/{key}.PNG": b"image", f"some/dir/{key}.txt": "é".encode()}, form)
    raw = Shards.of(tmp_path).read(0, 0)
    assert (raw.key, raw.image, raw.texts) == (key, b"image", {"txt": "é"})


def test_webdatasets_own_writer(tmp_path: Path) -> None:
    wds = pytest.importorskip("webdataset")
    with wds.TarWriter(str(tmp_path / "a.tar")) as writer:
        writer.write({"__key__": "a", "jpg": b"\xff\xd8\xff", "txt": "one", "json": {"caption_short": "1"}})
    raw = Shards.of(tmp_path).read(0, 0)
    assert raw.texts == {"txt": "one", "caption_short": "1"}


class Trap:
    def __reduce__(self) -> tuple[Any, ...]:
        return (Path("sprung").write_text, ("!",))


def test_pickles_and_links_are_not_touched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    trap = pickle.dumps(Trap())
    pack(tmp_path / "a.tar", {"a.jpg": b"i", "a.txt": b"t", "a.pyd": trap, "a.pkl": trap, "a.pth": trap})
    with tarfile.open(tmp_path / "a.tar", "a") as tar:
        link = tarfile.TarInfo("b.jpg")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(link)
    shards = Shards.of(tmp_path)
    assert shards.sizes == (1,)
    assert shards.read(0, 0).texts == {"txt": "t"}
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        ({"a.txt": b"t"}, "no image"),
        ({"a.jpg": b"i", "a.json": b"{"}, "broken"),
        ({"a.jpg": b"i", "a.json": b"[1]"}, "not an object"),
        ({"a.jpg": b"i", "a.txt": b"\xff"}, "broken"),
    ],
)
def test_samples_that_cannot_be_used(tmp_path: Path, files: dict[str, bytes], reason: str) -> None:
    pack(tmp_path / "a.tar", files)
    with pytest.raises(Unreadable, match=reason):
        Shards.of(tmp_path).read(0, 0)


def test_a_truncated_tar_keeps_its_beginning(make_shards: Make) -> None:
    shards = make_shards(10, per_shard=10)
    path = shards.paths[0]
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    read = 0
    for place in range(10):
        try:
            shards.read(0, place)
            read += 1
        except Unreadable as reason:
            assert "shard" in str(reason) or "no image" in str(reason) or "broken" in str(reason)
    assert 3 <= read <= 6


def test_a_shard_that_vanishes(make_shards: Make) -> None:
    shards = make_shards(10, per_shard=5)
    shards.paths[1].unlink()
    assert shards.read(0, 0).key
    with pytest.raises(Unreadable, match="gone"):
        shards.read(1, 0)


def test_what_is_no_shard(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="No tar lies in"):
        Shards.of(tmp_path)
    (tmp_path / "a.tar").write_bytes(b"not a tar" * 200)
    with pytest.raises(DataError, match="cannot be read as a tar"):
        _ = Shards.of(tmp_path).sizes
    (tmp_path / "sizes.json").write_text(json.dumps(["a"]))
    with pytest.raises(DataError, match="does not map"):
        _ = Shards.of(tmp_path).sizes
