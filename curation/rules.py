"""Rules: what a row's column must say for the row to be kept. Null never satisfies a rule, unless the rule says so."""

from __future__ import annotations

from collections.abc import Mapping

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.errors import ConfigError
from pipeline.parts import ColumnRef
from pipeline.recipe import recipe

Value = bool | int | float | str


@recipe
class Rule:
    """Conditions on one column. All that are given must hold.

    Attributes:
        column: as `step.column`.
        min, max: inclusive bounds; not a number is outside.
        one_of, none_of: values; null is none of any.
        is_true, is_false, is_null, not_null: set to true to ask for it.
        above: a `quantile` step over the column: its threshold is the inclusive lower bound.
        reason: of rows that fail, instead of one that is made from the conditions.
    """

    column: str
    min: float | None = None
    max: float | None = None
    one_of: tuple[Value, ...] | None = None
    none_of: tuple[Value, ...] | None = None
    is_true: bool = False
    is_false: bool = False
    is_null: bool = False
    not_null: bool = False
    above: str | None = None
    reason: str | None = None

    def __post_init__(self) -> None:
        """A rule that asks for nothing is a slip of the pen.

        Raises:
            ConfigError: for such a rule, or for a column that is not written step.column.
        """
        ColumnRef.parse(self.column)
        bounds = (self.min, self.max, self.one_of, self.none_of, self.above)
        if all(item is None for item in bounds) and not (
            self.is_true or self.is_false or self.is_null or self.not_null
        ):
            raise ConfigError(
                f"The rule on {self.column!r} asks for nothing. Give min, max, one_of, none_of, above, is_true, is_false, is_null "
                "or not_null."
            )

    @property
    def step(self) -> str:
        """The step whose column it is."""
        return ColumnRef.parse(self.column).step

    def judge(self, column: pa.Array, thresholds: Mapping[str, float | None]) -> list[tuple[pa.Array, str]]:
        """Every condition in order: which rows hold it, and the reason of those that do not.

        Args:
            column: the values.
            thresholds: of the quantile steps; None where there was nothing to rank.

        Raises:
            ConfigError: if the column's type has no such condition.
        """
        try:
            found = [(pc.fill_null(holds, False), text) for holds, text in self._conditions(column, thresholds)]
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError, pa.ArrowTypeError) as error:
            raise ConfigError(
                f"The rule on {self.column!r} does not fit a column of {column.type}: {error}. Correct the rule."
            ) from error
        return [(holds, self.reason or f"{self.column} {text}") for holds, text in found]

    def _conditions(
        self, column: pa.Array, thresholds: Mapping[str, float | None]
    ) -> list[tuple[pa.Array | pa.Scalar, str]]:
        made: list[tuple[pa.Array, str]] = []
        if self.not_null:
            made.append((pc.is_valid(column), "is null"))
        if self.is_null:
            made.append((pc.is_null(column), "is not null"))
        if self.is_true:
            made.append((pc.cast(column, pa.bool_()), "is not true"))
        if self.is_false:
            made.append((pc.invert(pc.cast(column, pa.bool_())), "is not false"))
        if self.min is not None:
            made.append((pc.greater_equal(column, self.min), f"below {self.min:g}"))
        if self.max is not None:
            made.append((pc.less_equal(column, self.max), f"above {self.max:g}"))
        if self.one_of is not None:
            made.append((_is_in(column, self.one_of), f"not one of {_listed(self.one_of)}"))
        if self.none_of is not None:
            made.append((pc.invert(_is_in(column, self.none_of)), f"one of {_listed(self.none_of)}"))
        if self.above is not None:
            made.append((_at_least(column, thresholds[self.above]), f"below {self.above}"))
        return made


def _is_in(column: pa.Array, values: tuple[Value, ...]) -> pa.Array:
    return pc.is_in(column, pa.array(list(values)).cast(column.type))


def _at_least(column: pa.Array, threshold: float | None) -> pa.Array:
    """Nothing is above a threshold that nothing set."""
    if threshold is None:
        return pa.array([False] * len(column), pa.bool_())
    return pc.greater_equal(column.cast(pa.float64()), threshold)


def _listed(values: tuple[Value, ...]) -> str:
    shown = ", ".join(str(value) for value in values[:5])
    return f"{shown}, ..." if len(values) > 5 else shown
