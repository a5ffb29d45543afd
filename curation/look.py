"""Image quality that can be read off the pixels: a perceptual hash, the shape, the mean colour, and whether there is anything to see.

JPEGs are decoded at a fraction of their size (libjpeg's scaled DCT), which is three times as fast as decoding them whole and
hardly moves the hash.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import ClassVar

import pyarrow as pa
from PIL import Image, ImageStat

from curation.images import UnreadableImage, decode, header
from pipeline.recipe import recipe
from pipeline.stage import Annotate, Stage

WRITES = pa.schema(
    [
        pa.field("phash", pa.uint64()),
        pa.field("aspect", pa.float32()),
        pa.field("blank", pa.bool_()),
        pa.field("entropy", pa.float32()),
        pa.field("colour", pa.uint32()),
    ]
)
DRAFT = (64, 64)  #: the least size to decode at: the hash looks at 32 x 32 grey pixels
ORIENTATION = 0x0112


@dataclass(frozen=True)
class Look:
    """What one picture looks like.

    Attributes:
        phash: 64 signs of the lowest frequencies of its 32 x 32 DCT against their median (Zauner 2010; `imagehash`).
        aspect: width / height.
        blank: whether no colour channel varies.
        entropy: of the grey histogram, in bits, 0 to 8.
        colour: mean colour, 0xRRGGBB. The hash is blind to it.
    """

    phash: int
    aspect: float
    blank: bool
    entropy: float
    colour: int


@recipe
class ImageQuality(Stage):
    """Looks at each image once.

    Attributes:
        image: the encoded bytes.
        blank_below: standard deviation of the strongest channel, of 255, below which a picture counts as blank.
    """

    kind: ClassVar[str] = "image-quality"

    image: str = "download.image"
    blank_below: float = 2.0

    @property
    def reads(self) -> tuple[str, ...]:
        """The image."""
        return (self.image,)

    @property
    def writes(self) -> pa.Schema:
        """The fields of `Look`."""
        return WRITES

    @contextmanager
    def open(self, tables: Mapping[str, pa.Table]) -> Iterator[Annotate]:
        """Nothing to load."""
        yield lambda batches: map(self._look, batches)

    def _look(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        looks: list[Look | None] = []
        errors: list[str | None] = []
        for data in batch[self.image].to_pylist():
            made, error = self._try(data)
            looks.append(made)
            errors.append(error)
        columns = {f.name: pa.array([x and getattr(x, f.name) for x in looks], f.type) for f in WRITES}
        return pa.record_batch(columns | {"error_message": pa.array(errors, pa.string())})

    def _try(self, data: bytes | None) -> tuple[Look | None, str | None]:
        if data is None:
            return None, "no image in the tar"
        try:
            return look(data, self.blank_below), None
        except UnreadableImage as reason:
            return None, str(reason)


def look(data: bytes, blank_below: float = 2.0) -> Look:
    """Look at an encoded picture.

    Raises:
        UnreadableImage: if it is of no allowed format, too large, or damaged.
    """
    import imagehash

    image, aspect = _glance(data)
    statistics = ImageStat.Stat(image)
    red, green, blue = (round(value) for value in statistics.mean)
    return Look(
        phash=int(str(imagehash.phash(image)), 16),
        aspect=aspect,
        blank=max(statistics.stddev) < blank_below,
        entropy=image.convert("L").entropy(),
        colour=red << 16 | green << 8 | blue,
    )


def _glance(data: bytes) -> tuple[Image.Image, float]:
    """The picture in RGB, JPEGs reduced, and its aspect."""
    width, height, kind = header(data)
    reduced = _reduced(data) if kind == "JPEG" else None
    if reduced is not None:
        return reduced, width / height
    image = decode(data)
    return image, image.width / image.height


def _reduced(data: bytes) -> Image.Image | None:
    """An upright JPEG, decoded at a fraction of its size; None if it needs the careful way, which knows all reasons."""
    try:
        image = Image.open(io.BytesIO(data), formats=("JPEG",))
        if image.getexif().get(ORIENTATION, 1) != 1 or image.mode == "CMYK":
            return None
        image.draft("RGB", DRAFT)
        return image.convert("RGB")
    except Exception:  # noqa: BLE001 - as in curation.images: on damaged bytes a decoder raises almost anything
        return None
