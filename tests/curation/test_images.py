import io
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms

from curation.images import UnreadableImage, decode, header


def encoded(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def pixel(image: Image.Image, x: int = 0, y: int = 0) -> tuple[int, ...]:
    return tuple(int(value) for value in np.asarray(image)[y, x])


def bomb(side: int) -> bytes:
    """A PNG of a few hundred kilobytes that would decode to `side` x `side` pixels of one bit."""

    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    row = b"\0" * (1 + side // 8)
    packer = zlib.compressobj(1)
    body = b"".join(packer.compress(row) for _ in range(side)) + packer.flush()
    head = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


PEAK = """
import resource, sys
from curation.images import UnreadableImage, decode, header
decode(open(sys.argv[2], "rb").read())
data = open(sys.argv[1], "rb").read()
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for look in (header, decode):
    try:
        look(data)
    except UnreadableImage as reason:
        print(str(reason).splitlines()[0])
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize("side", [5_000, 12_000, 16_000])
def test_a_bomb_is_refused_by_its_header(side: int) -> None:
    for look in (header, decode):
        with pytest.raises(UnreadableImage, match="more than 20 megapixels"):
            look(bomb(side))


def test_nothing_is_decoded_before_the_refusal(tmp_path: Path) -> None:
    (tmp_path / "bomb.png").write_bytes(bomb(16_000))
    (tmp_path / "good.png").write_bytes(encoded(Image.new("RGB", (9, 9))))
    command = [sys.executable, "-c", PEAK, str(tmp_path / "bomb.png"), str(tmp_path / "good.png")]
    *reasons, kilobytes = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    assert reasons == ["image declares more than 20 megapixels"] * 2
    assert int(kilobytes) < 20_000, "decoded, it would be 256 MB"


def test_the_bound_is_the_callers() -> None:
    data = encoded(Image.new("RGB", (40, 30)))
    assert header(data, 1200) == (40, 30, "PNG")
    with pytest.raises(UnreadableImage, match=r"more than 0\.001199 megapixels"):
        decode(data, 1199)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "AVIF"])
def test_every_allowed_format_becomes_rgb(kind: str) -> None:
    data = encoded(Image.new("RGB", (33, 21), (200, 30, 60)), kind)
    image = decode(data)
    assert (image.mode, image.size, header(data)[2]) == ("RGB", (33, 21), kind)
    assert np.allclose(pixel(image, 5, 5), (200, 30, 60), atol=12)


@pytest.mark.parametrize(
    "data",
    [b"", b"GIF89a", b"<svg xmlns='http://www.w3.org/2000/svg'/>", b"%!PS-Adobe-3.0 EPSF-3.0", b"<html>404</html>"],
)
def test_what_is_no_picture_has_a_reason(data: bytes) -> None:
    with pytest.raises(UnreadableImage):
        decode(data)


def test_a_format_off_the_list_is_refused() -> None:
    with pytest.raises(UnreadableImage, match="allowed format"):
        decode(encoded(Image.new("RGB", (8, 8)), "TIFF"))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_a_truncated_file_is_refused_not_half_shown(kind: str) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
    data = encoded(Image.fromarray(noise), kind)
    with pytest.raises(UnreadableImage, match="damaged or cut short"):
        decode(data[: len(data) // 2])


def test_exif_orientation_is_applied() -> None:
    image = Image.new("RGB", (40, 20), "red")
    image.paste("blue", (20, 0, 40, 20))
    exif = Image.Exif()
    exif[0x0112] = 6  # shown rotated by 90 degrees clockwise
    upright = decode(encoded(image, "PNG", exif=exif))
    assert upright.size == (20, 40)
    assert pixel(upright, 10, 5) == (255, 0, 0)
    assert pixel(upright, 10, 35) == (0, 0, 255)


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_transparency_becomes_white(mode: str) -> None:
    image = Image.new("RGBA", (6, 6), (0, 0, 0, 0))
    image.paste((10, 10, 10, 255), (3, 0, 6, 6))
    flat = decode(encoded(image.convert(mode)))
    assert pixel(flat) == (255, 255, 255)
    assert max(pixel(flat, 4, 4)) < 30


def test_sixteen_bit_grey_is_scaled() -> None:
    grey = np.linspace(0, 65535, 256).astype(np.uint16).reshape(16, 16)
    image = decode(encoded(Image.fromarray(grey)))
    assert np.array_equal(np.asarray(image)[..., 0].ravel(), np.arange(256))


def test_the_first_frame_of_an_animation_is_taken() -> None:
    frames = [Image.new("RGB", (9, 9), colour) for colour in ("red", "lime", "blue")]
    data = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert pixel(decode(data)) == (255, 0, 0)


def linear_profile() -> bytes:
    """A minimal ICC profile (ICC.1:2001-04, section 6): sRGB's primaries, values proportional to light."""

    def fixed(*values: float) -> bytes:
        return b"".join(struct.pack(">i", round(value * 65536)) for value in values)

    white = fixed(0.9642, 1.0, 0.8249)
    primaries = {b"r": (0.4361, 0.2225, 0.0139), b"g": (0.3851, 0.7169, 0.0971), b"b": (0.1431, 0.0606, 0.7141)}
    tags = {b"wtpt": b"XYZ " + bytes(4) + white}
    tags |= {name + b"XYZ": b"XYZ " + bytes(4) + fixed(*xyz) for name, xyz in primaries.items()}
    tags |= {name + b"TRC": b"curv" + bytes(8) for name in primaries}  # no point: the identity
    start, table, body = 128 + 4 + 12 * len(tags), b"", b""
    for name, value in tags.items():
        table += name + struct.pack(">II", start + len(body), len(value))
        body += value + bytes(-len(value) % 4)
    head = b"\x02\x40\0\0" + b"mntrRGB XYZ " + bytes(12) + b"acsp" + bytes(28) + white + bytes(48)
    return struct.pack(">I", start + len(body)) + bytes(4) + head + struct.pack(">I", len(tags)) + table + body


def test_a_colour_profile_is_honoured() -> None:
    grey = Image.new("RGB", (4, 4), (128, 128, 128))
    assert pixel(decode(encoded(grey, icc_profile=linear_profile()))) == pytest.approx((188,) * 3, abs=2)
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    other_space = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    for same in (srgb, other_space, b"no profile"):
        assert pixel(decode(encoded(grey, icc_profile=same))) == (128, 128, 128)


@settings(max_examples=150)
@given(st.data())
def test_damage_never_raises_anything_else(data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from(["JPEG", "PNG", "WEBP", "GIF", "BMP", "AVIF"]))
    noise = np.random.default_rng(1).integers(0, 255, (12, 17, 3), np.uint8)
    good = bytearray(encoded(Image.fromarray(noise), kind))
    for place in data.draw(st.lists(st.integers(0, len(good) - 1), max_size=8)):
        good[place] = data.draw(st.integers(0, 255))
    try:
        image = decode(bytes(good[: data.draw(st.integers(0, len(good)))]), 1_000_000)
    except UnreadableImage as reason:
        assert str(reason).strip()
    else:
        assert image.mode == "RGB"
