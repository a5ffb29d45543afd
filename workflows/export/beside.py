"""What lies beside the tars of one side: the index of their samples, DataComp's uid subset, and the same samples as tables."""

from __future__ import annotations

from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from curation.subset import uid_subset
from pipeline.errors import ConfigError
from workflows.export.sample import Sample
from workflows.export.writer import Place

Format = Literal["parquet", "lance"]
INDEX, SUBSET, LANCE = "index.parquet", "uids.npy", "samples.lance"
ROWS = 4096
INDEX_SCHEMA = pa.schema(
    [
        pa.field("uid", pa.string()),
        pa.field("key", pa.string()),
        pa.field("shard", pa.string()),
        pa.field("position", pa.int32()),
        pa.field("offset", pa.int64()),
        pa.field("bytes", pa.int32()),
    ]
)


@dataclass
class Index:
    """One line a sample, in the order of the tars: which shard it is in, and where its image begins and ends."""

    folder: Path
    _lines: list[tuple[str, str, str, int, int, int]] = field(default_factory=list)
    _writer: pq.ParquetWriter | None = None

    def add(self, sample: Sample, place: Place) -> None:
        """Note a sample."""
        self._lines.append((str(sample.fields["uid"]), sample.key, *place))
        if len(self._lines) == ROWS:
            self._flush()

    def close(self) -> dict[str, Path]:
        """Finish; the index and the sorted uids. The uids of all samples are in memory then, some 100 bytes each."""
        self._flush()
        if self._writer:
            self._writer.close()
        with (self.folder / SUBSET).open("wb") as file:
            uids = pq.read_table(self.folder / INDEX, columns=["uid"])["uid"]
            np.save(file, uid_subset(uids.to_pylist()))
        return {INDEX: self.folder / INDEX, SUBSET: self.folder / SUBSET}

    def _flush(self) -> None:
        if not self._writer:
            self._writer = pq.ParquetWriter(self.folder / INDEX, INDEX_SCHEMA, compression="zstd")
        columns = list(zip(*self._lines, strict=True)) or [()] * len(INDEX_SCHEMA)
        arrays = [pa.array(column, kind.type) for column, kind in zip(columns, INDEX_SCHEMA, strict=True)]
        self._writer.write_table(pa.table(arrays, schema=INDEX_SCHEMA))
        self._lines.clear()


@dataclass
class Tables:
    """The samples as parquet, one file a tar: `image`, `text` and every field of the json, in the order of the tar.

    Attributes:
        folder: where they go.
        schema: of every file: `image` and `text` first, then the fields.
    """

    folder: Path
    schema: pa.Schema
    _lines: list[dict[str, Any]] = field(default_factory=list)
    _held: int = 0
    _shard: str = ""
    _writer: pq.ParquetWriter | None = None
    _paths: dict[str, Path] = field(default_factory=dict)

    def add(self, sample: Sample, place: Place) -> None:
        """Append a sample."""
        if place.shard != self._shard:
            self._finish()
            self._shard = place.shard
        self._lines.append({"image": bytes(sample.image), "text": sample.text, **sample.fields})
        self._held += len(sample.image)
        if len(self._lines) == ROWS or self._held > 64 << 20:
            self._flush()

    def close(self) -> dict[str, Path]:
        """Finish; the files by name."""
        self._finish()
        return self._paths

    def _flush(self) -> None:
        table = pa.Table.from_pylist(self._lines, self.schema)
        if not self._writer:
            path = self.folder / self._shard.replace(".tar", ".parquet")
            self._writer, self._paths[path.name] = pq.ParquetWriter(path, self.schema, compression="zstd"), path
        self._writer.write_table(table)
        self._lines.clear()
        self._held = 0

    def _finish(self) -> None:
        if self._lines:
            self._flush()
        if self._writer:
            self._writer.close()
            self._writer = None


def lance_of(folder: Path, tables: dict[str, Path]) -> dict[str, Path]:
    """The tables as one Lance dataset. Lance names its files at random: these alone differ from run to run.

    Raises:
        ConfigError: if Lance is not installed.
    """
    try:
        lance = import_module("lance")
    except ImportError as error:
        raise ConfigError("formats: lance needs the package pylance. Install it with: pip install pylance") from error
    import pyarrow.dataset as ds

    data = ds.dataset([str(path) for path in tables.values()], format="parquet")
    lance.write_dataset(data.scanner(batch_size=256).to_reader(), str(folder / LANCE))
    return {
        f"{LANCE}/{path.relative_to(folder / LANCE)}": path for path in (folder / LANCE).rglob("*") if path.is_file()
    }
