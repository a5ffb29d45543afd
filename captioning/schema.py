"""The form of an answer: named fields with bounds, and the JSON schema that a server holds generation to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa

from pipeline.errors import ConfigError


@dataclass(frozen=True)
class TextField:
    """One caption of an answer.

    Attributes:
        name: of the JSON field and of the column.
        minimum, maximum: length in characters (Unicode code points), both included.
        ask: what a prompt says of it, such as `5 to 12 words that name the subject`.
        note: whether it is a note on the way to a caption, held to its bounds alone.
    """

    name: str
    minimum: int
    maximum: int
    ask: str = ""
    note: bool = False

    def __post_init__(self) -> None:
        check_bounds(self.name, self.minimum, self.maximum)

    @property
    def type(self) -> pa.DataType:
        """Of its column."""
        return pa.string()

    @property
    def schema(self) -> dict[str, Any]:
        """Its JSON schema."""
        return {"type": "string", "minLength": self.minimum, "maxLength": self.maximum}

    def tighter(self, factor: float) -> TextField:
        """The same field with a lower upper bound."""
        return replace(self, maximum=max(self.minimum, round(self.maximum * factor)))


@dataclass(frozen=True)
class ListField:
    """Several texts of an answer, such as tags, rewrites or the captions of regions.

    Attributes:
        name, minimum, maximum, ask, note: as of a text; the bounds are those of each item.
        least, most: how many items, both included.
    """

    name: str
    minimum: int
    maximum: int
    least: int
    most: int
    ask: str = ""
    note: bool = False

    def __post_init__(self) -> None:
        check_bounds(self.name, self.minimum, self.maximum)
        if not 0 <= self.least <= self.most:
            raise ConfigError(
                f"The caption field {self.name!r} should have {self.least} to {self.most} items. Give two numbers, the "
                "first not above the second."
            )

    @property
    def type(self) -> pa.DataType:
        """Of its column."""
        return pa.list_(pa.string())

    @property
    def schema(self) -> dict[str, Any]:
        """Its JSON schema."""
        item = {"type": "string", "minLength": self.minimum, "maxLength": self.maximum}
        return {"type": "array", "items": item, "minItems": self.least, "maxItems": self.most}

    def tighter(self, factor: float) -> ListField:
        """The same field with a lower upper bound of each item."""
        return replace(self, maximum=max(self.minimum, round(self.maximum * factor)))


Field = TextField | ListField


def goals(fields: Sequence[Field]) -> list[Field]:
    """The fields that are no notes on the way; of a request for notes alone, all of them."""
    return [one for one in fields if not one.note] or list(fields)


def check_bounds(name: str, minimum: int, maximum: int) -> None:
    """See that bounds in characters can be kept.

    Raises:
        ConfigError: if not.
    """
    if not 1 <= minimum <= maximum:
        raise ConfigError(
            f"The bounds of the caption field {name!r} are {minimum} to {maximum} characters. "
            "Give two numbers, the first at least 1 and not above the second."
        )


def json_schema(fields: Sequence[Field]) -> dict[str, Any]:
    """The JSON schema of an object that has exactly `fields`, each within its bounds, in this order."""
    return {
        "type": "object",
        "properties": {field.name: field.schema for field in fields},
        "required": [field.name for field in fields],
        "additionalProperties": False,
    }
