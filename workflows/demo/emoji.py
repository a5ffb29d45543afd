"""Emoji: artwork of 64 pixels from one npm package, named in many languages by CLDR."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from workflows.demo.cldr import Names, bare
from workflows.demo.fetch import Stock
from workflows.demo.packages import EMOJI
from workflows.demo.unpack import members

IMAGES = re.compile(r"package/img/google/64/([0-9a-f-]+\.png)")
SKIN_TONES = {"1f3fb", "1f3fc", "1f3fd", "1f3fe", "1f3ff"}
#: Code points that make a variant of one concept: presentation selector, joiners of gender, right-facing arrow.
DROPPED = SKIN_TONES | {"fe0f", "2640", "2642", "27a1"}
#: Man and woman are the person, boy and girl the child, old man and old woman the older person, of one concept.
PEOPLE = {"1f468": "1f9d1", "1f469": "1f9d1", "1f466": "1f9d2", "1f467": "1f9d2", "1f474": "1f9d3", "1f475": "1f9d3"}


@dataclass(frozen=True)
class Emoji:
    """One picture: its file name, the characters that it shows, and the set's own category."""

    image: str
    characters: str
    category: str
    fallback: str

    @property
    def concept(self) -> str:
        """The code points without skin tone, gender and age: what all variants of one emoji share."""
        points = [point for point in self.image.removesuffix(".png").split("-") if point not in DROPPED]
        kept = [PEOPLE.get(point, point) for point in points]
        while kept and kept[-1] == "200d":
            kept.pop()
        return "-".join(kept)


def read_emoji(stock: Stock) -> Iterator[tuple[Emoji, bytes]]:
    """Every emoji with its PNG, skin tones included."""
    archive = stock.get(EMOJI)
    if archive is None:
        return
    known: dict[str, Emoji] = {}
    # The index stands before the pictures in the archive, so one pass does.
    for path, content in members(
        archive, lambda path: path == "package/emoji.json" or IMAGES.fullmatch(path) is not None
    ):
        if path == "package/emoji.json":
            known = {emoji.image: emoji for entry in json.loads(content) for emoji in variants(entry)}
        elif (emoji := known.get(path.rsplit("/", 1)[1])) is not None:
            yield emoji, content


def variants(entry: dict[str, Any]) -> Iterator[Emoji]:
    """The emoji of one index entry and its skin tones."""
    for form in (entry, *entry.get("skin_variations", {}).values()):
        characters = "".join(chr(int(point, 16)) for point in form["unified"].split("-"))
        yield Emoji(form["image"], characters, entry["category"], (entry["name"] or entry["short_name"]).lower())


def texts_of(emoji: Emoji, names: Mapping[str, Names]) -> list[dict[str, str]]:
    """Name and keywords in every language that has them; English first."""
    texts: list[dict[str, str]] = []
    for lang, known in names.items():
        entry = known.emoji.get(bare(emoji.characters))
        if entry:
            name, keywords = entry
            texts.append({"text": name, "kind": "name", "lang": lang})
            if keywords:
                texts.append({"text": ", ".join(keywords), "kind": "keywords", "lang": lang})
    return texts or [{"text": emoji.fallback, "kind": "name", "lang": "en"}]
