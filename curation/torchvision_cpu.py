"""Let torchvision's CUDA wheel be imported beside a torch that was built for the CPU.

PyPI's torchvision is built against CUDA. Beside a CPU torch its compiled operators cannot be loaded, and because their
schemas are then unknown, `import torchvision` itself (and so `open_clip`, `timm`, parts of `transformers`) fails with
`operator torchvision::nms does not exist`. Only box operators are compiled: transforms and models need none of them.

`python -m curation.torchvision_cpu` copies this file into the environment with a `.pth` line that calls `hook()`, so that
every interpreter of the environment has it: Ray workers and the caption server too. The hook costs one entry on
`sys.meta_path` until torchvision is asked for; it imports no torch. Calling `torchvision.ops.nms` still raises torchvision's
own clear error. Where the compiled operators load, nothing is changed.
"""

from __future__ import annotations

import importlib.util
import sys
import sysconfig
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType
from typing import Any

MODULE = "pairpool_torchvision_cpu"
LINE = f"import {MODULE}; {MODULE}.hook()\n"
SCHEMA = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"

_libraries: list[Any] = []  # a torch.library.Library undoes its definitions when it is collected


class Finder(MetaPathFinder):
    """Finds nothing; it is asked first, and that is the moment at which torchvision is about to be loaded."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Prepare for torchvision once, and leave the finding to the others."""
        if fullname == "torchvision":
            sys.meta_path.remove(self)
            define_schemas()
        return None


def hook() -> None:
    """Arrange for `define_schemas` to run just before torchvision is first imported. Safe to call again."""
    if "torchvision" in sys.modules or any(type(finder).__name__ == Finder.__name__ for finder in sys.meta_path):
        return
    sys.meta_path.insert(0, Finder())


def define_schemas() -> bool:
    """Define the schemas that `import torchvision` looks up, if its compiled operators cannot be loaded.

    Returns:
        Whether schemas had to be defined.
    """
    spec = PathFinder.find_spec("torchvision")
    if spec is None or spec.origin is None or importlib.util.find_spec("torch") is None:
        return False
    import torch

    if torch.version.cuda is not None or _loads(Path(spec.origin).parent):
        return False
    make: Any = torch.library.Library  # untyped in torch
    library = make("torchvision", "FRAGMENT")
    for name in ("nms", "qnms"):
        library.define(f"{name}{SCHEMA}")
    _libraries.append(library)
    return True


def _loads(package: Path) -> bool:
    """Whether torchvision's compiled operators can be loaded, tried as torchvision itself tries it."""
    import torch

    operators: Any = torch.ops  # untyped in torch
    try:
        operators.load_library(str(next(package.glob("_C*.so"))))
    except (OSError, StopIteration):
        return False
    return True


def install(site_packages: Path | None = None) -> Path:
    """Put the hook into an environment, for every interpreter that starts in it. Doing it again changes nothing.

    Args:
        site_packages: of the environment; by default of this interpreter.

    Returns:
        The `.pth` file.
    """
    folder = site_packages or Path(sysconfig.get_path("purelib"))
    _write(folder / f"{MODULE}.py", Path(__file__).read_text())
    pth = folder / f"{MODULE}.pth"
    _write(pth, LINE)
    return pth


def _write(path: Path, text: str) -> None:
    """Replace the file at once: an interpreter may start at this moment."""
    if path.exists() and path.read_text() == text:
        return
    partial = path.with_name(path.name + ".partial")
    partial.write_text(text)
    partial.replace(path)


if __name__ == "__main__":
    print(f"torchvision imports beside a CPU torch from now on in this environment: {install()}")
