"""A pool with everything that a report shows: real intake, languages, matching, balancing and export, and small steps elsewhere.

What each row is stands in its URL (`/dead/`, `/mismatch/`, `/copy/`, ...), and the truth says the same.
"""

from __future__ import annotations

import io
import json
import math
import tarfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image, ImageDraw

from curation.balance import Balance, MatchCounts
from curation.caption_quality import CaptionQuality
from curation.intake import Intake
from curation.langid import LangId
from curation.match import Match
from curation.select import Rule, Select
from pipeline.executor import LocalExecutor
from pipeline.plan import Plan
from pipeline.progress import Progress
from pipeline.recipe import recipe
from pipeline.rows import SUCCESS, uid_of, uniform
from pipeline.run import Run
from pipeline.stage import Annotate, Stage, annotate_shard
from pipeline.step import POOL, Entry, Outcome, Scope, Step, Task, Work
from pipeline.store import Store
from workflows.export.step import Export
from workflows.report.step import Report

HOST = "https://pictures.example"
HOSTILE = "<script>document.title='owned'</script> \u202eevil\x07 & \"quoted\" <img src=x onerror=alert(1)>"
SAYINGS = {
    "en": "a photograph of a {} {} standing on the wooden table in the kitchen",
    "de": "ein Foto von {} {} auf dem hölzernen Tisch in der Küche meiner Großmutter",
    "fr": "une photographie de {} {} sur la table en bois dans la cuisine de ma grand-mère",
    "ru": "фотография, на которой {} {} стоит на деревянном столе в кухне",
    "ar": "صورة {} {} على الطاولة الخشبية في المطبخ الكبير",
    "ja": "台所の木のテーブルの上に置かれた{}{}の写真です",
    "zh": "厨房里的木桌上放着一个{}{}的照片",
}
COLOURS = ("red", "blue", "green", "yellow", "black")
_THINGS = "cat dog apple chair lamp bottle clock violin teapot kettle anvil lantern"
THINGS = tuple(_THINGS.split())
#: path -> (fault, share of the rows, in percent)
FAULTS = {"dead": ("dead_link", 4), "mismatch": ("mismatched_caption", 6), "junk": ("junk_caption", 4)}
FAULTS |= {"moved": ("redirect", 2), "copy": ("exact_duplicate", 3)}


def make_rows(count: int) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The list and its truth. Things follow a power law; the last two lines are hostile, and garbage."""
    rows, truth = [], []
    for k in range(count):
        drawn = uniform(7, str(k), "kind") * 100
        kind, edge = "clean", 0
        for path, (_, share) in FAULTS.items():
            kind, edge = (path, 100) if edge <= drawn < edge + share else (kind, edge + share)
        language = list(SAYINGS)[min(int(-math.log(uniform(7, str(k), "lang") + 1e-9) * 1.6), len(SAYINGS) - 1)]
        thing = THINGS[min(int(-math.log(uniform(7, str(k), "thing") + 1e-9) * 2.2), len(THINGS) - 1)]
        colour = COLOURS[k % len(COLOURS)]
        caption = f"IMG_{k:04d}.jpg" if kind == "junk" else SAYINGS[language].format(colour, thing)
        url, fault = f"{HOST}/{kind}/{colour}/{thing}/{k}.png", FAULTS.get(kind, (None, 0))[0]
        rows.append({"url": url, "caption": caption})
        other = f"{HOST}/clean/{colour}/{thing}/original{k}.png" if kind == "copy" else None
        truth.append(_true(url, fault, thing, language, other))
        if other:
            rows.append({"url": other, "caption": caption})
            truth.append(_true(other, None, thing, language, None))
    rows += [{"url": f"{HOST}/clean/red/cat/hostile.png", "caption": HOSTILE}, {"url": None, "caption": "garbage"}]
    garbage = {"uid": None, "url": None, "fault": "garbage", "detail": "no URL", "true_name": "", "langs": []}
    return rows, [*truth, _true(str(rows[-2]["url"]), None, "cat", "en", None), garbage | {"same_as": None}]


def _true(url: str, fault: str | None, name: str, language: str, same_as: str | None) -> dict[str, Any]:
    told = {"uid": uid_of(url), "url": url, "fault": fault, "detail": fault and f"kind of {fault}", "true_name": name}
    return told | {"langs": [language], "same_as": same_as and uid_of(same_as)}


def write_metadata(folder: Path) -> Path:
    """English concepts by their words, the others by colours and things, as their texts have them; some match nothing."""
    folder.mkdir()
    for language in ("en", "de", "fr", "ru", "ar", "ja", "zh"):
        (folder / f"{language}.txt").write_text(
            "\n".join([*THINGS, *COLOURS, "table", "kitchen", "unicorn", "zeppelin"])
        )
    return folder


@recipe
class Rowwise(Stage):
    """A stage that makes one row at a time: a subclass says `reads`, `columns` and `one`."""

    columns: ClassVar[dict[str, pa.DataType]] = {}

    @property
    def writes(self) -> pa.Schema:
        return pa.schema(list(self.columns.items()))

    @contextmanager
    def open(self, tables: Mapping[str, pa.Table]) -> Iterator[Annotate]:
        yield lambda batches: map(self._batch, batches)

    def _batch(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        made = [self.one(row) for row in batch.to_pylist()]
        schema = pa.schema([*self.writes, pa.field("error_message", pa.string())])
        return pa.RecordBatch.from_pylist(made, schema)

    def one(self, row: dict[str, Any]) -> dict[str, Any]:
        raise NotImplementedError


@recipe
class Paint(Stage):
    """Stands where a download stands: a picture of the URL's colour; /dead/ fails."""

    kind: ClassVar[str] = "test-paint"

    @property
    def reads(self) -> tuple[str, ...]:
        return ("rows.url", "rows.key")

    @property
    def writes(self) -> pa.Schema:
        return pa.schema([("width", pa.int32()), ("height", pa.int32()), ("bytes", pa.int32())])

    @contextmanager
    def start(self, store: Store, tables: Mapping[str, Entry]) -> Iterator[Work]:
        def work(task: Task, folder: Path) -> Outcome:
            made: dict[str, bytes] = {}
            outcome = annotate_shard(
                self, lambda batches: (self._paint(batch, made) for batch in batches), store, task, folder
            )
            with tarfile.open(folder / "images.tar", "w") as tar:
                for key, data in made.items():
                    member = tarfile.TarInfo(f"{key}.jpg")
                    member.size = len(data)
                    tar.addfile(member, io.BytesIO(data))
            return replace(outcome, files={**outcome.files, "tar": folder / "images.tar"})

        yield work

    def _paint(self, batch: pa.RecordBatch, made: dict[str, bytes]) -> pa.RecordBatch:
        found = []
        for url, key in zip(batch["rows.url"].to_pylist(), batch["rows.key"].to_pylist(), strict=True):
            if "/dead/" in url:
                found.append({"error_message": f"HTTP status 404\nfor key {key}"})
                continue
            made[key] = picture(url)
            found.append({"width": 320, "height": 240, "bytes": len(made[key])})
        return pa.RecordBatch.from_pylist(found, pa.schema([*self.writes, pa.field("error_message", pa.string())]))


def picture(url: str) -> bytes:
    """A shape in the colour that the URL names."""
    _, _, _, _, colour, thing, _ = url.split("/")
    image = Image.new("RGB", (320, 240), "white")
    drawing = ImageDraw.Draw(image)
    drawing.regular_polygon((160, 120, 90), 3 + THINGS.index(thing) % 6, fill=colour)
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


@recipe
class Score(Rowwise):
    """High for matched pairs, low for /mismatch/."""

    kind: ClassVar[str] = "test-score"
    columns: ClassVar[dict[str, pa.DataType]] = {"clip_score": pa.float32()}
    text: str = "rows.caption"
    middle: float = 0.24

    @property
    def reads(self) -> tuple[str, ...]:
        return ("download.width", "rows.url", self.text)

    def one(self, row: dict[str, Any]) -> dict[str, Any]:
        low = 0.2 if "/mismatch/" in row["rows.url"] else 0.0
        return {"clip_score": self.middle - low + 0.12 * (uniform(1, row["uid"], self.name) - 0.5) * 2}


@recipe
class Alone(Rowwise):
    """One of each /copy/ and its original."""

    kind: ClassVar[str] = "test-alone"
    columns: ClassVar[dict[str, pa.DataType]] = {"group": pa.int64(), "keep": pa.bool_(), "reject_reason": pa.string()}

    @property
    def reads(self) -> tuple[str, ...]:
        return ("download.width", "rows.url")

    def one(self, row: dict[str, Any]) -> dict[str, Any]:
        copied, original = "/copy/" in row["rows.url"], "/original" in row["rows.url"]
        if not (copied or original):
            return {"keep": True}
        name = Path(row["rows.url"]).stem.removeprefix("original")
        return {"group": int(name), "keep": original, "reject_reason": None if original else "exact_duplicate"}


@recipe
class Write(Rowwise):
    """Captions; a few rows loop and fail."""

    kind: ClassVar[str] = "test-write"
    columns: ClassVar[dict[str, pa.DataType]] = {
        **dict.fromkeys(("short", "medium", "long", "model", "revision", "prompt_id", "prompt_hash"), pa.string()),
        **dict.fromkeys(("prompt_tokens", "completion_tokens", "attempts"), pa.int32()),
        "finish_reason": pa.string(),
        "server": pa.string(),
    }

    @property
    def reads(self) -> tuple[str, ...]:
        return ("download.width", "rows.url")

    def one(self, row: dict[str, Any]) -> dict[str, Any]:
        _, _, _, _, colour, thing, _ = row["rows.url"].split("/")
        told = {
            "model": "painter",
            "revision": "a" * 64,
            "prompt_id": "multi",
            "prompt_hash": "b" * 64,
            "server": "toy 1",
        }
        told |= {"prompt_tokens": 300, "completion_tokens": 40, "finish_reason": "stop", "attempts": 1}
        if uniform(3, row["uid"], "loop") < 0.04:
            return told | {"attempts": 3, "error_message": "the caption repeats itself"}
        words = "It stands in the middle of a white page. " * (1 + int(3 * uniform(3, row["uid"], "long")))
        short = f"a {colour} {thing}"
        return told | {
            "short": short,
            "medium": f"{short} on a white page, seen from the front",
            "long": f"{short}. {words}",
        }


@recipe
class Train(Step):
    """Leaves the record of a training."""

    kind: ClassVar[str] = "test-train"
    scope: ClassVar[Scope] = "pool"

    @property
    def inputs(self) -> tuple[str, ...]:
        return ("shards",)

    @contextmanager
    def start(self, store: Store, tables: Mapping[str, Entry]) -> Iterator[Work]:
        def work(task: Task, folder: Path) -> Outcome:
            lines = [
                {"step": k, "samples": 64 * k, "loss": 4 * math.exp(-k / 80) + 1, "seconds": k / 9}
                for k in range(1, 300)
            ]
            (folder / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
            (folder / "evaluation.json").write_text(json.dumps({"before": _recall(1), "after": _recall(8)}))
            files = {name: folder / name for name in ("metrics.jsonl", "evaluation.json")}
            return Outcome(files, 10, {SUCCESS: 10}, facts={"samples_per_second": 576.0})

        yield work


def _recall(times: int) -> dict[str, Any]:
    chance = {f"R@{k}": k / 200 for k in (1, 5, 10)}
    recall = {k: {"value": times * c, "low": times * c * 0.8, "high": times * c * 1.2} for k, c in chance.items()}
    return {"samples": 200, "distinct_texts": 180, "chance": chance, "image_to_text": recall, "text_to_image": recall}


def steps(metadata: Path) -> list[Step]:
    """The whole recipe but for the intake and the report."""
    texts = (
        Rule(column="words.junk", is_null=True, reason="junk caption"),
        Rule(column="balance.keep", is_true=True, reason="not balanced"),
    )
    pictures = (Rule(column="unique.keep", is_true=True, reason="duplicate"), Rule(column="clip.clip_score", min=0.15))
    return [
        LangId(name="lang", threshold=0.4),
        CaptionQuality(name="words"),
        Match(name="match", metadata=metadata),
        MatchCounts(name="counts"),
        Balance(name="balance", t_en=12),
        Select(name="chosen", rules=texts),
        Paint(name="download", only="chosen"),
        Score(name="clip"),
        Alone(name="unique"),
        Select(name="select", after="chosen", rules=pictures),
        Write(name="captions", only="select"),
        Score(name="clip_short", text="captions.short", middle=0.3),
        Score(name="clip_long", text="captions.long", middle=0.27),
        Export(
            name="shards",
            texts={"caption_alt": "rows.caption", "caption_short": "captions.short"},
            lists={"texts": "rows.texts", "probabilities": "balance.text_probabilities"},
        ),
        Train(name="model"),
    ]


def report(truth: Path, metadata: Path, **changes: Any) -> Report:
    """The report of `steps`."""
    fields: dict[str, Any] = {
        "look": None,
        "caption_scores": {"short": "clip_short", "long": "clip_long"},
    }
    return Report(**(fields | {"truth": truth, "metadata": metadata} | changes))


@dataclass(frozen=True)
class Built:
    """A pool on which the recipe and its report have been run."""

    plan: Plan
    rows: list[dict[str, Any]]
    truth: list[dict[str, Any]]
    page: str
    numbers: dict[str, Any]

    @property
    def entry(self) -> Entry:
        """The report's part."""
        return self.plan.parts(self.plan.by_name["report"], POOL)[-1]


def build(root: Path, count: int, shard_rows: int = 40, **changes: Any) -> Built:
    """Make a pool of about `count` rows and run everything on it, in this process."""
    root.mkdir(parents=True, exist_ok=True)
    rows, truth = make_rows(count)
    pq.write_table(pa.Table.from_pylist(rows), root / "urls.parquet")
    pq.write_table(pa.Table.from_pylist(truth), root / "truth.parquet")
    metadata = write_metadata(root / "metadata")
    last = report(root / "truth.parquet", metadata, **changes)
    return finish(
        root, [Intake(urls=root / "urls.parquet", shard_rows=shard_rows), *steps(metadata), last], rows, truth
    )


def finish(root: Path, recipe_: list[Step], rows: list[dict[str, Any]], truth: list[dict[str, Any]]) -> Built:
    """Run a recipe that ends in a report."""
    store = Store(root / "pool")
    Run(Plan(store, recipe_), LocalExecutor(store), Progress())()
    plan = Plan(store, recipe_)
    files = plan.parts(plan.by_name["report"], POOL)[-1].files
    page, numbers = (store.get(files[name][0]).decode() for name in ("report.html", "report.json"))
    return Built(plan, rows, truth, page, json.loads(numbers))
