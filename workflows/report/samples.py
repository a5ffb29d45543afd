"""Rows to look at: kept ones, some for every reason, planted faults that slipped through, and groups of duplicates.

Which rows are shown is drawn by a keyed hash of their uid: nobody chose the good ones, and the page is the same every time.
"""

from __future__ import annotations

import base64
import heapq
import io
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from curation.images import UnreadableImage, decode
from pipeline.parts import Members
from pipeline.rows import uniform
from workflows.report.fates import KEPT, WAITING, first_line
from workflows.report.sources import Numbers, Sources, View
from workflows.report.truth import HARMLESS, Truth

SIDE, QUALITY = 128, 78  # of thumbnails, in pixels and of JPEG
LONGEST = 600  # characters of a text on the page
GRANULARITIES = ("short", "medium", "long")


@dataclass
class Lot:
    """The rows with the smallest draws of those that were offered.

    Attributes:
        size: how many are kept.
        seen: how many were offered.
    """

    size: int
    seen: int = 0
    _heap: list[tuple[float, str, Numbers]] = field(default_factory=list)

    def wants(self, draw: float) -> bool:
        """Count a row; whether it would be kept."""
        self.seen += 1
        return len(self._heap) < self.size or draw < -self._heap[0][0]

    def put(self, draw: float, row: Numbers) -> None:
        """Take a row in, and the one with the largest draw out."""
        heapq.heappush(self._heap, (-draw, row["uid"], row))
        if len(self._heap) > self.size:
            heapq.heappop(self._heap)

    def rows(self) -> list[Numbers]:
        """The rows, in the order of their draws."""
        return [row for _, _, row in sorted(self._heap, key=lambda item: (-item[0], item[1]))]


class Samples:
    """Draws rows a reason, and cuts their thumbnails at the end."""

    def __init__(self, sources: Sources, truth: Truth | None, kept: int, each: int, reasons: int) -> None:
        self._sources, self._truth = sources, truth
        self._kept, self._missed = Lot(kept), Lot(each * 3)
        self._out: dict[tuple[str, str, str], Lot] = defaultdict(lambda: Lot(each))
        self._reasons = reasons

    def add(self, view: View) -> None:
        """Take one shard in."""
        reader = _Reader(view, self._sources, self._truth)
        for row, uid in enumerate(view.get("rows", "uid")):
            draw, fate = uniform(0, uid, "report"), view.fates[row]
            if fate.how == KEPT:
                lots = [self._kept, *([self._missed] if self._slipped(uid) else [])]
            elif fate.how != WAITING:
                lots = [self._out[fate.role, fate.how, fate.reason]]
            else:
                continue
            wanting = [lot for lot in lots if lot.wants(draw)]
            made = reader.row(row) if wanting else None
            for lot in wanting:
                lot.put(draw, made or {})

    def _slipped(self, uid: str) -> bool:
        fault = self._truth.fault(uid) if self._truth else None
        return fault is not None and fault not in HARMLESS and "duplicate" not in fault

    def numbers(self) -> Numbers:
        """The rows, each with its thumbnail where it has a picture."""
        kept, missed, groups = self._kept.rows(), self._missed.rows(), self._groups()
        thumbnails(self._sources, [*kept, *missed, *(row for group in groups for row in group["rows"])])
        return {
            "kept": kept,
            "kept_of": self._kept.seen,
            "missed": missed,
            "missed_of": self._missed.seen,
            "groups": groups,
            "unshown": len(self._out) - len(groups),
        }

    def _groups(self) -> list[Numbers]:
        """The most frequent reasons, in the order of the data."""
        order = list(self._sources.roles)
        common = sorted(self._out.items(), key=lambda item: (-item[1].seen, item[0]))[: self._reasons]
        common.sort(key=lambda item: order.index(item[0][0]))
        return [
            {"step": self._sources.roles[role], "how": how, "reason": reason, "of": lot.seen, "rows": lot.rows()}
            for (role, how, reason), lot in common
        ]


@dataclass(frozen=True)
class _Reader:
    """Makes a row of a shard ready for the page."""

    view: View
    sources: Sources
    truth: Truth | None

    def row(self, row: int) -> Numbers:
        """All that is shown of it."""
        uid, fate = self.view.get("rows", "uid")[row], self.view.fates[row]
        texts = [item["text"] for item in self.view.get("rows", "texts")[row] or []]
        spoken = {name: self.view.get("captions", name)[row] for name in GRANULARITIES}
        line = self.truth.of(uid, self.view.get("rows", "url")[row]) if self.truth else None
        return {
            "uid": uid,
            "shard": self.view.shard,
            "key": self.view.get("rows", "key")[row],
            "caption": clip(self.view.get("rows", "caption")[row]),
            "more_texts": [clip(text) for text in texts[1:4]],
            "captions": {name: clip(text) for name, text in spoken.items() if text},
            "caption_error": self._caption_error(row),
            "language": self.view.get("languages", "language")[row],
            "score": _rounded(self.view.get("scores", "clip_score")[row]),
            "step": self.sources.roles.get(fate.role, ""),
            "reason": fate.reason,
            "fault": (line or {}).get("fault"),
            "detail": clip((line or {}).get("detail")),
            "true_name": clip((line or {}).get("true_name")),
        }

    def _caption_error(self, row: int) -> str | None:
        error = self.view.get("captions", "error_message")[row]
        return first_line(error) if error else None


def clip(text: str | None) -> str | None:
    """A text as far as a page shows it: control characters replaced, and no longer than a paragraph."""
    if text is None:
        return None
    shown = "".join(mark if mark >= " " or mark in "\n\t" else "\ufffd" for mark in text[:LONGEST])
    return shown if len(text) <= LONGEST else f"{shown} … ({len(text):,} characters)"


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)


def thumbnails(sources: Sources, rows: Sequence[Numbers]) -> None:
    """Put a `thumbnail` (data URL, or None) into each row; a row may stand in the list twice."""
    for shard, members in _members(sources, {row["shard"] for row in rows}):
        for row in rows:
            if row["shard"] == shard:
                row["thumbnail"] = _thumbnail(members.get(row["key"]) if members else None)


def _members(sources: Sources, shards: set[int]) -> Iterator[tuple[int, Members | None]]:
    step = sources.roles.get("download")
    for shard in sorted(shards):
        yield shard, Members(sources.store, sources.task.inputs[step][shard]) if step else None


def _thumbnail(data: bytes | None) -> str | None:
    """A JPEG of at most SIDE pixels as a data URL; None for what is not there or cannot be decoded."""
    if data is None:
        return None
    try:
        image = decode(data)
    except UnreadableImage:
        return None
    image.thumbnail((SIDE, SIDE))
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=QUALITY, optimize=True)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()
