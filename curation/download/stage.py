"""Download: the rows of each shard to images, by img2dataset, with a reason for every row that has none."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar, Literal

import pyarrow as pa

from curation.download.attempts import Found, download_rows
from curation.download.job import Canonical, Job, Limits
from curation.download.rekey import Meta, write_tar
from curation.download.runner import DOWNLOAD, RESIZE
from curation.download.watch import Nursery
from pipeline.errors import ConfigError
from pipeline.recipe import execution, recipe
from pipeline.rows import SUCCESS
from pipeline.stage import Stage, annotate_shard
from pipeline.step import Entry, Outcome, Task, Work
from pipeline.store import Store

ROWS = pa.schema(
    [
        pa.field("row", pa.int64()),
        pa.field("url", pa.string()),
        pa.field("caption", pa.string()),
        pa.field("sha256", pa.string()),
    ]
)
SIZES = ("width", "height", "original_width", "original_height")
WRITES = pa.schema(
    [
        *(pa.field(name, pa.int32()) for name in SIZES),
        pa.field("sha256", pa.string()),
        pa.field("stored_sha256", pa.string()),
        pa.field("bytes", pa.int32()),
    ]
)


@recipe
class Download(Stage):
    """Images of the rows' URLs, resized and encoded once; img2dataset's options under img2dataset's names.

    Attributes:
        image_size, resize_mode, resize_only_if_bigger, encode_format, encode_quality: of the stored image.
        min_image_size, max_aspect_ratio: of the original; what is outside fails.
        max_pixels: that a header may declare; more is refused before it is decoded.
        max_bytes: of a body; the rest is not read.
        disallowed_header_directives, refuse_tdm_reservation: what owners may say to be left out.
        timeout: seconds for one attempt at one URL, everything included.
        retries: further attempts at failures that may pass, with back-off and Retry-After.
        allow_hosts: `host:port` that may be reached although private; every other private address is refused.
        user_agent: name yourself and how to reach you, such as `mylab/1.0 (+https://mylab.org/crawl)`.
        stall_seconds, shard_seconds: after which a download process is killed, without progress and altogether.
    """

    kind: ClassVar[str] = "download"

    image_size: int = 512
    resize_mode: Literal["no", "keep_ratio", "keep_ratio_largest", "center_crop", "border"] = "keep_ratio_largest"
    resize_only_if_bigger: bool = True
    encode_format: Literal["jpg", "png", "webp"] = "jpg"
    encode_quality: int = 95
    min_image_size: int = 0
    max_aspect_ratio: float | None = None
    max_pixels: int = 20_000_000
    max_bytes: int = 20_000_000
    disallowed_header_directives: tuple[str, ...] = Limits.disallowed_header_directives
    refuse_tdm_reservation: bool = True
    timeout: float = execution(default=10.0)
    retries: int = execution(default=1)
    max_redirects: int = execution(default=5)
    thread_count: int = execution(default=64)
    allow_hosts: tuple[str, ...] = execution(default=())
    user_agent: str = execution(default="pairpool")
    stall_seconds: float = execution(default=60.0)
    shard_seconds: float = execution(default=7200.0)

    def __post_init__(self) -> None:
        """Check what img2dataset would refuse only when the first shard runs."""
        if self.encode_format == "png" and not 0 <= self.encode_quality <= 9:
            raise ConfigError(
                f"Step {self.name!r}: encode_quality {self.encode_quality} does not fit png, whose quality is a compression "
                "level from 0 to 9. Set it to 6, say."
            )

    @property
    def reads(self) -> tuple[str, ...]:
        """What img2dataset is told, and the digest that the list gave."""
        return ("rows.key", "rows.url", "rows.caption", "rows.sha256")

    @property
    def writes(self) -> pa.Schema:
        """`sha256` is of the downloaded bytes, `stored_sha256` and `bytes` of the image in the tar; sizes in pixels, upright."""
        return WRITES

    @property
    def folder(self) -> str:
        """Images lie apart from columns."""
        return f"images/{self.name}/{self.version}"

    @contextmanager
    def start(self, store: Store, tables: Mapping[str, Entry]) -> Iterator[Work]:
        """Give the function that downloads one shard."""
        with Nursery() as nursery:

            def work(task: Task, folder: Path) -> Outcome:
                shard = _Shard(self, nursery, folder)
                outcome = annotate_shard(self, shard.annotate, store, task, folder)
                return replace(outcome, files={**outcome.files, **shard.files}) if outcome.files else outcome

            yield work

    def job(self, folder: Path) -> Job:
        """What a download process is told."""
        return Job(
            folder,
            self.thread_count,
            Limits(**{name: getattr(self, name) for name in Limits.__dataclass_fields__}),
            Canonical(**{name: getattr(self, name) for name in Canonical.__dataclass_fields__}),
        )


@dataclass
class _Shard:
    """One shard on its way: annotates its rows, and keeps the files that come with them."""

    stage: Download
    nursery: Nursery
    folder: Path
    files: dict[str, Path] = field(default_factory=dict)

    def annotate(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        rows = [row for batch in batches for row in batch.to_pylist()]
        todo = [{"row": k, **{name: row[f"rows.{name}"] for name in ROWS.names[1:]}} for k, row in enumerate(rows)]
        stage, job = self.stage, self.stage.job(self.folder / "attempts")
        table = pa.Table.from_pylist(todo, ROWS)
        found = download_rows(self.nursery, job, table, stage.stall_seconds, stage.shard_seconds)
        made = self._tar(rows, found)
        self._stats(len(rows), found)
        yield _batch(len(rows), made, found)

    def _tar(self, rows: list[dict[str, Any]], found: Found) -> dict[int, Meta]:
        """Write the tar in row order; what is known of each image, by row."""
        path, order = self.folder / "images.tar", sorted(found.samples)
        metas = [_meta(rows[k], found.samples[k].meta) for k in order]
        samples = ((rows[k]["rows.key"], found.samples[k], meta) for k, meta in zip(order, metas, strict=True))
        stored = write_tar(path, samples, self.stage.encode_format)
        self.files["tar"] = path
        extra = [{"stored_sha256": digest, "bytes": size} for digest, size in stored]
        return {k: meta | more for k, meta, more in zip(order, metas, extra, strict=True)}

    def _stats(self, rows: int, found: Found) -> None:
        """Write img2dataset's statistics; without its times, which would vary the bytes."""
        statuses = Counter(status for status, _ in found.failed.values())
        reasons = Counter(message.splitlines()[0] for _, message in found.failed.values())
        stats = {
            "count": rows,
            "successes": len(found.samples),
            DOWNLOAD: statuses[DOWNLOAD],
            RESIZE: statuses[RESIZE],
            "status_dict": dict(sorted((reasons + Counter({SUCCESS: len(found.samples)})).items())),
        }
        path = self.folder / "images_stats.json"
        path.write_text(json.dumps(stats, indent=4))
        self.files["stats.json"] = path


def _meta(row: dict[str, Any], told: Meta) -> Meta:
    """The JSON of a sample: img2dataset's fields, our uid and key."""
    ours = {"uid": row["uid"], "url": row["rows.url"], "caption": row["rows.caption"], "key": row["rows.key"]}
    return ours | {name: told[name] for name in ("status", "error_message", *SIZES, "sha256")}


def _batch(rows: int, made: Mapping[int, Meta], found: Found) -> pa.RecordBatch:
    columns = {f.name: pa.array([made.get(k, {}).get(f.name) for k in range(rows)], f.type) for f in WRITES}
    errors = [None if k in made else found.failed[k][1] for k in range(rows)]
    return pa.record_batch(columns | {"error_message": pa.array(errors, pa.string())})
