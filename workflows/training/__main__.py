"""The trainer alone: `python -m workflows.training --shards DIR --out DIR [--holdout DIR] [--config FILE] [--set field=value]`.

Several processes share the batch under torchrun: `torchrun --nproc-per-node=8 -m workflows.training ...`. Run it again to go on
from the last checkpoint in the folder.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import TypeAdapter, ValidationError

from pipeline.errors import ConfigError, PairpoolError
from workflows.training.config import TrainConfig
from workflows.training.curves import draw
from workflows.training.evaluate import summary
from workflows.training.loop import METRICS, train
from workflows.training.shards import Shards


def read_config(path: Path | None, changes: Sequence[str] = ()) -> TrainConfig:
    """A YAML file of TrainConfig's fields, with `field=value` laid over it.

    Raises:
        ConfigError: if a field is unknown or of the wrong type, or the file cannot be read.
    """
    try:
        fields: dict[str, Any] = (yaml.safe_load(path.read_text(encoding="utf-8")) if path else None) or {}
        fields |= {name: yaml.safe_load(value) for name, _, value in (change.partition("=") for change in changes)}
        return TypeAdapter(TrainConfig).validate_python(fields)
    except (ValidationError, OSError, yaml.YAMLError, TypeError) as error:
        raise ConfigError(f"The training's config is wrong: {error}") from error


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m workflows.training", description="Train on webdataset shards.")
    parser.add_argument("--shards", type=Path, required=True, help="folder of 00000000.tar ...")
    parser.add_argument("--out", type=Path, required=True, help="folder for the model")
    parser.add_argument("--holdout", type=Path, help="folder of held-out shards, for retrieval before and after")
    parser.add_argument("--config", type=Path, help="YAML of training fields")
    parser.add_argument("--set", action="append", default=[], metavar="FIELD=VALUE", help="change one field")
    given = parser.parse_args(arguments)
    try:
        config = read_config(given.config, given.set)
        held_out = Shards.of(given.holdout) if given.holdout else None
        done = train(config, Shards.of(given.shards), given.out, held_out)
    except PairpoolError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    if not done.files:  # torchrun's other processes: the first one speaks for all
        return 0
    draw(given.out / METRICS, done.evaluation, given.out / "curves.png")
    print(f"{done.steps} steps, {done.rate:.0f} samples/s, {len(done.faults)} of {done.samples} samples unusable")
    print(f"texts shown: {dict(sorted(done.fields.items()))}")
    if config.online:
        print(f"visits skipped by their probability: {done.skipped} of {done.skipped + done.shown}")
    for moment, found in done.evaluation.items():
        print(f"{moment}: " + "  ".join(f"{name} {value:.3f}" for name, value in summary(found).items()))
    print(f"model: {given.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
