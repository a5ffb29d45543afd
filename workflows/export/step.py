"""The export as a step: the rows that a selection keeps, as webdataset shards in the store."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import field
from functools import partial
from pathlib import Path
from typing import ClassVar

from pipeline.errors import ConfigError
from pipeline.parts import ColumnRef
from pipeline.recipe import content, execution, recipe
from pipeline.step import Entry, Scope, Step, Task, Work
from pipeline.store import Store
from workflows.export.beside import Format
from workflows.export.gather import Gatherer
from workflows.export.reencode import Resize
from workflows.export.sample import FIELD, OWN, Suffix
from workflows.export.shape import Shape
from workflows.export.side import path_of
from workflows.export.work import SOURCE, export


@recipe
class Export(Step):
    """Writes shards by the contract that all readers share: one image, one txt and one json a sample, under a dotless key.

    Attributes:
        selection: the step whose `keep` column says which rows.
        images: the step whose tars hold the stored images; they are written bit for bit.
        texts: caption fields of the json, each from a column: `caption_short: captions.short`. Where a row lacks one it is "".
        default: the txt member is the first of these fields that is not empty.
        columns: further json fields, each from a column: `clip_score: clip.clip_score`. A struct becomes an object:
            `caption_weights: check.weights`.
        lists: json fields that hold one value for each text of the row, each from a column about texts. With
            `texts: rows.texts` and `probabilities: balance.text_probabilities` a trainer can balance as it goes.
        suffix: of the image members; a row whose stored image is of another format fails, with that reason.
        resize: makes the images anew instead, of any stored format: `{size: 256, mode: shortest, quality: 90}`.
        shard_samples: samples a shard, at most.
        shard_bytes: bytes of a tar, at most; a sample that is larger alone gets a shard alone.
        window: how many shards of the pool are shuffled together.
        seed: of the order.
        validation: the share that is held out, in shards of its own in `validation/`.
        groups: a column that is equal for duplicates, null for a row without one: `unique.representative`. All rows of a
            group fall on one side.
        formats: what the samples are written as besides: `parquet` (a file a tar), `lance` (one dataset; needs pylance, which
            names its files at random).
        threads: that make samples; the bytes are the same for any number.
        title: of the dataset card.
        licence: of the data set, as the card names it.
        licences: a Markdown file for the card that says whose the data are.
    """

    kind: ClassVar[str] = "export"
    scope: ClassVar[Scope] = "pool"

    selection: str = "select"
    images: str = "download"
    texts: Mapping[str, str] = field(default_factory=lambda: {"caption_alt": "rows.caption"})
    default: tuple[str, ...] = ("caption_alt",)
    columns: Mapping[str, str] = field(default_factory=lambda: {"url": "rows.url"})
    lists: Mapping[str, str] = field(default_factory=dict)
    suffix: Suffix = "jpg"
    resize: Resize | None = None
    shard_samples: int = 10_000
    shard_bytes: int | None = None
    window: int = 16
    seed: int = 0
    validation: float = 0.0
    groups: str | None = None
    formats: tuple[Format, ...] = ()
    threads: int = execution(default=1)
    title: str = "Image-text pairs"
    licence: str = "other"
    licences: Path | None = content(default=None)

    def __post_init__(self) -> None:
        names = [*OWN, *self.texts, *self.columns, *self.lists]
        wrong = [name for name in names if names.count(name) > 1 or not FIELD.fullmatch(name)]
        if wrong:
            raise ConfigError(
                f"Export {self.name!r} cannot name a json field {wrong[0]!r}: names are a-z 0-9 _, each used once, and not "
                f"{' or '.join(OWN)}. Rename it in `texts`, `columns` or `lists`."
            )
        strange = [name for name in self.default if name not in self.texts]
        if strange or not self.default:
            known = ", ".join(sorted(self.texts)) or "none"
            raise ConfigError(
                f"Export {self.name!r} takes its txt from {list(self.default)}, but `texts` has: {known}. Correct `default`."
            )
        if min(self.window, self.shard_samples, self.threads, self.shard_bytes or 1) < 1:
            raise ConfigError(
                f"Export {self.name!r}: window, shard_samples, shard_bytes and threads must be 1 or more."
            )
        if not 0 <= self.validation < 1:
            raise ConfigError(f"Export {self.name!r}: validation {self.validation} is not a share from 0 to below 1.")

    @property
    def inputs(self) -> tuple[str, ...]:
        """The rows, the selection, the images and every column that is written or asked."""
        refs = (*self._refs(), *self.lists.values(), *([self.groups] if self.groups else []))
        return tuple(dict.fromkeys(["rows", self.selection, self.images, *(ColumnRef.parse(ref).step for ref in refs)]))

    @property
    def folder(self) -> str:
        """Shards lie apart from columns."""
        return f"shards/{self.name}/{self.version}"

    def path(self, role: str, task: Task, digest: str) -> str:
        """Readers want `00000000.tar`: files keep their names, in a folder that belongs to the inputs of this export."""
        return f"{self.folder}/{task.unit}/{path_of(role)}"

    @property
    def shape(self) -> Shape:
        """How a row becomes a sample; json fields lie in the order of their names."""
        texts, columns, lists = (dict(sorted(given.items())) for given in (self.texts, self.columns, self.lists))
        encode = partial(self.resize, suffix=self.suffix) if self.resize else None
        return Shape(self.suffix, self.default, texts, columns, lists, encode)

    def _refs(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys([*self.texts.values(), *self.columns.values()]))

    def gatherer(self, store: Store) -> Gatherer:
        """What reads the rows."""
        also = (SOURCE, *([self.groups] if self.groups else []))
        return Gatherer(store, self.images, self.selection, self._refs(), tuple(self.lists.values()), self.seed, also)

    @contextmanager
    def start(self, store: Store, tables: Mapping[str, Entry]) -> Iterator[Work]:
        """Give the function that exports the pool."""
        yield lambda task, folder: export(self, store, task, folder)
