"""litdata: the tars taken into its own format by its webdataset iterator, and the parquet files streamed as they are."""

import io
import json
import sys
from pathlib import Path
from shutil import copy
from tempfile import TemporaryDirectory

from litdata import StreamingDataset, index_parquet_dataset, iter_webdataset_tar, optimize
from litdata.streaming.item_loader import ParquetLoader
from PIL import Image
from told import tars, tell


def samples_of(tar):
    for row in iter_webdataset_tar(tar):
        fields = json.loads(row["json"])
        yield {
            "key": row["__key__"],
            "uid": fields["uid"],
            "text": row["txt"].decode(),
            "size": list(Image.open(io.BytesIO(row["jpg"])).size),
            "short": fields["caption_short"],
        }


if __name__ == "__main__":
    with TemporaryDirectory() as made:
        optimize(samples_of, tars(sys.argv[1]), f"{made}/tars", num_workers=1, chunk_bytes="64MB")
        found = [dict(row) for row in StreamingDataset(f"{made}/tars")]
        Path(f"{made}/tables").mkdir()
        for path in sorted(Path(sys.argv[1]).glob("0*.parquet")):
            copy(path, f"{made}/tables")
        index_parquet_dataset(f"{made}/tables", num_workers=1)
        rows = list(StreamingDataset(f"{made}/tables", item_loader=ParquetLoader()))
        keys = [row["key"] if isinstance(row, dict) else row[3] for row in rows]
    assert sorted(keys) == sorted(row["key"] for row in found), "the parquet files hold other samples"
    tell("litdata", found)
