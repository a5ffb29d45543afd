"""Checkpoints: all that a training is at one step, written beside its place and renamed, so that a kill leaves the one before.

A file is torch's own format of tensors, numbers and texts, read without unpickling code. Its `state_dict` holds the weights
under open_clip's names: `open_clip.create_model(NAME, pretrained="step-00000100.pt")` loads it.
"""

from __future__ import annotations

import json
import os
import warnings
from pathlib import Path
from typing import Any

import torch

from pipeline.errors import ConfigError
from pipeline.recipe import Identity, differences

FOLDER, PATTERN = "checkpoints", "step-*.pt"


def save(folder: Path, step: int, state: dict[str, Any], keep: int) -> Path:
    """Write the state of a step, then delete all but the last `keep`."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"step-{step:08d}.pt"
    staged = path.with_name(f".{path.name}.part")
    with staged.open("wb") as file:
        torch.save(state, file)
        file.flush()
        os.fsync(file.fileno())
    staged.replace(path)
    _sync(folder)
    for old in sorted(folder.glob(PATTERN))[:-keep]:
        old.unlink()
    return path


def latest(folder: Path, identity: Identity) -> dict[str, Any] | None:
    """The state of the newest checkpoint that can be read; None if there is none.

    Raises:
        ConfigError: if it belongs to another training.
    """
    for path in sorted(folder.glob(PATTERN), reverse=True):
        try:
            found: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
            before = json.loads(found["identity"])
        except (OSError, RuntimeError, EOFError, ValueError, KeyError) as error:
            warnings.warn(
                f"{path} cannot be read ({type(error).__name__}): the checkpoint before it is taken", stacklevel=2
            )
            continue
        changed = differences(before, identity)
        if changed:
            raise ConfigError(
                f"{path} is of another training: {'; '.join(changed[:5])}. Go back to that config, delete {folder}, "
                "or train into another folder."
            )
        return found
    return None


def visits_of(state: dict[str, Any], world: int, *, by_place: bool) -> list[int]:
    """How many visits each rank has had, for a world that may have another size than the one that was saved.

    Args:
        by_place: whether a rank's share is cut from each batch by place alone, not by what was shown of it before.

    Raises:
        ConfigError: if the ranks of this world cannot take over where those stopped.
    """
    visits: list[int] = state["account"]["visits"]
    if len(visits) == world:
        return visits
    total = sum(visits)
    if by_place and total % world == 0:
        return [total // world] * world
    raise ConfigError(
        f"The checkpoint was made by {len(visits)} processes, each with its own place in the data: resume it with as many."
    )


def _sync(folder: Path) -> None:
    """A rename is on the disk once its folder is."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
