"""NVIDIA Energon: `prepare` and `lint` by its command on a copy of the shards, then one epoch of its loader."""

import subprocess
import sys
from pathlib import Path
from shutil import copy
from tempfile import TemporaryDirectory

from megatron.energon import WorkerConfig, get_loader, get_train_dataset
from told import tars, tell

FIELDS = '{"image": "jpg", "caption": "txt"}'


def energon(*options):
    done = subprocess.run(
        [str(Path(sys.executable).with_name("energon")), *options], capture_output=True, text=True, check=False
    )
    if done.returncode:
        sys.exit(done.stdout + done.stderr)


if __name__ == "__main__":
    with TemporaryDirectory() as folder:
        for tar in tars(sys.argv[1]):
            copy(tar, folder)
        energon(
            "prepare",
            folder,
            "--non-interactive",
            "--split-ratio",
            "1,0,0",
            "--sample-type",
            "CaptioningSample",
            "--field-map",
            FIELDS,
            "--num-workers",
            "1",
        )
        energon("lint", folder, "--split-parts", "train")
        worker = WorkerConfig(rank=0, world_size=1, num_workers=0)
        data = get_train_dataset(
            folder,
            worker_config=worker,
            batch_size=None,
            shuffle_buffer_size=None,
            max_samples_per_sequence=None,
            repeat=False,
        )
        found = [
            {"key": row.__key__.rpartition("/")[2], "text": row.caption, "size": list(row.image.shape[:0:-1])}
            for row in get_loader(data)
        ]
    tell("megatron-energon", found)
