"""One side of an export, training or validation: a folder of shards that is complete in itself."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from pipeline.rows import uniform
from workflows.export.beside import Format, Index, Tables, lance_of
from workflows.export.gather import Row
from workflows.export.sample import Sample, Suffix
from workflows.export.writer import ShardWriter, writing

VALIDATION = "validation"
MARK = f"@{VALIDATION}"  #: ends the roles of that side, so that whoever asks an export for its `*.tar` gets none of it


@dataclass
class Side:
    """The shards of a side and what lies beside them.

    Attributes:
        writer: of the tars.
        index: of their samples.
        tables: the samples as parquet, if asked for in any further format.
        formats: which of them to keep.
    """

    writer: ShardWriter
    index: Index
    tables: Tables | None
    formats: tuple[Format, ...]

    def add(self, sample: Sample) -> None:
        """Append a sample."""
        place = self.writer.add(sample)
        self.index.add(sample, place)
        if self.tables:
            self.tables.add(sample, place)

    def close(self) -> dict[str, Path]:
        """Finish; every file by its name in the folder. A side without samples has none."""
        if not self.writer.sizes:
            return {}
        files = self.writer.close() | self.index.close()
        tables = self.tables.close() if self.tables else {}
        if "lance" in self.formats:
            files |= lance_of(self.writer.folder, tables)
        return files | tables if "parquet" in self.formats else files


@contextmanager
def writing_side(
    folder: Path, schema: pa.Schema, *, suffix: Suffix, samples: int, limit: int | None, formats: tuple[Format, ...]
) -> Iterator[Side]:
    """A side in a folder; call `close` on it for its files."""
    with writing(folder, suffix, samples, limit) as writer:
        yield Side(writer, Index(folder), Tables(folder, schema) if formats else None, formats)


def on_validation_side(row: Row, share: float, groups: str | None) -> bool:
    """Whether a row is held out: by the keyed hash of its duplicate group, or of its uid if it has no twin.

    All rows of a group fall on one side, whatever the order, the shards or the shuffle.
    """
    group = row.raw[groups] if groups else None
    return uniform(0, row.uid if group is None else str(group), "validation") < share


def role_of(name: str, validation: bool) -> str:
    """The role of a file of a side in the ledger."""
    return name + MARK if validation else name


def path_of(role: str) -> str:
    """Where a role's file lies in the folder of the export."""
    return f"{VALIDATION}/{role.removesuffix(MARK)}" if role.endswith(MARK) else role
