import io
import struct
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from demo_registry import picture
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from workflows.demo.art import Gallery, Picture, pixel_mark
from workflows.demo.damage import bomb, nearly, saved
from workflows.demo.headers import PNG_MAGIC, png_size, refusal


def header(width: int, height: int) -> bytes:
    return PNG_MAGIC + struct.pack(">I4sII", 13, b"IHDR", width, height)


@given(st.integers(1, 2**31 - 1), st.integers(1, 2**31 - 1))
def test_the_declared_size_is_read_and_judged(width: int, height: int) -> None:
    assert png_size(header(width, height)) == (width, height)
    assert (refusal(width, height) is None) == (width * height <= 20_000_000)


@given(st.binary(max_size=40))
def test_what_is_no_png_is_said_to_be_none(content: bytes) -> None:
    if not content.startswith(PNG_MAGIC):
        with pytest.raises(ValueError, match="not a PNG"):
            png_size(content)


def test_a_bomb_is_refused_before_any_decoder_sees_it(tmp_path: Path) -> None:
    gallery = Gallery(tmp_path)
    # No decoder could read this body: had one tried, the reason would be that it failed.
    gallery.hang(Picture("openclipart", "a/bomb.png", "bomb", [], ()), header(30_000, 30_000) + b"no image data")
    gallery.hang(Picture("openclipart", "a/good.png", "good", [], ()), picture(3))
    art, refused = gallery.tables()
    assert art["path"].to_pylist() == ["a/good.png"]
    assert refused.to_pylist() == [
        {"path": "a/bomb.png", "source": "openclipart", "reason": "declares 900.0 megapixels, more than 20"}
    ]
    assert not (tmp_path / "a/bomb.png").exists()


def test_the_bomb_that_is_served_is_a_real_picture(tmp_path: Path) -> None:
    content = bomb(3000)
    assert len(content) < 10_000
    (tmp_path / "bomb.png").write_bytes(content)
    with Image.open(tmp_path / "bomb.png") as opened:
        opened.load()
        assert opened.size == (3000, 3000)


def test_copies_saved_anew_or_resized_have_one_pixel_mark() -> None:
    with Image.open(io.BytesIO(picture(77, 96))) as opened:
        larger = saved(opened.convert("RGBA").resize((192, 192), Image.Resampling.NEAREST), "PNG")
    assert pixel_mark(larger) == pixel_mark(picture(77, 96)) != pixel_mark(picture(78, 96))
    assert nearly(picture(77), "cropped") != picture(77)


def test_the_pool_records_what_it_turned_away(demo: Path) -> None:
    reasons = {row["path"]: row["reason"] for row in pq.read_table(demo / "refused.parquet").to_pylist()}
    if (demo / "art/openclipart").exists():
        assert reasons["openclipart/animals/bomb_ann_author_01.png"] == "declares 25.0 megapixels, more than 20"
        assert reasons["openclipart/animals/broken_ann_author_01.png"].startswith("cannot be decoded")
        assert sum("bear the title 'gramastar'" in reason for reason in reasons.values()) == 5
        assert not list((demo / "art").rglob("link_to_outside*"))
