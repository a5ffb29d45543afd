"""Held-out shards as a model sees them: features of every picture, the texts and labels beside them, read a batch at a time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import torch

from pipeline.errors import ConfigError, DataError
from workflows.training.data import stack
from workflows.training.evaluate import image_features, judging
from workflows.training.images import Pixels, centre, decode
from workflows.training.model import WEIGHTS, Built, load
from workflows.training.shards import Raw, Shards, Unreadable


@dataclass(frozen=True)
class Judged:
    """Held-out samples.

    Attributes:
        images: unit-length features, samples x dimensions, on the CPU.
        uids: of the samples; the key where one has no uid.
        fields: of each sample: its txt, and its json.
        left_out: reason -> samples that could not be read.
    """

    images: torch.Tensor
    uids: Sequence[str]
    fields: Sequence[Mapping[str, Any]]
    left_out: Counter[str]

    def texts(self, pattern: str) -> dict[str, tuple[list[int], list[str]]]:
        """For each field of texts whose name the pattern matches: the samples that have one, and their texts.

        Raises:
            ConfigError: if no sample has such a field.
        """
        names = dict.fromkeys(name for fields in self.fields for name in fields if fnmatchcase(name, pattern))
        found = {name: self._of(name) for name in sorted(names)}
        filled = {name: told for name, told in found.items() if told[0]}
        if not filled:
            known = ", ".join(sorted({name for fields in self.fields for name in fields}))
            raise ConfigError(f"No held-out sample has a text in {pattern!r}. Their fields: {known}.")
        return filled

    def _of(self, name: str) -> tuple[list[int], list[str]]:
        held = [(place, fields.get(name)) for place, fields in enumerate(self.fields)]
        filled = [(place, text) for place, text in held if isinstance(text, str) and text.strip()]
        return [place for place, _ in filled], [text for _, text in filled]


def look(built: Built, shards: Shards, batch: int = 256) -> Judged:
    """Encode the pictures of held-out shards; memory holds one batch of them.

    Raises:
        DataError: if not one sample can be read.
    """
    features, read, left_out = [], list[Raw](), Counter[str]()
    with judging(built):
        for raws, pixels in _batches(shards, built.size, batch, left_out):
            features.append(image_features(built, stack(pixels, built.size)))
            read += raws
    if not read:
        raise DataError(f"The held-out shards have no readable sample ({dict(left_out)}). Make them again.")
    fields = [{"txt": raw.texts["txt"], **raw.fields} for raw in read]
    return Judged(torch.cat(features), [raw.uid for raw in read], fields, left_out)


def _batches(shards: Shards, size: int, batch: int, left_out: Counter[str]) -> Iterator[tuple[list[Raw], list[Pixels]]]:
    raws, pixels = list[Raw](), list[Pixels]()
    for shard, samples in enumerate(shards.sizes):
        for place in range(samples):
            try:
                raw = shards.read(shard, place)
                pixels.append(centre(decode(raw.image), size))
                raws.append(Raw(raw.key, b"", raw.texts, raw.fields))
            except Unreadable as reason:
                left_out[str(reason)] += 1
            if len(raws) == batch:
                yield raws, pixels
                raws, pixels = [], []
    if raws:
        yield raws, pixels


def checkpoint(name: str, pretrained: str | None = None, device: str = "cpu") -> Built:
    """A model to judge: a folder that a training left, or an open_clip name with the tag of its weights (or `hf-hub:...`).

    Raises:
        ConfigError: if there is neither.
    """
    folder = Path(name)
    if folder.is_dir():
        if not (folder / WEIGHTS).is_file():
            raise ConfigError(f"{folder} holds no {WEIGHTS}. Name the folder that a training left.")
        return load(folder, device)
    import open_clip

    known = name.startswith(("hf-hub:", "local-dir:")) or (name, pretrained) in open_clip.list_pretrained()
    if not known:
        raise ConfigError(
            f"There is no folder {name!r}, and no open_clip model of that name with weights {pretrained!r}. "
            "Name a training's folder, or a pair of open_clip.list_pretrained() as MODEL and --pretrained."
        )
    model = open_clip.create_model(name, pretrained=pretrained, device=device, output_dict=True)
    size = model.visual.image_size
    mean, std = (tuple(values) for values in (model.visual.image_mean, model.visual.image_std))
    return Built(model, {}, open_clip.get_tokenizer(name), size if isinstance(size, int) else size[0], mean, std)
