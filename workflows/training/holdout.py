"""The evaluation split as shards: `python -m workflows.training.holdout --art art.parquet --images DIR --out DIR`."""

from __future__ import annotations

import argparse
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from PIL import Image

from pipeline.errors import DataError
from workflows.export.sample import Sample
from workflows.export.writer import writing
from workflows.training.images import decode
from workflows.training.shards import Unreadable

COLUMNS = ("uid", "path", "texts", "split")


def write_holdout(
    art: Path, images: Path, out: Path, language: str = "en", limit: int | None = None
) -> Mapping[str, int]:
    """Write the rows of the evaluation split as shards of the export's form, in the order of their uids.

    Args:
        art: parquet with `uid`, `path`, `split` and `texts: list<struct<text, kind, lang>>`.
        images: the folder that `path` is relative to.
        out: where the shards go.
        language: of the text; a name, else the first text of that language, is the caption.
        limit: at most so many.

    Returns:
        counts: `success`, and for each reason the rows that were left out.

    Raises:
        DataError: if the split is empty, or no row of it can be used.
    """
    rows = pq.read_table(art, columns=list(COLUMNS), filters=[("split", "==", "evaluation")]).to_pylist()
    counts: dict[str, int] = {}
    with writing(out, samples=1000) as writer:
        for row in sorted(rows, key=lambda row: row["uid"])[:limit]:
            made = _sample(row, images, language)
            if isinstance(made, Sample):
                writer.add(made)
            reason = made if isinstance(made, str) else "success"
            counts[reason] = counts.get(reason, 0) + 1
        writer.close()
    if not counts.get("success"):
        raise DataError(
            f"No row of the evaluation split of {art} can be used: {counts or 'there are none'}. Build the demo data again."
        )
    return counts


def _sample(row: Mapping[str, Any], images: Path, language: str) -> Sample | str:
    text = first_text(row["texts"] or [], language)
    path = images / row["path"]
    if text is None:
        return f"no text in {language}"
    if not path.is_file():
        return "its image is missing"
    try:
        image = as_jpeg(path.read_bytes())
    except Unreadable as reason:
        return str(reason)
    return Sample(row["uid"], image, text, {"uid": row["uid"], "key": row["uid"], "caption_alt": text})


def first_text(texts: Sequence[Mapping[str, str]], language: str) -> str | None:
    """The name of the picture in a language, else the first other text of it that is not empty.

    Alt-texts of the web may be file names; a set that judges others should not hold such.
    """
    found = [item for item in texts if item["lang"] == language and item["text"].strip()]
    found.sort(key=lambda item: item["kind"] != "name")
    return found[0]["text"] if found else None


def as_jpeg(data: bytes, size: int = 256) -> bytes:
    """A picture on white, its longer side at most `size`, as JPEG of quality 95.

    Raises:
        Unreadable: if it cannot be decoded.
    """
    image = decode(data)
    image.thumbnail((size, size), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=95)
    return buffer.getvalue()


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--art", type=Path, required=True)
    parser.add_argument("--images", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--language", default="en")
    parser.add_argument("--limit", type=int)
    given = parser.parse_args()
    print(write_holdout(given.art, given.images, given.out, given.language, given.limit))


if __name__ == "__main__":
    main()
