"""Recipes: frozen, strictly read dataclasses, and the identity that follows from their literals.

Only what changes the result is identity. A field made with `execution(...)` (workers, paths, endpoints) is not; a field made
with `content(...)` is a path whose *bytes* are.
"""

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from enum import Enum
from pathlib import Path
from typing import Any, TypeVar, dataclass_transform

from pydantic import ConfigDict
from pydantic.dataclasses import dataclass as pydantic_dataclass

from pipeline.errors import ConfigError

T = TypeVar("T")
Identity = dict[str, Any]


def execution(*, default: T) -> T:
    """A field that says how or where the work is done, never what comes out."""
    return _field(default, "none")


def content(*, default: T) -> T:
    """A field that names a file or folder: its bytes are identity, its path is not."""
    return _field(default, "content")


def _field(default: T, identity: str) -> T:
    metadata = {"identity": identity}
    if default.__class__.__hash__ is None:
        made: T = dataclasses.field(default_factory=lambda: default, metadata=metadata)
        return made
    return dataclasses.field(default=default, metadata=metadata)


@dataclass_transform(
    kw_only_default=True, frozen_default=True, field_specifiers=(dataclasses.field, execution, content)
)
def recipe(cls: type[T]) -> type[T]:
    """Make `cls` a frozen keyword-only dataclass that refuses unknown keys and wrong types."""
    config = ConfigDict(extra="forbid", arbitrary_types_allowed=False, validate_default=False)
    return pydantic_dataclass(frozen=True, kw_only=True, config=config)(cls)  # type: ignore[return-value]


def literals(value: Any) -> Any:
    """The canonical JSON form of a recipe's literals.

    Raises:
        ConfigError: for a value without stable bytes, such as a function or a bare path.
    """
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, Enum):
        return literals(value.value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return _dataclass_literals(value)
    if isinstance(value, Mapping):
        return {str(key): literals(item) for key, item in sorted(value.items())}
    if isinstance(value, tuple | list):
        return [literals(item) for item in value]
    raise ConfigError(
        f"{value!r} of type {type(value).__name__} has no stable bytes, so it cannot be part of a recipe. "
        "Use numbers, texts, lists or a recipe dataclass, or mark the field with execution(...) or content(...)."
    )


def _dataclass_literals(value: Any) -> Identity:
    found: Identity = {}
    for field in dataclasses.fields(value):
        rule, item = field.metadata.get("identity"), getattr(value, field.name)
        if rule == "content":
            found[field.name] = None if item is None else digest_path(Path(item))
        elif rule != "none":
            found[field.name] = literals(item)
    return found


def fingerprint(identity: Any) -> str:
    """sha256 of the canonical JSON of an identity, 64 hex digits."""
    text = json.dumps(identity, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()


def digest_file(path: Path) -> str:
    """sha256 of a file's bytes, 64 hex digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def digest_path(path: Path) -> str:
    """sha256 of a file, or of the names and digests of all files below a folder.

    Raises:
        ConfigError: if nothing is there.
    """
    if path.is_file():
        return digest_file(path)
    if not path.is_dir():
        raise ConfigError(f"{path} does not exist. Put the file or folder there, or correct the path in the config.")
    files = sorted(item for item in path.rglob("*") if item.is_file())
    return fingerprint([(item.relative_to(path).as_posix(), digest_file(item)) for item in files])


def differences(before: Any, after: Any, where: str = "") -> list[str]:
    """The fields in which two identities differ, each as `path: before -> after`."""
    if isinstance(before, dict) and isinstance(after, dict):
        keys = sorted(before.keys() | after.keys())
        return [
            line for key in keys for line in differences(before.get(key), after.get(key), f"{where}.{key}".strip("."))
        ]
    return [] if before == after else [f"{where}: {json.dumps(before)} -> {json.dumps(after)}"]
