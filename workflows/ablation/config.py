"""An ablation as a config: which recipe's pool, which rows and texts each arm trains on, what is compared with what."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import field
from pathlib import Path
from typing import Any

import yaml
from pydantic import TypeAdapter, ValidationError

from curation.rules import Rule
from pipeline.errors import ConfigError
from pipeline.recipe import execution, recipe
from workflows.config import Strict
from workflows.training.config import TrainConfig

NAME = re.compile(r"[a-z0-9_]+")
#: Fields in which arms may not differ: they would not train the same model, from the same weights, on as many samples.
SAME = (
    "model",
    "architecture",
    "model_file",
    "pretrained",
    "weights",
    "frozen",
    "long_texts",
    "batch",
    "steps",
    "seconds",
    "seed",
)


@recipe
class Rows:
    """Rows that an arm may train on, decided from columns that the pool has.

    Attributes:
        rules, after, explain: as of a `select` step.
        share: of what the rules keep, this share at random: what a step gains by its choice, apart from what it loses in number,
            shows beside as many rows that nobody chose.
    """

    rules: tuple[Rule, ...]
    after: str | tuple[str, ...] = ()
    explain: tuple[str, ...] = ()
    share: float = 1.0


@recipe
class Arm:
    """One way to make training data.

    Attributes:
        rows: one of the ablation's selections, or a selection of the recipe.
        train: what differs in its training: `captions`, or whatever else says which texts are shown.
    """

    rows: str
    train: Mapping[str, Any] = field(default_factory=dict)


@recipe
class Split:
    """Tables that tell the splits apart, so that the ablation can prove that they are.

    Attributes:
        pictures: parquet with `uid`, `group` and `split` of every picture that models of ours have learned from or are judged on.
        pool: parquet with `uid` and `group` of the pool's rows. With `fault` and `true_name` as well the results say how many of
            an arm's rows are faulty, and how much of what is shown its texts name.
        judged: the name of the split that judges; no group of it may be in another.
    """

    pictures: Path
    pool: Path
    judged: str = "evaluation"


@recipe
class Ablation:
    """The whole experiment.

    Attributes:
        recipe: the config of the pool; what the arms read must be done (`pairpool run`).
        holdout: a folder of shards that judge: retrieval of their `txt`.
        names: a folder of shards with `name_<language>` and a `classes.json`: retrieval and classification by language.
        split: how to prove that the held-out pictures are nobody's training data; without it only uids are compared.
        export: the recipe's export step, whose captions, columns and images the arms get.
        train: of every arm; `seconds` is refused, since arms must see the same number of samples.
        seeds: each arm is trained once with each.
        selections: name -> rows.
        arms: name -> arm, in the order of the table.
        compare: pairs (better, than) of arms: what is claimed, and tested.
        version: of all that the ablation commits to the pool. More arms or seeds need no new one: only they are trained.
        keep_models: whether the pool keeps the weights of every trial.
        cpus: logical CPUs that a trial takes of a cluster: how many run side by side.
    """

    recipe: Path
    holdout: Path
    arms: Mapping[str, Arm]
    names: Path | None = None
    split: Split | None = None
    export: str = "shards"
    train: Mapping[str, Any] = field(default_factory=dict)
    seeds: tuple[int, ...] = (0, 1, 2)
    selections: Mapping[str, Rows] = field(default_factory=dict)
    compare: tuple[tuple[str, str], ...] = ()
    version: str = "1"
    keep_models: bool = False
    cpus: float = execution(default=4)

    def __post_init__(self) -> None:
        unsaid = [name for pair in self.compare for name in pair if name not in self.arms]
        wrong = [name for name in (*self.arms, *self.selections) if not NAME.fullmatch(name)]
        if unsaid or not self.arms:
            raise ConfigError(
                f"compare names {unsaid or 'nothing'}, but the arms are: {', '.join(self.arms) or 'none'}."
            )
        if wrong:
            raise ConfigError(f"{wrong[0]!r} cannot name an arm or a selection: use a-z, 0-9 and _.")
        if not self.seeds or len(set(self.seeds)) < len(self.seeds):
            raise ConfigError("seeds must be one or more different numbers.")
        if odd := [name for name, rows in self.selections.items() if not 0 < rows.share <= 1]:
            raise ConfigError(f"selections.{odd[0]}.share must be above 0 and up to 1.")
        for name in self.arms:
            self.training(name, self.seeds[0])

    def training(self, arm: str, seed: int) -> TrainConfig:
        """What an arm's trial trains.

        Raises:
            ConfigError: if the fields are none of a training's, or the arm would not see the same model and samples as the others.
        """
        own = self.arms[arm].train
        unequal = [name for name in SAME if name in own]
        if unequal or "seconds" in self.train or "seed" in self.train:
            raise ConfigError(
                f"Arm {arm!r}: {', '.join(unequal) or 'seconds and seed'} cannot be set there. All arms train the same model for the "
                "same `steps`, which stand in `train`; seeds stand in `seeds`."
            )
        try:
            return TypeAdapter(TrainConfig).validate_python({**self.train, **own, "seed": seed})
        except (ValidationError, TypeError) as error:
            raise ConfigError(f"arms.{arm}.train is no training: {error}") from error


def read(path: Path) -> Ablation:
    """Read an ablation.

    Raises:
        ConfigError: naming the key that is wrong.
    """
    try:
        return TypeAdapter(Ablation).validate_python(yaml.load(path.read_text(encoding="utf-8"), Strict))
    except (OSError, yaml.YAMLError, ValidationError, TypeError) as error:
        raise ConfigError(f"{path} is no ablation: {error}. See configs/ablate.yaml for one.") from error
