"""Hugging Face datasets: the folder as it is, by the card's front matter, as from a hub."""

import sys
from tempfile import TemporaryDirectory

from datasets import load_dataset
from told import tell

with TemporaryDirectory() as cache:
    rows = list(load_dataset(sys.argv[1], split="train", cache_dir=cache))
tell(
    "datasets",
    [
        {
            "key": row["__key__"],
            "uid": row["json"]["uid"],
            "text": row["txt"],
            "size": row["jpg"].size,
            "short": row["json"]["caption_short"],
        }
        for row in rows
    ],
)
