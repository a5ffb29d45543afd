"""What a download process does: img2dataset's own Downloader, Resizer and writer, with a guarded fetch and a safe decoder.

Three seams, no more. `download_image` is replaced in img2dataset's module: the one patched function, whose signature the
version check pins. The resizer is wrapped: strangers' bytes meet only our decoder (a format list, a bound on declared pixels,
EXIF orientation, 16 bits, colour profiles), and img2dataset resizes and encodes the plain bitmap that comes out. And the
Downloader is called on one Arrow file, without the processes, folder scans and signal handlers of `img2dataset.download`.
"""

from __future__ import annotations

import hashlib
import io
import math
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.abc import MetaPathFinder
from importlib.metadata import version
from typing import Any

import pyarrow as pa

from curation.download.failure import Failure
from curation.download.fetch import fetch
from curation.download.job import Canonical, Job, Limits
from curation.download.journal import Journal
from curation.images import UnreadableImage, decode
from pipeline.errors import MachineError

IMG2DATASET = "1.47.0"
UNUSED = ("torch", "ray")  # webdataset and img2dataset do without; they are a third of the start and half of the memory
COLUMNS = ["row", "caption", "url"]
DOWNLOAD, RESIZE = "failed_to_download", "failed_to_resize"  # img2dataset's words for a row's status
Resized = tuple[bytes | None, int | None, int | None, int | None, int | None, str | None]


def preload() -> None:
    """Import everything that a job needs, so that forked children need not.

    Raises:
        MachineError: if another img2dataset is installed than the one whose inner functions we know.
    """
    found = version("img2dataset")
    if found != IMG2DATASET:
        raise MachineError(
            f"img2dataset {found} is installed, but its fetch can be guarded only in {IMG2DATASET}. "
            f"Install img2dataset=={IMG2DATASET}."
        )
    with _without(*UNUSED):
        import img2dataset.downloader
        import img2dataset.resizer
        import img2dataset.writer  # noqa: F401


class _Refuse(MetaPathFinder):
    def __init__(self, names: tuple[str, ...]) -> None:
        self._names = names

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        """Say that a module is not there."""
        if name in self._names:
            raise ModuleNotFoundError(f"{name} is left out of this process", name=name)


@contextmanager
def _without(*names: str) -> Iterator[None]:
    """Import as if these optional modules were not installed."""
    finder = _Refuse(names)
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)


def run(job: Job) -> None:
    """Do a job: `00000.tar`, `00000.parquet` and `journal.jsonl` in its folder."""
    from img2dataset import downloader

    journal = Journal(job.folder)
    rows = pa.ipc.open_file(job.folder / "rows.arrow").read_all()
    downloader.download_image = guarded(rows, job.limits, journal)
    _downloader(job, rows.num_rows, SafeResizer(job.canonical, journal)).download_shard(
        (0, str(job.folder / "rows.arrow"))
    )


def _downloader(job: Job, rows: int, resizer: Callable[..., Resized]) -> Any:
    from img2dataset.downloader import Downloader
    from img2dataset.writer import WebDatasetSampleWriter

    return Downloader(
        sample_writer_class=WebDatasetSampleWriter,
        resizer=resizer,
        thread_count=job.thread_count,
        save_caption=True,
        extract_exif=False,
        output_folder=str(job.folder),
        column_list=COLUMNS,
        timeout=job.limits.timeout,
        number_sample_per_shard=rows,
        oom_shard_count=5,
        compute_hash="sha256",
        verify_hash_type=None,  # it would fail every row that has no digest to compare with: `guarded` compares
        encode_format=job.canonical.encode_format,
        retries=0,  # it would try 404s again, and at once: `fetch` knows which to try, and when
        user_agent_token=None,
        disallowed_header_directives=None,
    )


class Body(io.BytesIO):
    """A fetched body that knows its row: img2dataset hands it on to the resizer and digests it."""

    row: int


def guarded(rows: pa.Table, limits: Limits, journal: Journal) -> Callable[..., tuple[int, Body | None, str | None]]:
    """A `download_image` that fetches with limits, compares digests, and keeps the journal.

    Args:
        rows: with `row` (its number in our shard) and `sha256` (given by the list, or null), in the Downloader's order.
    """
    numbers, digests = rows["row"].to_pylist(), rows["sha256"].to_pylist()

    def download_image(row: tuple[int, str], *_: object) -> tuple[int, Body | None, str | None]:
        place, url = row
        number = numbers[place]
        journal.note("fetch", number)
        try:
            body = Body(_verified(fetch(url, limits), digests[place]))
        except Failure as failure:
            journal.note("failed", number, DOWNLOAD, failure.message)
            return place, None, failure.reason
        except Exception as error:  # noqa: BLE001 - a stranger's server must not end the shard, whatever it provokes
            message = f"unexpected error\n{type(error).__name__}: {error}"[:300]
            journal.note("failed", number, DOWNLOAD, message)
            return place, None, "unexpected error"
        body.row = number
        journal.note("fetched", number)
        return place, body, None

    return download_image


def _verified(body: bytes, digest: str | None) -> bytes:
    if digest and hashlib.sha256(body).hexdigest() != digest.lower():
        raise Failure("hash mismatch")
    return body


class SafeResizer:
    """img2dataset's Resizer behind our decoder."""

    def __init__(self, canonical: Canonical, journal: Journal) -> None:
        from img2dataset.resizer import Resizer

        self._journal, self._max_pixels = journal, canonical.max_pixels
        self._resizer = Resizer(
            image_size=canonical.image_size,
            resize_mode=canonical.resize_mode,
            resize_only_if_bigger=canonical.resize_only_if_bigger,
            encode_format=canonical.encode_format,
            encode_quality=canonical.encode_quality,
            min_image_size=canonical.min_image_size,
            max_aspect_ratio=math.inf if canonical.max_aspect_ratio is None else canonical.max_aspect_ratio,
        )

    def __call__(self, body: Body, boxes: object = None) -> Resized:
        """Encoded image, width, height, original width, original height, error."""
        self._journal.note("decode", body.row)
        try:
            bitmap = io.BytesIO()
            decode(body.getvalue(), self._max_pixels).save(bitmap, "BMP")
            made: Resized = self._resizer(bitmap)
        except UnreadableImage as reason:
            made = (None, None, None, None, None, str(reason))
        if made[-1] is None:
            self._journal.note("done", body.row)
        else:
            self._journal.note("failed", body.row, RESIZE, made[-1])
        return made
