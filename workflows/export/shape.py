"""From a row to its sample: which column becomes which field, and the reasons for which a row has no sample."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from workflows.export.gather import Row
from workflows.export.sample import Field, Image, Sample, Suffix, fault

Encode = Callable[[Image], Image | str]  #: the image to write, or why there is none


@dataclass(frozen=True)
class Shape:
    """What a sample is made of.

    Attributes:
        suffix: of its image.
        default: its txt is the first of these texts that is not empty.
        texts, columns, lists: json field -> column reference, each in the order of the json.
        encode: how the stored image becomes that of the sample; None writes it bit for bit.
    """

    suffix: Suffix
    default: tuple[str, ...]
    texts: Mapping[str, str]
    columns: Mapping[str, str]
    lists: Mapping[str, str]
    encode: Encode | None = None

    def sample(self, row: Row) -> Sample | str:
        """The sample of a row, or why it has none."""
        image = self._image(row)
        if isinstance(image, str):
            return image
        texts = {name: str(row.columns[ref]) for name, ref in self.texts.items()}
        text = next((texts[name] for name in self.default if texts[name].strip()), None)
        if text is None:
            return f"no text in {', '.join(self.default)}"
        lists = {name: row.columns[ref] for name, ref in self.lists.items()}
        if len(lists) > 1 and len({len(cast(Sequence[Field], held)) for held in lists.values()}) > 1:
            return f"{', '.join(lists)} are not about the same texts"
        further = {name: row.columns[ref] for name, ref in self.columns.items()}
        return Sample(row.key, image, text, {"uid": row.uid, "key": row.key, **texts, **further, **lists})

    def _image(self, row: Row) -> Image | str:
        stored = row.images.view(row.key)
        if stored is None:
            return "the pool has no image of this row"
        if self.encode:
            return self.encode(stored)
        return fault(stored, self.suffix) or stored
