"""Batches for the trainer: samples in their order, decoded and tokenised, with those that could not be used counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from workflows.training.batch import Batch, Visit
from workflows.training.captions import choose
from workflows.training.config import TrainConfig
from workflows.training.images import Pixels, centre, decode, random_crop
from workflows.training.online import drawn, refill
from workflows.training.order import Position, rank_batches
from workflows.training.policies import text_policy
from workflows.training.shards import Raw, Shards, Unreadable

if TYPE_CHECKING:
    Base = Dataset["Item"]
else:
    Base = Dataset

Tokenizer = Callable[[list[str]], torch.Tensor]


@dataclass(frozen=True)
class Item:
    """One visit of one sample: with pixels and texts if it is shown."""

    visit: Visit
    pixels: Pixels | None = None
    texts: tuple[str, ...] = ()


@dataclass
class Samples(Base):
    """Samples by position, as a map-style data set: any worker can make any of them, and they are equal."""

    shards: Shards
    config: TrainConfig
    size: int
    _cache: dict[tuple[int, int], tuple[Raw, Pixels]] = field(default_factory=dict)
    _cached: int = 0

    def __post_init__(self) -> None:
        self._policy = text_policy(self.config.texts, self.config.captions)

    def __getitem__(self, position: Position) -> Item:
        try:
            raw, image = self._raw(position)
            uid = raw.texts.get("uid", raw.key)
            texts = self._texts(raw, position.epoch, uid)
            if texts is None:
                return Item(Visit(position))
            chosen = self._policy.choose(texts, self.config.seed, position.epoch, uid, raw.fields)
            key = (self.config.seed, "crop", position.epoch, uid)
            image = self._decoded(position, raw) if image is None else image
            pixels = random_crop(image, self.size, self.config.crop, key)
            return Item(Visit(position, tuple(name for name, _ in chosen)), pixels, tuple(text for _, text in chosen))
        except Unreadable as reason:
            return Item(Visit(position, reason=str(reason)))

    def _texts(self, raw: Raw, epoch: int, uid: str) -> Mapping[str, str] | None:
        """The texts to choose from at this visit; None if it is skipped."""
        if self.config.online is None:
            return raw.texts
        text = drawn(raw, self.config.seed, epoch, uid)
        return None if text is None else {**raw.texts, "txt": text}

    def _raw(self, position: Position) -> tuple[Raw, Pixels | None]:
        place = (position.shard, position.sample)
        return self._cache[place] if place in self._cache else (self.shards.read(*place), None)

    def _decoded(self, position: Position, raw: Raw) -> Pixels:
        """The picture, no larger than the crop can use; it is kept for the next visit if there is room."""
        image = np.array(decode(raw.image, at_least=self.size * 3 // 2))
        if self._cached + image.nbytes <= self.config.cache_mb << 20:
            self._cache[position.shard, position.sample] = (replace(raw, image=b""), image)
            self._cached += image.nbytes
        return image


@dataclass(frozen=True)
class Collate:
    """Items to a batch."""

    tokenizer: Tokenizer
    size: int

    def __call__(self, items: Sequence[Item]) -> Batch:
        """Stack what could be used, and list what could not."""
        good = [item for item in items if item.pixels is not None]
        tokens = self._tokens([item.texts for item in good])
        pixels = stack([item.pixels for item in good if item.pixels is not None], self.size)
        return Batch(pixels, tokens, [item.visit for item in items])

    def _tokens(self, texts: Sequence[tuple[str, ...]]) -> torch.Tensor:
        """Samples x context length; samples x K x context length if each has K > 1 texts."""
        if not texts:
            return torch.zeros((0, 1), dtype=torch.int64)
        tokens = self.tokenizer([text for item in texts for text in item])
        return tokens if len(texts[0]) == 1 else tokens.view(len(texts), len(texts[0]), -1)


def stack(pixels: Sequence[Pixels], size: int) -> torch.Tensor:
    """uint8, samples x 3 x size x size."""
    stacked = np.stack(pixels) if pixels else np.zeros((0, size, size, 3), np.uint8)
    return torch.from_numpy(stacked).permute(0, 3, 1, 2).contiguous()


@dataclass(frozen=True)
class _Order:
    """The order as what a DataLoader calls a batch sampler."""

    shards: Shards
    config: TrainConfig
    start: int
    rank: int
    world: int

    def __iter__(self) -> Iterator[list[Position]]:
        config = self.config
        key = (config.seed, config.mix, config.visited)
        return rank_batches(self.shards.sizes, *key, self.start, rank=self.rank, world=self.world)


def training_batches(
    shards: Shards,
    config: TrainConfig,
    size: int,
    tokenizer: Tokenizer,
    start: int = 0,
    *,
    rank: int = 0,
    world: int = 1,
) -> Iterator[Batch]:
    """One rank's share of each batch, without end, equal for any number of workers. Balanced as they go shares are full all the same.

    Args:
        shards: what to train on.
        config: of the training.
        size: side of the pictures in pixels.
        tokenizer: of the model.
        start: visits that this rank had before: the sum of `len(batch.visits)` of all its earlier batches goes on exactly where
            they ended.
        rank, world: this process among those that train; shares laid side by side are the batches that one process has.
    """
    options: dict[str, Any] = {"prefetch_factor": 4} if config.workers else {}
    loader: DataLoader[Item] = DataLoader(
        Samples(shards, config, size),
        batch_sampler=_Order(shards, config, start, rank, world),
        collate_fn=Collate(tokenizer, size),
        num_workers=config.workers,
        pin_memory=torch.cuda.is_available() and config.device != "cpu",
        generator=torch.Generator().manual_seed(config.seed),
        **options,
    )
    return iter(loader) if config.online is None else refill(iter(loader), config.visited // world, sum(shards.sizes))


def evaluation_samples(shards: Shards, size: int, name: str = "txt") -> tuple[torch.Tensor, list[str], Counter[str]]:
    """All samples of a held-out set: pictures (uint8, samples x 3 x size x size), their texts, and reasons -> samples left out.

    Args:
        shards: the set.
        size: side of the pictures in pixels.
        name: which text.
    """
    pixels: list[Pixels] = []
    texts: list[str] = []
    faults: Counter[str] = Counter()
    for shard, samples in enumerate(shards.sizes):
        for sample in range(samples):
            try:
                raw = shards.read(shard, sample)
                text = choose(raw.texts, {name: 1.0}, 0, 0, raw.key)[1]
                pixels.append(centre(decode(raw.image), size))
                texts.append(text)
            except Unreadable as reason:
                faults[str(reason)] += 1
    return stack(pixels, size), texts, faults
