"""The export as a step: the rows that a selection keeps, as webdataset shards in the store."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import field
from pathlib import Path
from typing import ClassVar, cast

from pipeline.errors import ConfigError, DataError
from pipeline.parts import ColumnRef
from pipeline.recipe import recipe
from pipeline.step import Entry, Outcome, Scope, Step, Task, Work
from pipeline.store import Store
from workflows.export.account import Account
from workflows.export.card import card
from workflows.export.gather import Gatherer, Row
from workflows.export.sample import FIELD, Field, Sample, Suffix, fault
from workflows.export.writer import ShardWriter, writing

OWN = ("uid", "key")  #: json fields that every sample has


@recipe
class Export(Step):
    """Writes shards by the contract that all readers share: one image, one txt and one json a sample, under a dotless key.

    Attributes:
        selection: the step whose `keep` column says which rows.
        images: the step whose tars hold the stored images; they are written bit for bit.
        texts: caption fields of the json, each from a column: `caption_short: captions.short`. Where a row lacks one it is "".
        default: the txt member is the first of these fields that is not empty.
        columns: further json fields, each from a column: `clip_score: clip.clip_score`.
        lists: json fields that hold one value for each text of the row, each from a column about texts. With
            `texts: rows.texts` and `probabilities: balance.text_probabilities` a trainer can balance as it goes.
        suffix: of the image members; a row whose stored image is of another format fails, with that reason.
        shard_samples: samples a shard.
        window: how many shards of the pool are shuffled together.
        seed: of the order.
        title: of the dataset card.
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
    shard_samples: int = 10_000
    window: int = 16
    seed: int = 0
    title: str = "Image-text pairs"

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
        if self.window < 1 or self.shard_samples < 1:
            raise ConfigError(f"Export {self.name!r}: window and shard_samples must be 1 or more.")

    @property
    def inputs(self) -> tuple[str, ...]:
        """The rows, the selection, the images and every column that is written."""
        steps = (ColumnRef.parse(ref).step for ref in (*self._refs(), *self.lists.values()))
        return tuple(dict.fromkeys(["rows", self.selection, self.images, *steps]))

    @property
    def folder(self) -> str:
        """Shards lie apart from columns."""
        return f"shards/{self.name}/{self.version}"

    def path(self, role: str, task: Task, digest: str) -> str:
        """Readers want `00000000.tar`: files keep their names, in a folder that belongs to the inputs of this export."""
        return f"{self.folder}/{task.unit}/{role}"

    def _refs(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys([*self.texts.values(), *self.columns.values()]))

    @contextmanager
    def start(self, store: Store, tables: Mapping[str, Entry]) -> Iterator[Work]:
        """Give the function that exports the pool."""
        yield lambda task, folder: self._export(store, task, folder)

    def _export(self, store: Store, task: Task, folder: Path) -> Outcome:
        """One pass over the pool; memory holds the columns of one window, and one image.

        Raises:
            DataError: if not one row can be written: an export without shards would only surprise its reader.
        """
        gatherer = Gatherer(store, self.images, self.selection, self._refs(), tuple(self.lists.values()), self.seed)
        with writing(folder, self.suffix, self.shard_samples) as writer:
            account = Account()
            for rows, kept in gatherer.windows(task, self.window):
                account.rows += rows
                account.kept += len(kept)
                self._write(kept, writer, account)
            files = writer.close()
        if not writer.sizes:
            raise DataError(self._nothing(account))
        files["README.md"] = card(folder / "README.md", self, account)
        return Outcome(files, account.rows, account.counts(), dict(account.failures), account.facts(writer))

    def _write(self, kept: list[Row], writer: ShardWriter, account: Account) -> None:
        for row in kept:
            made = self._sample(row)
            if isinstance(made, str):
                account.failures[made] += 1
                continue
            writer.add(made)
            account.written += 1
            account.empty.update(name for name in self.texts if not str(made.fields[name]).strip())

    def _sample(self, row: Row) -> Sample | str:
        """The sample of a row, or why it has none."""
        image = row.images.get(row.key)
        if image is None:
            return "the pool has no image of this row"
        if reason := fault(image, self.suffix):
            return reason
        texts = {name: str(row.columns[ref]) for name, ref in sorted(self.texts.items())}
        text = next((texts[name] for name in self.default if texts[name].strip()), None)
        if text is None:
            return f"no text in {', '.join(self.default)}"
        further = {name: row.columns[ref] for name, ref in sorted(self.columns.items())}
        lists = {name: row.columns[ref] for name, ref in sorted(self.lists.items())}
        if len({len(cast(Sequence[Field], held)) for held in lists.values()}) > 1:
            return f"{', '.join(lists)} are not about the same texts"
        return Sample(row.key, image, text, {"uid": row.uid, "key": row.key, **texts, **further, **lists})

    def _nothing(self, account: Account) -> str:
        reasons = "; ".join(f"{reason}: {rows}" for reason, rows in account.failures.most_common(3))
        return (
            f"Export {self.name!r} has no sample to write: {self.selection!r} keeps {account.kept} of {account.rows} rows"
            + (f", and of these none could be written ({reasons})" if reasons else "")
            + ". Loosen the selection, or correct `images`, `suffix` and `default`."
        )
