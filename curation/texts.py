"""The texts of a batch as one flat array, and columns about texts back in the rows' lists."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

Offsets = npt.NDArray[np.int32]


class Flat(NamedTuple):
    """The texts of n rows, one after another.

    Attributes:
        values: of the texts (or of what stands for them), in order.
        offsets: int32, n + 1: row i has the values from `offsets[i]` to `offsets[i + 1]`.
    """

    values: pa.Array
    offsets: Offsets

    @property
    def lengths(self) -> Offsets:
        """How many texts each row has."""
        return np.diff(self.offsets)

    def nest(self, values: pa.Array) -> pa.ListArray:
        """A column of lists from one value a text."""
        return pa.ListArray.from_arrays(pa.array(self.offsets, pa.int32()), values)


def flatten(column: pa.Array) -> Flat:
    """The values of a list column, or those of a plain one as lists of one; a null list is an empty one."""
    if not (pa.types.is_list(column.type) or pa.types.is_large_list(column.type)):
        return Flat(column, np.arange(len(column) + 1, dtype=np.int32))
    lengths = pc.fill_null(pc.list_value_length(column), 0).to_numpy(zero_copy_only=False)
    return Flat(column.flatten(), np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32))


def flatten_texts(column: pa.Array) -> Flat:
    """The texts of a column of `list<struct<text, kind>>`, `list<string>` or `string`; a null text is an empty one."""
    values, offsets = flatten(column)
    if pa.types.is_struct(values.type):
        values = pc.struct_field(values, "text")
    return Flat(pc.fill_null(values.cast(pa.string()), ""), offsets)


def first(flat: Flat, values: pa.Array, default: object) -> pa.Array:
    """The value of each row's first text, or `default` for a row that has none."""
    if np.array_equal(flat.offsets, np.arange(len(values) + 1)):
        return values
    empty = flat.lengths == 0
    index = pa.array(flat.offsets[:-1], pa.int32(), mask=empty)
    return pc.if_else(pa.array(empty), default, values.take(index))
