"""webdataset's own pipeline: decoded images, texts and JSON, in the order of the shards."""

import sys

import webdataset
from told import tars, tell

data = webdataset.WebDataset(tars(sys.argv[1]), shardshuffle=False).decode("pil")
tell(
    "webdataset",
    [
        {"key": key, "uid": told["uid"], "text": text, "size": image.size, "short": told["caption_short"]}
        for image, text, told, key in data.to_tuple("jpg", "txt", "json", "__key__")
    ],
)
