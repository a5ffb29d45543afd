"""The evaluation split becomes shards of the export's form; the other splits never do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from pipeline.errors import DataError
from workflows.training.holdout import first_text, write_holdout
from workflows.training.images import decode
from workflows.training.shards import Shards


def text(words: str, kind: str = "name", lang: str = "en") -> dict[str, str]:
    return {"text": words, "kind": kind, "lang": lang}


def row(number: int, split: str, texts: list[dict[str, str]], path: str = "a.png") -> dict[str, Any]:
    return {"uid": f"{number:032x}", "path": path, "name": "", "texts": texts, "split": split}


@pytest.fixture
def art(tmp_path: Path) -> Path:
    Image.new("RGBA", (600, 300), (0, 0, 0, 0)).save(tmp_path / "a.png")
    (tmp_path / "broken.png").write_bytes(b"\x89PNG")
    rows = [
        row(3, "evaluation", [text("ein Haus", lang="de"), text("house_01.png", "alt"), text("house")]),
        row(1, "evaluation", [text("tree", "keywords")]),
        row(2, "evaluation", [text("Baum", lang="de")]),
        row(4, "evaluation", [text("lost")], "lost.png"),
        row(5, "evaluation", [text("broken")], "broken.png"),
        row(6, "pool", [text("pool")]),
        row(7, "model", [text("model")]),
    ]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "art.parquet")
    return tmp_path


def test_only_the_evaluation_split(art: Path) -> None:
    counts = write_holdout(art / "art.parquet", art, art / "out")
    assert counts == {
        "success": 2,
        "no text in en": 1,
        "its image is missing": 1,
        "the image cannot be decoded (UnidentifiedImageError)": 1,
    }
    shards = Shards.of(art / "out")
    assert shards.sizes == (2,)
    assert [shards.read(0, n).texts["txt"] for n in (0, 1)] == ["tree", "house"]
    image = decode(shards.read(0, 0).image)
    assert image.size == (256, 128)
    assert image.getpixel((9, 9)) == (255, 255, 255)


def test_names_before_other_texts() -> None:
    texts = [text(" ", "name"), text("x.png", "alt"), text("a house", "name"), text("Haus", lang="de")]
    assert first_text(texts, "en") == "a house"
    assert first_text(texts, "de") == "Haus"
    assert first_text(texts, "fr") is None


def test_a_list_without_the_split(art: Path) -> None:
    pq.write_table(pa.Table.from_pylist([row(1, "pool", [text("a")])]), art / "other.parquet")
    with pytest.raises(DataError, match="there are none"):
        write_holdout(art / "other.parquet", art, art / "out2")
