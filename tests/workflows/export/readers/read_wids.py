"""wids, webdataset's random access: its own index of the shards, then samples from the last to the first."""

import json
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import wids
from told import tars, tell

with TemporaryDirectory() as folder:
    sizes = json.loads((Path(sys.argv[1]) / "sizes.json").read_text())
    shards = [{"url": path, "nsamples": sizes[Path(path).name]} for path in tars(sys.argv[1])]
    index = Path(folder) / "index.json"
    index.write_text(json.dumps({"__kind__": "wids-shard-index-v1", "wids_version": 1, "shardlist": shards}))
    data = wids.ShardListDataset(str(index), cache_dir=folder, keep=True)
    found = [data[place] for place in reversed(range(len(data)))]
tell(
    "webdataset",
    [
        {
            "key": row["__key__"],
            "uid": row[".json"]["uid"],
            "text": row[".txt"],
            "size": row[".jpg"].size,
            "short": row[".json"]["caption_short"],
        }
        for row in found
    ],
)
