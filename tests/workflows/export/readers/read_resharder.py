"""DataComp's resharder on a uid subset: SHARDS RESHARDER.PY. Half of the uids must give half of the samples, all of them all."""

import json
import subprocess
import sys
import tarfile
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from told import tars, tell


def reshard(folder, script, subset):
    """uid -> text, of what it wrote."""
    with TemporaryDirectory() as given, TemporaryDirectory() as out:
        np.save(f"{given}/subset.npy", subset)
        options = ["-i", folder, "-o", out, "-s", f"{given}/subset.npy", "-j", "2", "--shard-size", "5"]
        done = subprocess.run([sys.executable, script, *options], check=False, capture_output=True, text=True)
        if done.returncode or "[ERROR]" in done.stderr:
            sys.exit(done.stderr)
        found = {}
        for shard in sorted(Path(out).glob("*.tar")):
            with tarfile.open(shard) as tar:
                held = {member.name: tar.extractfile(member).read() for member in tar}
            names = {name.partition(".")[0] for name in held}
            found |= {json.loads(held[f"{name}.json"])["uid"]: held[f"{name}.txt"].decode() for name in names}
    return found


subset = np.load(Path(sys.argv[1]) / "uids.npy")
half = reshard(sys.argv[1], sys.argv[2], subset[::2])
assert sorted(half) == [f"{high:016x}{low:016x}" for high, low in subset[::2]], "not the samples of the subset"
samples = reshard(sys.argv[1], sys.argv[2], subset)
assert tars(sys.argv[1])
tell("webdataset pysimdjson", [{"uid": uid, "text": text} for uid, text in samples.items()])
