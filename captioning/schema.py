"""The form of an answer: named text fields with bounds, and the JSON schema that a server holds generation to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.errors import ConfigError


@dataclass(frozen=True)
class TextField:
    """One caption of an answer.

    Attributes:
        name: of the JSON field and of the column.
        minimum, maximum: length in characters (Unicode code points), both included.
    """

    name: str
    minimum: int
    maximum: int

    def __post_init__(self) -> None:
        if not 1 <= self.minimum <= self.maximum:
            raise ConfigError(
                f"The bounds of the caption field {self.name!r} are {self.minimum} to {self.maximum} characters. "
                "Give two numbers, the first at least 1 and not above the second."
            )


def json_schema(fields: Sequence[TextField]) -> dict[str, Any]:
    """The JSON schema of an object that has exactly `fields`, each a string within its bounds, in this order."""
    properties = {
        field.name: {"type": "string", "minLength": field.minimum, "maxLength": field.maximum} for field in fields
    }
    return {
        "type": "object",
        "properties": properties,
        "required": [field.name for field in fields],
        "additionalProperties": False,
    }
