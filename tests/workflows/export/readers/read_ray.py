"""Ray Data's read_webdataset."""

import sys

import ray
from told import tars, tell

ray.init(address="local", num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
ray.data.DataContext.get_current().enable_progress_bars = False
rows = ray.data.read_webdataset(tars(sys.argv[1])).take_all()
ray.shutdown()
tell(
    "ray",
    [
        {
            "key": row["__key__"],
            "uid": row["json"]["uid"],
            "text": row["txt"],
            "size": row["jpg"].shape[1::-1],
            "short": row["json"]["caption_short"],
        }
        for row in rows
    ],
)
