"""One YAML file is one run: the literal image of the recipe dataclasses, read strictly.

    pool: my/pool
    execution: {engine: ray, address: local}
    steps:
      rows: {kind: intake, urls: list.parquet}
      lang: {kind: langid, threshold: 0.5}

No inheritance and no interpolation; `--set lang.threshold=0.6` goes through the same types.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, TypeVar

import yaml
from pydantic import PositiveFloat, TypeAdapter, ValidationError

from pipeline.errors import ConfigError
from pipeline.recipe import execution, recipe
from pipeline.step import Resources, Step
from workflows.kinds import step_class

T = TypeVar("T")


@recipe
class Execution:
    """Where and with how many workers; never part of an identity.

    Attributes:
        engine: `ray`, or `local` for this process.
        address: of the Ray cluster; `local` starts one on this machine, `auto` joins the one that is there.
        cpus: logical CPUs of a local cluster.
        autoscale: for a cluster that adds nodes by itself: it is asked for room for all workers that have work, and a run that can do
            nothing else waits so many seconds for a node. None: the cluster is as it is; a worker that has no room there is an error.
        failure_budget: the share of attempted rows of a step that may fail before the command exits with 3.
        resources: step -> what its workers take.
    """

    engine: Literal["ray", "local"] = "ray"
    address: str = "local"
    cpus: int = 8
    autoscale: PositiveFloat | None = None
    failure_budget: float = 0.5
    resources: Mapping[str, Resources] = execution(default={})


@recipe
class Config:
    """A whole run: the pool, how it is worked on, and the steps in order."""

    pool: Path
    steps: tuple[Any, ...]
    execution: Execution = Execution()


class Strict(yaml.SafeLoader):
    """YAML without duplicate keys: the last of two would win in silence."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """A mapping, if each of its keys stands once."""
        keys = [self.construct_object(key, deep=deep) for key, _ in node.value]
        twice = {key for key in keys if keys.count(key) > 1}
        if twice:
            raise yaml.constructor.ConstructorError(
                None, None, f"the key {twice.pop()!r} stands twice", node.start_mark
            )
        return super().construct_mapping(node, deep=deep)


def load(path: Path, overrides: Iterable[str] = ()) -> Config:
    """Read a config file.

    Args:
        path: of the YAML file.
        overrides: `a.b=value`, where `a` is a step's name or a top-level key and `value` is YAML.

    Raises:
        ConfigError: naming the key that is wrong and what would be right.
    """
    try:
        raw = yaml.load(path.read_text(encoding="utf-8"), Strict)
    except OSError as error:
        raise ConfigError(
            f"{path} cannot be read: {error.strerror}. Name a config file, for example configs/demo.yaml."
        ) from error
    except yaml.YAMLError as error:
        raise ConfigError(f"{path} is not YAML: {error}") from error
    if not isinstance(raw, dict) or not isinstance(raw.get("steps"), dict):
        raise ConfigError(
            f"{path} must be a mapping with `pool` and `steps`, and `steps` a mapping of names to recipes."
        )
    for override in overrides:
        _override(raw, override)
    execution = _read(Execution, raw.get("execution") or {}, "execution")
    steps = tuple(_step(name, given, execution) for name, given in raw["steps"].items())
    return _read(Config, raw | {"steps": steps, "execution": execution}, "")


def _override(raw: dict[str, Any], override: str) -> None:
    where, equals, value = override.partition("=")
    *path, last = where.split(".")
    if not equals or not last:
        raise ConfigError(f"--set {override!r} is not of the form a.b=value.")
    at = raw if not path or path[0] in raw else raw["steps"]
    for key in path:
        at = at.setdefault(key, {}) if isinstance(at, dict) and (at is not raw["steps"] or key in at) else None
        if not isinstance(at, dict):
            raise ConfigError(f"--set {override!r}: there is no {key!r}. Steps: {', '.join(raw['steps'])}.")
    at[last] = yaml.safe_load(value)


def _step(name: str, given: object, execution: Execution) -> Step:
    if not isinstance(given, dict) or "kind" not in given:
        raise ConfigError(f"steps.{name} must be a mapping with a `kind`.")
    fields = {key: value for key, value in given.items() if key != "kind"}
    step = _read(step_class(str(given["kind"]), name), {"name": name, **fields}, f"steps.{name}")
    resources = execution.resources.get(name)
    return replace(step, resources=resources) if resources else step


def _read(cls: type[T], given: object, where: str) -> T:
    try:
        return TypeAdapter(cls).validate_python(given)
    except ValidationError as error:
        lines = [_explain(item, where, cls) for item in error.errors(include_url=False)]
        raise ConfigError("\n".join(lines)) from error


def _explain(item: Mapping[str, Any], where: str, cls: type) -> str:
    path = ".".join(str(part) for part in (where, *item["loc"]) if str(part))
    if item["type"] == "unexpected_keyword_argument":
        known = ", ".join(key for key in cls.__dataclass_fields__)  # type: ignore[attr-defined]
        return f"{path}: there is no such key. {where or 'The top level'} knows: {known}."
    return f"{path}: {item['msg']}."
