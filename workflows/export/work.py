"""The work of an export: one pass over the pool, window by window, into the shards of its sides."""

from __future__ import annotations

import gc
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from pipeline.errors import DataError
from pipeline.step import Outcome, Task
from pipeline.store import Store
from workflows.export.account import Account
from workflows.export.ahead import ahead
from workflows.export.card import card
from workflows.export.gather import Row
from workflows.export.lineage import lineage, write_recipe
from workflows.export.sample import OWN
from workflows.export.side import VALIDATION, Side, on_validation_side, role_of, writing_side

if TYPE_CHECKING:
    from workflows.export.step import Export

SOURCE = "rows.source"  #: read of every row, for the card


def export(step: Export, store: Store, task: Task, folder: Path) -> Outcome:
    """One pass over the pool; memory holds the columns of one window, and a few images.

    Raises:
        DataError: if not one row can be written: an export without shards would only surprise its reader.
    """
    gatherer, account = step.gatherer(store), Account()
    with _no_cycles(), _sides(step, folder, _schema(step, gatherer.kinds(task))) as sides:
        for rows, kept in gatherer.windows(task, step.window):
            account.rows += rows
            account.kept += len(kept)
            _write(step, kept, sides, account)
        files = {
            role_of(name, held_out): path
            for held_out, side in zip((False, True), sides, strict=False)
            for name, path in side.close().items()
        }
    if not account.written:
        raise DataError(_nothing(step, account))
    steps = lineage(store, step)
    files["recipe.json"] = write_recipe(folder / "recipe.json", steps)
    files["README.md"] = card(folder / "README.md", step, task, steps, account)
    facts = account.facts() | {
        "shards": sum(len(side.writer.sizes) for side in sides),
        "bytes": sum(side.writer.bytes for side in sides),
    }
    digests = {
        role_of(name, held_out): digest
        for held_out, side in zip((False, True), sides, strict=False)
        for name, digest in side.writer.digests.items()
    }
    return Outcome(files, account.rows, account.counts(), dict(account.failures), facts, digests)


def _write(step: Export, kept: list[Row], sides: tuple[Side, ...], account: Account) -> None:
    for row, made in zip(kept, ahead(step.shape.sample, kept, step.threads), strict=True):
        if isinstance(made, str):
            account.failures[made] += 1
            continue
        held_out = len(sides) > 1 and on_validation_side(row, step.validation, step.groups)
        sides[held_out].add(made)
        account.take(made, step.texts, row.raw.get(SOURCE), held_out)


@contextmanager
def _no_cycles() -> Iterator[None]:
    """Without the collector of cycles: the rows of a window hold none, and it would look through all of them again and again."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


@contextmanager
def _sides(step: Export, folder: Path, schema: pa.Schema) -> Iterator[tuple[Side, ...]]:
    """Training, and validation if any is held out."""
    folders = [folder, folder / VALIDATION] if step.validation else [folder]
    with ExitStack() as stack:
        yield tuple(
            stack.enter_context(
                writing_side(
                    path,
                    schema,
                    suffix=step.suffix,
                    samples=step.shard_samples,
                    limit=step.shard_bytes,
                    formats=step.formats,
                )
            )
            for path in folders
        )


def _schema(step: Export, kinds: Mapping[str, pa.DataType]) -> pa.Schema:
    """Of the samples as a table."""
    fields = [("image", pa.binary()), ("text", pa.string()), *((name, pa.string()) for name in OWN)]
    shape = step.shape
    refs = {**shape.texts, **shape.columns, **shape.lists}
    return pa.schema([*fields, *((name, kinds[ref]) for name, ref in refs.items())])


def _nothing(step: Export, account: Account) -> str:
    reasons = "; ".join(f"{reason}: {rows}" for reason, rows in account.failures.most_common(3))
    return (
        f"Export {step.name!r} has no sample to write: {step.selection!r} keeps {account.kept} of {account.rows} rows"
        + (f", and of these none could be written ({reasons})" if reasons else "")
        + ". Loosen the selection, or correct `images`, `suffix` and `default`."
    )
