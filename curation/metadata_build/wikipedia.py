"""The texts of a Wikipedia dump (`*-pages-articles.xml.bz2`, MediaWiki's export format), page by page.

Articles only (namespace 0), no redirects. Wikitext is stripped by mwparserfromhell (the extra `wikipedia`): templates, tags,
files and categories go, the words of links stay. That is by far the slowest part, so it may run in several processes; a dump
that another tool made plain (for example WikiExtractor, which MetaCLIP 2 used) is read as a plain text.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import IO, cast
from xml.etree import ElementTree

from curation.metadata_build.streams import Watch, opened, unwatched
from pipeline.errors import ConfigError, DataError

#: Namespaces whose links are no text (files and categories), by their numbers, which all wikis share.
NO_TEXT = frozenset({"-2", "6", "14"})
BATCH = 1 << 18  # characters that a process is given at once


@dataclass
class Dump:
    """An open dump: `prefixes` are the names of its namespaces without text, known before the first page."""

    prefixes: list[str] = field(default_factory=lambda: ["File", "Image", "Category"])


def articles(path: Path, workers: int = 1, watch: Watch = unwatched) -> Iterator[str]:
    """The plain texts of a dump's articles, one string for several of them.

    Raises:
        ConfigError: if mwparserfromhell is not installed.
        DataError: if the file cannot be read to its end, is no XML, or holds no article.
    """
    _require_parser()
    dump, any_page = Dump(), False
    for text in _mapped(dump, _pages(path, dump, watch), workers):
        any_page = True
        yield text
    if not any_page:
        raise DataError(f"{path} holds no article. Name a dump of pages-articles in MediaWiki's export format.")


def plain(pages: list[str], prefixes: list[str]) -> str:
    """The words of pages in wikitext, one page after another."""
    import mwparserfromhell

    names = "|".join(map(re.escape, prefixes))
    links = re.compile(rf"\[\[\s*:?\s*(?:{names})\s*:(?:[^\[\]]|\[\[[^\[\]]*\]\]|\[[^\[\]]*\])*\]\]", re.IGNORECASE)
    return "\n".join(str(mwparserfromhell.parse(links.sub("", page)).strip_code()) for page in pages)


def _pages(path: Path, dump: Dump, watch: Watch) -> Iterator[str]:
    """The wikitext of each article; what was read is forgotten at once."""
    with opened(path, watch) as source:
        try:
            events = ElementTree.iterparse(cast(IO[bytes], source), ("start", "end"))
            _, root = next(events)
            for event, element in events:
                name = element.tag.rpartition("}")[2]
                if event == "end" and name == "namespace" and element.get("key") in NO_TEXT and element.text:
                    dump.prefixes.append(element.text)
                elif event == "end" and name == "page":
                    if text := _article(element):
                        yield text
                    root.clear()
        except ElementTree.ParseError as error:
            raise DataError(f"{path} is not whole XML ({error}). Fetch it again, or name another file.") from error


def _article(page: ElementTree.Element) -> str | None:
    found = {element.tag.rpartition("}")[2]: element for element in page.iter()}
    if "redirect" in found or "ns" not in found or found["ns"].text != "0":
        return None
    return found["text"].text if "text" in found else None


def _mapped(dump: Dump, pages: Iterable[str], workers: int) -> Iterator[str]:
    """`plain` over the pages, in their order; no more batches wait than the processes need."""
    if workers < 2:
        yield from (plain(batch, dump.prefixes) for batch in _batches(pages))
        return
    waiting: deque[Future[str]] = deque()
    with ProcessPoolExecutor(workers, get_context("spawn")) as pool:
        for batch in _batches(pages):
            waiting.append(pool.submit(plain, batch, dump.prefixes))
            if len(waiting) > 2 * workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def _batches(pages: Iterable[str]) -> Iterator[list[str]]:
    held: list[str] = []
    for page in pages:
        held.append(page)
        if sum(map(len, held)) >= BATCH:
            yield held
            held = []
    if held:
        yield held


def _require_parser() -> None:
    try:
        import mwparserfromhell  # noqa: F401
    except ImportError as error:
        raise ConfigError(
            "Wikipedia dumps need the package mwparserfromhell. Install the extra: pip install '.[wikipedia]'."
        ) from error
