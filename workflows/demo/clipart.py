"""Clip art: the pictures of one Debian package, the words of another, and alt-text as the web would write it."""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from html import unescape
from pathlib import PurePosixPath

from workflows.demo.fetch import Stock
from workflows.demo.packages import PNG, SVG
from workflows.demo.split import fraction
from workflows.demo.unpack import members

PNG_ROOT, SVG_ROOT = "usr/share/openclipart/png/", "usr/share/openclipart/svg/"
#: A title that more pictures than this bear names a collection, not a thing.
SHARED = 3
METADATA = re.compile(rb"<metadata.*?</metadata>", re.DOTALL)
#: The author's own words stand before these; the same tags inside them name people and licences.
WORK_END = re.compile(r"<dc:(?:publisher|creator|rights)>")


@dataclass(frozen=True)
class Words:
    """What an SVG says about itself; any of it may be empty."""

    title: str = ""
    description: str = ""
    keywords: tuple[str, ...] = ()
    author: str = ""


def read_words(stock: Stock) -> dict[str, Words]:
    """Path of a picture without its suffix -> words, from the SVGs' own metadata."""
    archive = stock.get(SVG)
    if archive is None:
        return {}
    found = members(archive, lambda path: path.startswith(SVG_ROOT) and path.endswith(".svg"))
    return {path[len(SVG_ROOT) : -4]: words_of(content) for path, content in found}


def read_pictures(stock: Stock) -> Iterator[tuple[str, bytes]]:
    """(path under the package's folder, PNG as shipped); links, which show a picture a second time, are passed over."""
    archive = stock.get(PNG)
    if archive is not None:
        for path, content in members(archive, lambda path: path.startswith(PNG_ROOT) and path.endswith(".png")):
            yield path[len(PNG_ROOT) :], content


def words_of(svg: bytes) -> Words:
    """Title, description, keywords and author of one SVG. Parsed by pattern: a tenth of them are no valid XML."""
    match = METADATA.search(svg)
    if match is None:
        return Words()
    text = match[0].decode("utf-8", "replace")
    work = text.split("<dc:rights>")[0]
    return Words(
        title=first(r"<dc:title>(.*?)</dc:title>", WORK_END.split(work)[0]),
        description=first(r"<dc:description>(.*?)</dc:description>", work),
        keywords=tuple(k for k in map(clean, re.findall(r"<rdf:li>(.*?)</rdf:li>", work, re.DOTALL)) if k),
        author=first(r"<dc:creator>.*?<dc:title>(.*?)</dc:title>", text),
    )


def first(pattern: str, text: str) -> str:
    """The first match of a pattern's group, cleaned, or an empty text."""
    match = re.search(pattern, text, re.DOTALL)
    return clean(match[1]) if match else ""


def clean(text: str) -> str:
    """Entities resolved, tags and runs of space gone."""
    return " ".join(re.sub(r"<[^>]*>", " ", unescape(text)).split())


def name_of(path: str, words: Words, titles: Counter[str]) -> str:
    """A short English name: the title where few pictures share it, else what the file name says without its author."""
    title = re.sub(r"^Clipart by [\w ]+ - ", "", words.title)
    if title and titles[words.title] <= SHARED and len(title) <= 60:
        return spaced(title)
    return spaced(without_author(PurePosixPath(path).stem, words.author)) or spaced(PurePosixPath(path).stem)


def without_author(stem: str, author: str) -> str:
    """`armadillo_architetto_fra_01` -> `armadillo`: the file names end in the author's name, cut at 24 characters."""
    stem = re.sub(r"[_-]*\d*$", "", stem)
    slug = re.sub(r"\W+", "_", author.lower())
    marks = [m.start() for m in re.finditer("[_-]", stem)]
    for cut in marks:
        tail = stem[cut + 1 :].lower().strip("_")
        if len(tail) >= 2 and slug.startswith(tail):
            return stem[:cut]
    return stem


def spaced(text: str) -> str:
    """Words apart: `red_car02` -> `red car`."""
    text = re.sub(r"[_\-.]+", " ", text)
    return " ".join(re.sub(r"(?<=[A-Za-z])\d+\b|\b\d+$", "", text).split())


def series(path: str) -> str | None:
    """What the pictures of one series share: the file name without its number. None where too little is left."""
    stem = re.sub(r"[_\-.]*\d*[_\-.]*$", "", PurePosixPath(path).stem.lower())
    return stem if len(stem) > 3 else None


def alt_text(path: str, name: str, words: Words) -> str:
    """Alt-text as found in the wild: sometimes the name, sometimes everything, sometimes only the file name.

    Which of these is drawn by the hash of the path. Shared titles and keywords such as `hash` stay in.
    """
    keywords, title = ", ".join(words.keywords[:8]), words.title or name
    drawn = fraction("alt", path)
    if drawn < 0.05:
        return PurePosixPath(path).name
    if drawn < 0.30 and words.description:
        return f"{title}. {words.description[:200]}"
    if drawn < 0.60 and keywords:
        return f"{name}, {keywords}"
    if drawn < 0.80 and keywords:
        return f"{title} - {keywords}"
    return title if drawn < 0.90 else f"{name} clip art"


def texts_of(path: str, name: str, words: Words) -> list[dict[str, str]]:
    """The texts of one picture: the composed alt-text first, then what it was composed of."""
    parts = {
        "alt": alt_text(path, name, words),
        "name": name,
        "title": words.title,
        "description": words.description[:1000],
        "keywords": ", ".join(words.keywords),
    }
    return [{"text": text, "kind": kind, "lang": "en"} for kind, text in parts.items() if text]
