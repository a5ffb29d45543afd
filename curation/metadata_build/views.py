"""Titles by their views: Wikimedia's hourly page-view files, or lists that are summed already.

MetaCLIP's rules (its code): of an hourly file the lines that start with the wiki's code; titles with a colon (other
namespaces) are passed over, and so are English lines of fewer than 50 views; the rest is summed, over all files given.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from curation.metadata_build.rules import rules_of
from curation.metadata_build.streams import Watch, blocks, sums, unwatched
from curation.metadata_build.tally import Counts, Tally
from pipeline.errors import DataError

LINE = re.compile(rb"^[^ \n]+ [^ \n]* \d+ \d+$", re.MULTILINE)


@dataclass(frozen=True)
class Titles:
    """The titles of one language with their views. `unreadable`: lines that were not UTF-8."""

    views: Counts
    unreadable: int = 0


@dataclass
class Wiki:
    """The titles of one wiki while hourly files are read; `floor` is the least views of a line that counts."""

    language: str
    tally: Tally
    floor: int
    unreadable: int = 0
    titles: list[str] = field(default_factory=list)
    views: list[int] = field(default_factory=list)

    def saw(self, title: bytes, views: int) -> None:
        """One line."""
        if views < self.floor:
            return
        try:
            self.titles.append(title.decode())
        except UnicodeDecodeError:
            self.unreadable += 1
            return
        self.views.append(views)

    def flush(self) -> None:
        """Count what was seen."""
        _add(self.tally, self.titles, self.views)
        self.titles, self.views = [], []


def count(
    hourly: Iterable[Path],
    summed: Mapping[str, Iterable[Path]],
    languages: Iterable[str],
    scratch: Path,
    *,
    memory: int = 512 << 20,
    floors: Mapping[str, int] | None = None,
    watch: Watch = unwatched,
) -> dict[str, Titles]:
    """Sum the views of titles, for all languages in one reading.

    Args:
        hourly: files of lines `<wiki> <title> <views> <bytes>`; the wiki `zh-yue` is the language `zh_yue`.
        summed: language -> files of lines `<title><TAB><views>`, with underscores or spaces.
        scratch: an empty folder.
        floors: language -> views below which an hourly line is passed over; else by the language's published rules.

    Raises:
        DataError: if a file cannot be read or is no such list.
    """
    wikis: dict[str, Wiki] = {}
    for language in languages:
        floor = (floors or {}).get(language, rules_of(language).min_hourly)
        wikis[language.replace("_", "-")] = Wiki(language, _tally(scratch / language, memory), floor)
    for path in hourly:
        _hour(path, wikis, watch)
    for wiki in wikis.values():
        for path in summed.get(wiki.language, ()):
            for keys, numbers in sums(path, watch):
                _add(wiki.tally, keys, numbers)
    return {wiki.language: Titles(wiki.tally.finish(), wiki.unreadable) for wiki in wikis.values()}


def _tally(folder: Path, memory: int) -> Tally:
    folder.mkdir(parents=True)
    return Tally(folder, memory // 8)


def _hour(path: Path, wikis: Mapping[str, Wiki], watch: Watch) -> None:
    names = b"|".join(re.escape(wiki.encode()) for wiki in wikis)
    line = re.compile(rb"^(%s) ([^ :\n]+) (\d{1,17}) \d+$" % names, re.MULTILINE)
    any_line = False
    for block in blocks(path, watch):
        any_line = any_line or LINE.search(block) is not None
        for wiki, title, views in line.findall(block):
            wikis[wiki.decode()].saw(title, int(views))
        for wiki in wikis.values():
            wiki.flush()
    if not any_line:
        raise DataError(f"{path} is not a page-view file: no line is a wiki, a title, its views and bytes.")


def _add(tally: Tally, titles: list[str], views: list[int]) -> None:
    if titles:
        spaced = pc.replace_substring(pa.array(titles, pa.string()), "_", " ")
        real = pc.invert(pc.match_substring(spaced, ":"))
        tally.add_counted(spaced.filter(real), pa.array(views, pa.int64()).filter(real))
