"""What a reader's script prints: the versions of what read, and what it found of every sample, as one line of JSON."""

import json
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path


def tars(folder: str) -> list[str]:
    """The training shards of an export."""
    return [str(path) for path in sorted(Path(folder).glob("*.tar"))]


def tell(packages: str, samples: Iterable[dict]) -> None:
    """Print it. Samples may have any of: key, uid, text, size (width, height), short (`caption_short`)."""
    print(json.dumps({"versions": {name: version(name) for name in packages.split()}, "samples": list(samples)}))
