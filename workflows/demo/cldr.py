"""Names and keywords of emoji, countries and languages in many languages, from either packaging of CLDR."""

import json
import re
from collections import defaultdict
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from xml.etree import ElementTree

from workflows.demo.fetch import Stock
from workflows.demo.packages import ANNOTATIONS, CLDR_CORE, DERIVED, LOCALENAMES
from workflows.demo.unpack import members

#: The languages whose names hang on the demo's pictures: CLDR's code, which for all of them is also the label of fastText lid.176.
# fmt: off
LOCALES = (
    "en", "de", "fr", "es", "it", "pt", "nl", "sv", "da", "no", "fi", "pl", "cs", "sk", "hu",
    "ro", "bg", "hr", "sr", "sl", "uk", "ru", "el", "tr", "ar", "he", "fa", "hi", "bn", "ta",
    "te", "th", "vi", "id", "ms", "ja", "ko", "zh", "ca", "et", "lt", "lv", "ka", "hy", "sw",
)
# fmt: on
JSON_PATH = re.compile(
    r"package/(annotations|annotationsDerived|main)/([^/]+)/(annotations|territories|languages)\.json"
)
XML_PATH = re.compile(r"usr/share/unicode/cldr/common/(annotations|annotationsDerived|main)/([^/]+)\.xml")


@dataclass
class Names:
    """What CLDR says in one language: emoji -> (name, keywords), and names of places and languages."""

    emoji: dict[str, tuple[str, tuple[str, ...]]] = field(default_factory=dict)
    titles: list[str] = field(default_factory=list)


def read_cldr(stock: Stock, locales: Collection[str] = LOCALES) -> dict[str, Names]:
    """Language -> names, for each of `locales` that the archives hold; empty where CLDR could not be had."""
    names: dict[str, Names] = defaultdict(Names)
    for package in (ANNOTATIONS, DERIVED, LOCALENAMES, CLDR_CORE):
        archive = stock.get(package)
        if archive is None:
            continue
        pattern = XML_PATH if package is CLDR_CORE else JSON_PATH
        for path, content in members(archive, lambda path, pattern=pattern: wanted(pattern, path, locales)):  # type: ignore[misc]
            match = pattern.fullmatch(path)
            assert match is not None
            read = from_xml if package is CLDR_CORE else from_json
            read(match[1], content, names[match[2]])
    return {locale: names[locale] for locale in locales if locale in names}


def wanted(pattern: re.Pattern[str], path: str, locales: Collection[str] = LOCALES) -> bool:
    """Whether a member holds names in one of these languages."""
    match = pattern.fullmatch(path)
    return match is not None and match[2] in locales


def from_json(kind: str, content: bytes, names: Names) -> None:
    """Add what one JSON file of the npm packages says."""
    document = json.loads(content)
    if kind == "main":
        (locale,) = document["main"].values()
        for table in locale["localeDisplayNames"].values():
            names.titles.extend(name for code, name in table.items() if "-alt-" not in code)
        return
    for character, entry in document[kind]["annotations"].items():
        if "tts" in entry:
            names.emoji[bare(character)] = (entry["tts"][0], tuple(entry.get("default", ())))


def from_xml(kind: str, content: bytes, names: Names) -> None:
    """Add what one XML file of the Debian package says (`↑↑↑` there means: as the parent locale)."""
    tree = ElementTree.fromstring(content)
    if kind == "main":
        for table in ("territories/territory", "languages/language"):
            names.titles.extend(plain(tree.iterfind(f"localeDisplayNames/{table}")))
        return
    keywords: dict[str, tuple[str, ...]] = {}
    for entry in tree.iterfind("annotations/annotation"):
        character, text = bare(entry.get("cp", "")), (entry.text or "").strip()
        if entry.get("type") == "tts":
            names.emoji[character] = (text, keywords.get(character, ()))
        else:
            keywords[character] = tuple(word.strip() for word in text.split("|"))


def plain(elements: Iterator[ElementTree.Element]) -> Iterator[str]:
    """The texts of elements that are neither variants nor references to a parent."""
    for element in elements:
        if element.text and not element.get("alt") and element.text != "↑↑↑":
            yield element.text


def bare(character: str) -> str:
    """An emoji without the presentation selector, which some packages write and others leave out."""
    return character.replace("\ufe0f", "")
