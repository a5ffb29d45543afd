"""One sample: exactly an image, a txt and a json of fixed schema, under one key without dots."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

from pipeline.errors import ContractError
from workflows.export.ustar import header, padding

Suffix = Literal["jpg", "png", "webp"]
Field = str | int | float | bool
Value = Field | Sequence[Field] | Mapping[str, Field]
Image = bytes | memoryview  #: stored images are not copied before they are written
ENCODE = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode
OWN = ("uid", "key")  #: json fields that every sample has
KEY = re.compile(r"[A-Za-z0-9_-]+")
FIELD = re.compile(r"[a-z][a-z0-9_]*")
MAGIC: Mapping[Suffix, re.Pattern[bytes]] = {
    "jpg": re.compile(rb"\xff\xd8\xff"),
    "png": re.compile(rb"\x89PNG\r\n\x1a\n"),
    "webp": re.compile(rb"RIFF....WEBP", re.DOTALL),
}


class Sample(NamedTuple):
    """What is written of one row.

    Attributes:
        key: of the row; unique over the pool.
        image: the stored bytes, unchanged.
        text: the default caption.
        fields: the json: every sample of an export has the same names in the same order with the same types.
    """

    key: str
    image: Image
    text: str
    fields: dict[str, Value]


def members(sample: Sample, suffix: Suffix) -> list[tuple[str, Image]]:
    """The members of a sample, in the order in which they are written.

    Raises:
        ContractError: if a reader would take the key apart at a dot, or drop it.
    """
    if not KEY.fullmatch(sample.key):
        raise ContractError(
            f"The key {sample.key!r} is not made of A-Z a-z 0-9 _ and -. Readers cut keys at dots; re-key the rows."
        )
    return [
        (f"{sample.key}.{suffix}", sample.image),
        (f"{sample.key}.json", ENCODE(sample.fields).encode()),
        (f"{sample.key}.txt", sample.text.encode()),
    ]


def laid(sample: Sample, suffix: Suffix) -> tuple[bytes, Image, bytes]:
    """The sample as it stands in a tar: the header of its image, the image, and all that follows it.

    Raises:
        ContractError: as `members`.
    """
    (name, image), (told_name, told), (text_name, text) = members(sample, suffix)
    tail = (
        padding(len(image)),
        header(told_name, len(told)),
        told,
        padding(len(told)),
        header(text_name, len(text)),
        text,
        padding(len(text)),
    )
    return header(name, len(image)), image, b"".join(tail)


def fault(image: Image, suffix: Suffix) -> str | None:
    """Why a stored image cannot be written under the suffix of the export; None if it can."""
    if MAGIC[suffix].match(image):
        return None
    found = next((name for name, magic in MAGIC.items() if magic.match(image)), "of another format")
    return f"the stored image is {found}, the export writes {suffix}"
