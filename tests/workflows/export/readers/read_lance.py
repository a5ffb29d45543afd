"""The Lance dataset of an export."""

import io
import sys

import lance
from PIL import Image
from told import tell

rows = lance.dataset(f"{sys.argv[1]}/samples.lance").to_table().to_pylist()
tell(
    "pylance",
    [
        {
            "key": row["key"],
            "uid": row["uid"],
            "text": row["text"],
            "size": Image.open(io.BytesIO(row["image"])).size,
            "short": row["caption_short"],
        }
        for row in rows
    ],
)
