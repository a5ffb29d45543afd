"""What `lit` learns from: frozen features of pictures and texts, and which belong together."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.errors import DataError

Array = npt.NDArray[Any]
NEEDED = ("image", "image_item", "text", "link_item", "link_text")


@dataclass(frozen=True)
class Features:
    """Frozen features of items (pictures with their views) and texts, and which belong together."""

    image: Array
    image_item: Array
    text: Array
    link_item: Array
    link_text: Array
    item_group: Array

    @classmethod
    def load(cls, path: Path) -> Features:
        """Read the arrays.

        Raises:
            DataError: if the file is no npz or lacks an array, or if arrays contradict one another.
        """
        try:
            with np.load(path, allow_pickle=False) as arrays:
                found = {name: arrays[name] for name in NEEDED}
                items = int(max(found["image_item"].max(), found["link_item"].max())) + 1
                group = arrays["item_group"] if "item_group" in arrays else np.arange(items)
        except (OSError, ValueError, KeyError) as error:
            raise DataError(
                f"{path} cannot be trained on: {error}. It needs the arrays {', '.join(NEEDED)}."
            ) from error
        if len(group) != items or len(found["image"]) != len(found["image_item"]):
            raise DataError(f"{path}: {items} items, but {len(group)} groups and {len(found['image'])} images.")
        return cls(**found, item_group=group)


@dataclass(frozen=True)
class Table:
    """Rows of a ragged relation: the partners of item i are `flat[start[i] : start[i + 1]]`."""

    start: Array
    flat: Array

    @classmethod
    def of(cls, owners: Array, partners: Array, count: int) -> Table:
        """Group `partners` by `owners`, numbers below `count`."""
        order = np.argsort(owners, kind="stable")
        return cls(np.searchsorted(owners[order], np.arange(count + 1)), partners[order])

    def draw(self, items: Array, rng: np.random.Generator) -> Array:
        """One partner of each item."""
        size = self.start[items + 1] - self.start[items]
        chosen: Array = self.flat[self.start[items] + (rng.random(len(items)) * size).astype(np.int64)]
        return chosen
