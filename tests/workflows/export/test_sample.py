"""Whatever a caption holds, it comes back."""

import json
import tarfile
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import ConfigError, ContractError
from workflows.export.sample import Sample, fault, members
from workflows.export.writer import writing

CAPTIONS = st.one_of(
    st.sampled_from(["", "\n", "a\r\nb\0c", " ", '{"quote": "}', "\u2028", "𓀀 👩🏽‍🚀", "x" * 5000]),
    st.text(st.characters(exclude_categories=["Cs"])),
)


@given(
    st.lists(st.tuples(CAPTIONS, CAPTIONS, st.floats(allow_nan=False, allow_infinity=False)), min_size=1, max_size=7)
)
def test_any_caption_comes_back(rows: list[tuple[str, str, float]]) -> None:
    samples = [
        Sample(f"{n:09d}", b"\xff\xd8\xff" + bytes([n]), text, {"uid": "u", "caption_short": short, "score": score})
        for n, (text, short, score) in enumerate(rows)
    ]
    with tempfile.TemporaryDirectory() as name, writing(Path(name), samples=3) as writer:
        for sample in samples:
            writer.add(sample)
        writer.close()
        found = [pair for tar in sorted(Path(name).glob("*.tar")) for pair in _read(tar)]
    assert found == [member for sample in samples for member in members(sample, "jpg")]
    texts = [data.decode() for member, data in found if member.endswith(".txt")]
    assert texts == [sample.text for sample in samples]
    assert [json.loads(data) for member, data in found if member.endswith(".json")] == [s.fields for s in samples]


def _read(path: Path) -> list[tuple[str, bytes]]:
    with tarfile.open(path, "r:") as tar:
        return [(member.name, tar.extractfile(member).read()) for member in tar]  # type: ignore[union-attr]


@pytest.mark.parametrize("key", ["a.b", "", "a/b", "../x", "é"])
def test_keys_that_readers_take_apart_are_refused(key: str) -> None:
    with pytest.raises(ContractError, match="re-key"):
        members(Sample(key, b"", "t", {}), "jpg")


def test_a_number_that_is_not_json_is_refused() -> None:
    with pytest.raises(ValueError, match="JSON compliant"):
        members(Sample("a", b"", "t", {"score": float("nan")}), "jpg")


def test_formats_are_told_by_their_bytes() -> None:
    assert fault(b"\xff\xd8\xff\xe0", "jpg") is None
    assert fault(b"RIFF\n\n\n\nWEBPVP8", "webp") is None
    assert fault(b"\x89PNG\r\n\x1a\n", "jpg") == "the stored image is png, the export writes jpg"
    assert fault(b"GIF89a", "png") == "the stored image is of another format, the export writes png"


def test_shards_of_no_samples_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="shard_samples"), writing(tmp_path, samples=0):
        pass
