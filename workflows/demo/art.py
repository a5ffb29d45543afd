"""art.parquet: every clean pair that the packages hold, grouped with its like and split before anything else."""

import io
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from pipeline.pictures import on_white
from pipeline.rows import digest128
from workflows.demo import clipart, emoji
from workflows.demo.cldr import Names
from workflows.demo.fetch import Stock
from workflows.demo.headers import png_size, refusal
from workflows.demo.split import fraction, groups_of, split_of

#: Generated series (1,375 stars) would drown the rest: no title is borne by more pictures than this.
TITLE_CAP = 20
SPOKEN = pa.struct([("text", pa.string()), ("kind", pa.string()), ("lang", pa.string())])
ART = pa.schema(
    [
        ("uid", pa.string()),
        ("path", pa.string()),
        ("source", pa.string()),
        ("name", pa.string()),
        ("texts", pa.list_(SPOKEN)),
        ("group", pa.string()),
        ("split", pa.string()),
        ("width", pa.int32()),
        ("height", pa.int32()),
    ]
)
#: Part of a path -> why such a picture stays out.
WITHHELD = {"sunwheel": "a symbol that hate groups use"}
REFUSED = pa.schema([(name, pa.string()) for name in ("path", "source", "reason")])


@dataclass(frozen=True)
class Picture:
    """One picture before it is looked at: `path` below OUT/art, and `marks`, what it shares with its like."""

    source: str
    path: str
    name: str
    texts: list[dict[str, str]]
    marks: tuple[str, ...]

    @property
    def uid(self) -> str:
        """Its name for ever, whatever host or port serves it."""
        return digest128(f"http://127.0.0.1/art/{self.path}")

    def row(self) -> dict[str, Any]:
        """The columns that are known so far."""
        return {"uid": self.uid, "path": self.path, "source": self.source, "name": self.name, "texts": self.texts}


def withheld(path: str) -> str | None:
    """Why a picture is not shown to everybody who tries a demo, or None."""
    return next((reason for word, reason in WITHHELD.items() if word in path), None)


@dataclass
class Gallery:
    """Rows so far, what each shares with its like, and what was turned away with the reason."""

    folder: Path
    rows: list[dict[str, Any]] = field(default_factory=list)
    marks: dict[str, tuple[str, ...]] = field(default_factory=dict)
    refused: list[dict[str, str]] = field(default_factory=list)

    def hang(self, picture: Picture, image: bytes) -> None:
        """Keep one picture, or turn it away: by its header before it is decoded, then by what decoding says."""
        marks = picture.marks
        try:
            width, height = png_size(image)
            reason = withheld(picture.path) or refusal(width, height)
            if reason is None:
                marks = (*marks, f"pixels {pixel_mark(image)}")
        except (ValueError, OSError) as error:
            reason = f"cannot be decoded: {error}"
        if reason is not None:
            self.turn_away(picture.source, picture.path, reason)
            return
        target = self.folder / picture.path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(image)
        self.marks[picture.uid] = marks
        self.rows.append({**picture.row(), "width": width, "height": height})

    def turn_away(self, source: str, path: str, reason: str) -> None:
        """Record a picture that is not kept."""
        self.refused.append({"path": path, "source": source, "reason": reason})

    def tables(self) -> tuple[pa.Table, pa.Table]:
        """art and refused, in the order of their paths, grouped and split."""
        groups = groups_of(self.marks)
        rows = sorted(self.rows, key=lambda row: str(row["path"]))
        full = [{**row, "group": groups[row["uid"]], "split": split_of(groups[row["uid"]])} for row in rows]
        turned = sorted(self.refused, key=lambda row: row["path"])
        return pa.Table.from_pylist(full, schema=ART), pa.Table.from_pylist(turned, schema=REFUSED)


def build_art(stock: Stock, names: Mapping[str, Names], out: Path) -> tuple[pa.Table, pa.Table]:
    """Write OUT/art/, art.parquet and refused.parquet; gives both tables."""
    gallery = Gallery(out / "art")
    hang_clipart(stock, gallery)
    hang_emoji(stock, names, gallery)
    art, refused = gallery.tables()
    pq.write_table(art, out / "art.parquet")
    pq.write_table(refused, out / "refused.parquet")
    return art, refused


def hang_clipart(stock: Stock, gallery: Gallery) -> None:
    """All clip art, at most TITLE_CAP of a title."""
    words = clipart.read_words(stock)
    titles = Counter(entry.title for entry in words.values())
    pictures = dict(keep_few(stock, words, gallery))
    for path, image in pictures.items():
        said = words.get(path[:-4], clipart.Words())
        name = clipart.name_of(path, said, titles)
        serial = clipart.series(path)
        marks = (f"title {said.title.lower()}" if said.title else "", f"series {serial}" if serial else "")
        texts = clipart.texts_of(path, name, said)
        gallery.hang(Picture("openclipart", f"openclipart/{path}", name, texts, tuple(filter(None, marks))), image)


def keep_few(stock: Stock, words: Mapping[str, clipart.Words], gallery: Gallery) -> Iterator[tuple[str, bytes]]:
    """Pictures, with titles that too many share cut down to TITLE_CAP by hash."""
    pictures = dict(clipart.read_pictures(stock))
    by_title: dict[str, list[str]] = {}
    for path in pictures:
        by_title.setdefault(words.get(path[:-4], clipart.Words()).title, []).append(path)
    for title, paths in by_title.items():
        ordered = sorted(paths, key=lambda path: fraction("title cap", path))
        kept = ordered if not title else ordered[:TITLE_CAP]
        for path in ordered[len(kept) :]:
            gallery.turn_away(
                "openclipart", f"openclipart/{path}", f"more than {TITLE_CAP} pictures bear the title {title!r}"
            )
        yield from ((path, pictures[path]) for path in kept)


def hang_emoji(stock: Stock, names: Mapping[str, Names], gallery: Gallery) -> None:
    """All emoji, their skin tones and genders in one group."""
    for entry, image in emoji.read_emoji(stock):
        texts = emoji.texts_of(entry, names)
        english = next((text["text"] for text in texts if text["lang"] == "en"), entry.fallback)
        gallery.hang(Picture("emoji", f"emoji/{entry.image}", english, texts, (f"emoji {entry.concept}",)), image)


def pixel_mark(image: bytes) -> str:
    """Equal for pictures that look the same at 16 x 16 pixels and 4 bits: re-saved, resized or recompressed copies."""
    with Image.open(io.BytesIO(image), formats=["PNG"]) as opened:
        rgba = opened.convert("RGBA")
    rgba.thumbnail((512, 512), Image.Resampling.NEAREST)
    small = on_white(rgba).resize((16, 16), Image.Resampling.BOX)
    return digest128(bytes(value >> 4 for value in small.tobytes()).hex())
