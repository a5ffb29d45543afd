"""The compatibility gate: an export is read by the released versions of every reader, each in an environment of its own.

    python -m benchmarks.gate [--only energon] [--datacomp FOLDER] [--open-clip FOLDER]

Makes a pool, exports it with every format, and gives the folder to the scripts of tests/workflows/export/readers, one for each
reader; what they found must be what Python's tarfile finds. Environments are made with uv from the package registry and thrown
away. Two readers are no packages: DataComp's resharder (MIT) and open_clip's main branch (MIT) are cloned from GitHub, or taken
from clones that you name. Exits 1 if a reader finds anything else; a reader that cannot be installed is named, and exits 2.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from shutil import which
from tempfile import TemporaryDirectory
from typing import Any, Literal

from PIL import Image
from rich.console import Console
from rich.table import Table

from benchmarks.images import image_pool
from pipeline.executor import LocalExecutor
from pipeline.plan import Plan
from pipeline.progress import Progress
from pipeline.run import Run
from pipeline.step import POOL
from workflows.export.step import Export

ROOT = Path(__file__).parent.parent
READERS = ROOT / "tests" / "workflows" / "export" / "readers"
DATACOMP, OPEN_CLIP = "mlfoundations/datacomp", "mlfoundations/open_clip"
RESHARDER = "numpy pyarrow opencv-python-headless pysimdjson cloudpathlib img2dataset tqdm setuptools<81"
TORCH = "torch==2.13.0 torchvision==0.28.0"
OLD_CLIP = "pandas transformers regex ftfy tqdm huggingface-hub safetensors timm fsspec sentencepiece"


@dataclass(frozen=True)
class Reader:
    """One line of the gate.

    Attributes:
        name: as printed.
        script: of the readers' folder.
        packages: to install.
        options: for the script, after the shards; `{datacomp}` and `{open_clip}` are clones.
        text: which caption comes back as the text.
    """

    name: str
    script: str
    packages: str
    options: tuple[str, ...] = ()
    text: str = "txt"

    @property
    def clone(self) -> str | None:
        """The repository that it needs."""
        told = " ".join((*self.options, self.packages))
        return DATACOMP if "{datacomp}" in told else OPEN_CLIP if "{open_clip}" in told else None


GATE = (
    Reader("webdataset 0.2", "read_webdataset", "webdataset==0.2.111 pillow numpy"),
    Reader("webdataset 0.2, as open_clip pins it", "read_webdataset", "webdataset==0.2.86 pillow numpy"),
    Reader("webdataset 1", "read_webdataset", "webdataset==1.0.2 pillow numpy"),
    Reader("wids", "read_wids", f"webdataset==0.2.111 pillow numpy {TORCH}"),
    Reader("open_clip_train", "read_open_clip", f"open_clip_torch==3.3.0 webdataset==0.2.86 {TORCH} {OLD_CLIP}"),
    Reader(
        "open_clip_train, validation",
        "read_open_clip",
        f"open_clip_torch==3.3.0 webdataset==0.2.111 {TORCH} {OLD_CLIP}",
    ),
    Reader("open_clip_train, main", "read_open_clip", f"webdataset==0.2.86 {TORCH} {OLD_CLIP} {{open_clip}}"),
    Reader(
        "open_clip_train, main, --json-text-key with weights",
        "read_open_clip",
        f"webdataset==0.2.86 {TORCH} {OLD_CLIP} {{open_clip}}",
        ("caption_none;caption_short;caption_alt", "0.5,0.5"),
        "caption_short",
    ),
    Reader("datasets", "read_datasets", "datasets==5.2.0 pillow"),
    Reader("datasets 3", "read_datasets", "datasets==3.6.0 pillow"),
    Reader("energon", "read_energon", f"megatron-energon==7.4.1 {TORCH}"),
    Reader("DataComp resharder", "read_resharder", f"webdataset==0.2.31 {RESHARDER}", ("{datacomp}/resharder.py",)),
    Reader("ray", "read_ray", "ray[data]==2.60.0 pillow"),
    Reader("litdata", "read_litdata", "litdata==0.2.76 polars pyarrow pillow"),
    Reader("lance", "read_lance", "pylance==14.0.2 pillow"),
)


def exported(folder: Path) -> Path:
    """The shards of a made pool."""
    store, steps = image_pool(folder, rows=60, shard_rows=20, size=64)
    export = Export(
        name="shards",
        selection="images",
        images="images",
        texts={"caption_alt": "rows.caption", "caption_short": "images.short"},
        shard_samples=16,
        formats=("parquet", *_lance()),
    )
    Run(Plan(store, [*steps, export]), LocalExecutor(store), Progress())()
    plan = Plan(store, [*steps, export])
    return store.fetch(plan.parts(plan.by_name["shards"], POOL)[-1].files["sizes.json"][0]).parent


def _lance() -> tuple[Literal["lance"], ...]:
    return ("lance",) if find_spec("lance") else ()


def expected(shards: Path) -> list[dict[str, Any]]:
    """What every reader should find, by Python's tarfile."""
    return [sample for path in sorted(shards.glob("*.tar")) for sample in _samples(path)]


def _samples(path: Path) -> Iterator[dict[str, Any]]:
    with tarfile.open(path, "r:") as tar:
        held = {member.name: tar.extractfile(member).read() for member in tar}  # type: ignore[union-attr]
    for name, data in held.items():
        key, _, suffix = name.partition(".")
        if suffix == "jpg":
            told, size = json.loads(held[f"{key}.json"]), Image.open(io.BytesIO(data)).size
            text, short = held[f"{key}.txt"].decode(), told["caption_short"]
            yield {**told, "txt": text, "text": text, "size": list(size), "short": short}


def differences(found: list[dict[str, Any]], wanted: list[dict[str, Any]], text: str) -> str:
    """What a reader found that is not in the shards, or the other way round; empty if nothing."""
    wanted = [sample | {"text": sample[text]} for sample in wanted]
    fields = list(found[0]) if found else []
    there, told = ([json.dumps([s[name] for name in fields]) for s in samples] for samples in (wanted, found))
    if fields and sorted(there) == sorted(told):
        return ""
    strange = sorted(set(told) ^ set(there))[:2]
    return f"{len(told)} samples for {len(there)}; for example {strange}"


class NotInstalledError(Exception):
    """A reader could not be installed."""


def read(reader: Reader, shards: Path, clones: dict[str, Path], scratch: Path) -> dict[str, Any]:
    """Install a reader into an environment of its own, and let it read."""
    where = {"datacomp": str(clones.get(DATACOMP, "")), "open_clip": str(clones.get(OPEN_CLIP, ""))}
    uv, python = which("uv") or str(Path(sys.executable).with_name("uv")), scratch / "env" / "bin" / "python"
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    _run([uv, "venv", "--quiet", "--clear", "--python", version, str(scratch / "env")])
    _run([uv, "pip", "install", "--quiet", "--python", str(python), *reader.packages.format(**where).split()])
    _run([str(python), str(ROOT / "curation" / "torchvision_cpu.py")])
    options = [option.format(**where) for option in reader.options]
    env = {name: held for name, held in os.environ.items() if name not in {"PYTHONPATH", "VIRTUAL_ENV"}}
    told = subprocess.run(
        [str(python), str(READERS / f"{reader.script}.py"), str(shards), *options],
        capture_output=True,
        text=True,
        check=False,
        env=env | {"HF_HUB_OFFLINE": "1", "HF_HOME": str(scratch / "hub")},
    )
    if told.returncode:
        return {"error": ((told.stderr or told.stdout).strip().splitlines() or ["it ended without a word"])[-1]}
    found: dict[str, Any] = json.loads(told.stdout.strip().splitlines()[-1])
    return found


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise NotInstalledError(((done.stderr or done.stdout).strip().splitlines() or command)[-1])


def clone(repository: str, given: Path | None, folder: Path) -> Path:
    """A work tree of a public repository: the one that is given, else from GitHub."""
    target = given or folder / repository.partition("/")[2]
    if not target.exists():
        _run(["git", "clone", "--quiet", "--depth", "1", f"https://github.com/{repository}", str(target)])
    return target


def judge(reader: Reader, shards: Path, given: dict[str, Path | None], scratch: Path) -> tuple[str, str]:
    """The versions that read, and what was wrong."""
    try:
        clones = {reader.clone: clone(reader.clone, given[reader.clone], scratch)} if reader.clone else {}
        told = read(reader, shards, clones, scratch)
    except NotInstalledError as error:
        return "", f"not installed: {error}"
    if "error" in told:
        return "", told["error"]
    commit = [_commit(path) for path in clones.values()]
    versions = ", ".join([f"{name} {version}" for name, version in told["versions"].items()] + commit)
    return versions, differences(told["samples"], expected(shards), reader.text)


def _commit(path: Path) -> str:
    """What a work tree is of."""
    command = ["git", "-C", str(path), "log", "-1", "--format=%h of %cs"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return f"commit {done.stdout.strip() or 'unknown'}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="readers whose name has this in it")
    parser.add_argument("--datacomp", type=Path, help="a clone of mlfoundations/datacomp")
    parser.add_argument("--open-clip", type=Path, help="a clone of mlfoundations/open_clip")
    parser.add_argument("--record", type=Path, default=Path("build/bench/gate.json"))
    chosen = parser.parse_args()
    given = {DATACOMP: chosen.datacomp, OPEN_CLIP: chosen.open_clip}
    table, record = Table("reader", "versions", "found"), list[dict[str, str]]()
    with TemporaryDirectory(prefix="pairpool-gate-") as folder:
        shards = exported(Path(folder) / "made")
        for reader in [reader for reader in GATE if chosen.only in reader.name]:
            versions, wrong = judge(reader, shards, given, Path(folder))
            record.append({"reader": reader.name, "versions": versions, "wrong": wrong})
            table.add_row(reader.name, versions, wrong or "[green]every sample[/green]")
    Console().print(table)
    chosen.record.parent.mkdir(parents=True, exist_ok=True)
    chosen.record.write_text(json.dumps(record, indent=1) + "\n")
    faults = [line["wrong"] for line in record if line["wrong"]]
    return 0 if not faults else 2 if all(text.startswith("not installed") for text in faults) else 1


if __name__ == "__main__":
    sys.exit(main())
