"""clip-score as a step of a pool: images come from committed tars, and every row of the pool has an outcome."""

import dataclasses
import io
import tarfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

import pyarrow as pa
import pytest

from curation.clip.score import NO_IMAGE, NO_TEXT, ClipScore
from pipeline.parts import read_shard
from pipeline.recipe import recipe
from pipeline.stage import Annotate, Stage
from pipeline.step import Entry, Outcome, Task, Work
from pipeline.store import Store

pytestmark = pytest.mark.slow  # torch and open_clip take seconds to import


@recipe
class Drawn(Stage):
    """Gives each row but every third a picture, in a tar beside its part, as download does."""

    kind: ClassVar[str] = "drawn-for-a-test"
    folder_of_pictures: str

    @property
    def reads(self) -> tuple[str, ...]:
        return ("rows.url",)

    @property
    def writes(self) -> pa.Schema:
        return pa.schema([pa.field("number", pa.int64())])

    @contextmanager
    def open(self, tables: Mapping[str, pa.Table]) -> Iterator[Annotate]:
        def annotate(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
            for batch in batches:
                yield pa.record_batch({"number": [int(url[-2:]) for url in batch["rows.url"].to_pylist()]})

        yield annotate

    @contextmanager
    def start(self, store: Store, tables: Mapping[str, Entry]) -> Iterator[Work]:
        with super().start(store, tables) as work:
            yield lambda task, folder: self._with_tar(work(task, folder), store, task, folder)

    def _with_tar(self, outcome: Outcome, store: Store, task: Task, folder: Path) -> Outcome:
        rows = read_shard(store, task, task.shards[0], ["rows.key", "rows.url"])
        with tarfile.open(folder / "part.tar", "w") as tar:
            for key, url in zip(*(rows[name].to_pylist() for name in ("rows.key", "rows.url")), strict=True):
                if int(url[-2:]) % 3:
                    data = (Path(self.folder_of_pictures) / f"{url[-2:]}.png").read_bytes()
                    member = tarfile.TarInfo(f"{key}.png")
                    member.size = len(data)
                    tar.addfile(member, io.BytesIO(data))
        return dataclasses.replace(outcome, files={**outcome.files, "tar": folder / "part.tar"})


def test_every_row_of_the_pool_has_its_own_score_or_reason(
    make_pool: Callable[..., Any], tiny: Path, tmp_path: Path, picture: Callable[..., bytes]
) -> None:
    for number in range(20):
        (tmp_path / f"{number:02}.png").write_bytes(picture(number))
    captions = [None if number == 4 else f"thing number {number}" for number in range(20)]
    pool = make_pool(
        [{"url": f"http://x.org/{n:02}", "caption": caption} for n, caption in enumerate(captions)], shard_rows=8
    )
    drawn = Drawn(name="download", folder_of_pictures=str(tmp_path))
    small, large = (
        ClipScore(name=f"clip{n}", model="tiny", checkpoint=tiny, device="cpu", batch_rows=n) for n in (2, 64)
    )
    plan = pool.run(drawn, small, large)
    found = pool.columns(plan, "clip2", "*").to_pylist()
    numbers = pool.columns(plan, "download", "number")["number"].to_pylist()
    assert sorted(numbers) == list(range(20))
    for number, row in zip(numbers, found, strict=True):
        reason = NO_IMAGE if number % 3 == 0 else NO_TEXT if number == 4 else None
        assert (row["status"], row["error_message"]) == ("failed" if reason else "success", reason)
        assert (row["clip_score"] is None) == bool(reason)
    other = pool.columns(plan, "clip64", "clip_score")["clip_score"].to_pylist()
    assert [row["clip_score"] for row in found] == [score and pytest.approx(score, abs=1e-5) for score in other]
