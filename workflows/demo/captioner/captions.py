"""The training captions: three granularities of true sentences from a name, measured colours and known positions.

short    the object and its colour                     a red apple
medium   its colours and the background                a red and green apple on a blue background
long     kind, coverage or position, background        Clip art of an apple, red with some green. It covers about half of ...
"""

import re
from dataclasses import dataclass
from html import unescape
from typing import Literal

from workflows.demo.captioner.colours import COLOURS

Kind = Literal["clip art", "emoji", "scene"]
Relation = Literal["left of", "above"]
# Words that name a collection, a format or a drawing's number rather than the thing.
NOISE = re.compile(
    r"\b(rpg map (elements?|symbols?|elem)|clip ?art( collection example)?|menu|icon|plastik|v|tango|sm|architetto|nicu"
    r"|vector|image|svg|png|example|collection|bw|b w|black and white|bnw|colou?r|remix|simple|by|version|ver|the|a|an)\b"
)
TAIL = re.compile(r"\s+(of|with|in|on|and|at|from|for|without|behind|over|under|to|holding|wearing)\s+.*")
MOST_WORDS = 4
PEOPLE = {"man", "woman", "person", "men", "women", "people", "child", "boy", "girl", "couple", "family", "kiss"}
DIRECTIONS = {"left", "right", "up", "down", "upwards", "downwards"}


@dataclass(frozen=True)
class Thing:
    """One named object and its main colours, the largest first."""

    name: str
    colours: tuple[str, ...]


@dataclass(frozen=True)
class Sight:
    """What a picture shows: one thing, or two with `relation` of the first to the second; `place` of a lone scene object."""

    kind: Kind
    things: tuple[Thing, ...]
    background: str | None
    coverage: float = 0.5
    relation: Relation | None = None
    place: str = "in the middle"


def plain_name(name: str, path: str = "") -> str:
    """A name as a noun phrase of at most MOST_WORDS words, lower case; empty where nothing nameable is left.

    `man firefighter: dark skin tone` gives `man firefighter`, `flag: Seychelles` gives `flag of seychelles`, and a picture that
    lies in a folder of flags is a flag. Colour words go where other words remain: colours are measured, not believed.
    """
    text = re.sub(
        r"^(flag|keycap): ", lambda match: "flag of " if match[1] == "flag" else "keycap ", unescape(name).lower()
    )
    text = re.sub(r":.*", "", text)
    text = NOISE.sub(
        " ", re.sub(r"[^\w\s&'-]|[#_]|\b\d+\w*\b" if not text.startswith("keycap") else r"[#*]", " ", text)
    )
    words = [word for word in text.split() if word not in COLOURS] or text.split()
    if "/flags/" in path and "flag" not in words:
        words = ["flag", "of", *words]
    words = words[:MOST_WORDS]
    while words and (words[-1] in {"of", "with", "and", "in", "on", "&", "-", "for", "to"} or len(words[-1]) < 2):
        words.pop()
    return " ".join(words) if words and len(words[0]) > 1 and any(len(word) > 2 for word in words) else ""


def head_noun(name: str) -> str:
    """The word that carries a noun phrase, singular: the last before a preposition and any direction.

    `flag of japan` gives flag, `arrow left` arrow; of `woman bowing` it is the woman, of `woman singer` the singer.
    """
    word = _head(name.lower())
    return word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is")) else word


def _head(name: str) -> str:
    phrase = TAIL.sub("", " " + name).split()
    while len(phrase) > 1 and phrase[-1] in DIRECTIONS:
        phrase.pop()
    if len(phrase) > 1 and phrase[0] in PEOPLE and phrase[1].endswith("ing"):
        return phrase[0]
    return phrase[-1] if phrase else ""


def article(phrase: str, name: str) -> str:
    """`phrase` with a or an, or bare where `name` is a plural."""
    if head_noun(name) != _head(name):
        return phrase
    return ("an " if phrase[0] in "aeiou" else "a ") + phrase


def describe(sight: Sight) -> tuple[str, str, str]:
    """The short, medium and long caption of a picture."""
    if len(sight.things) == 2:
        return _two(sight)
    thing = sight.things[0]
    short = _coloured(thing, 1)
    where = f"on {_an(sight.background)} background" if sight.background else "that fills the picture"
    medium = f"{_coloured(thing, 2)} {where}"
    return short, medium, _long(sight, thing)


def _long(sight: Sight, thing: Thing) -> str:
    named = article(thing.name, thing.name)
    hues = thing.colours[0] if len(thing.colours) == 1 else f"{thing.colours[0]} with some {thing.colours[1]}"
    ground = f"The background is plain {sight.background}." if sight.background else "There is no plain background."
    if sight.kind == "scene":
        return f"A composed scene with one object: {named}, {hues}, {sight.place}. {ground}"
    kind = "Clip art" if sight.kind == "clip art" else "An emoji"
    return f"{kind} of {named}, {hues}. It covers {_part(sight.coverage)} of the picture. {ground}"


def _two(sight: Sight) -> tuple[str, str, str]:
    first, second = (_coloured(thing, 1) for thing in sight.things)
    both = f"{first} and {second}"
    place = "to the left of" if sight.relation == "left of" else "above"
    ground = f"{_an(sight.background or '')} background"
    long = f"A composed scene with two objects: {first} {place} {second}. The background is plain {sight.background}."
    return both, f"{both} on {ground}", long


def _coloured(thing: Thing, most: int) -> str:
    """The thing with its colours; a colour that its name already holds is not said twice."""
    said = [colour for colour in thing.colours[:most] if colour not in thing.name.split()]
    return article(" ".join([" and ".join(said), thing.name]).strip(), thing.name)


def _an(word: str) -> str:
    return ("an " if word[:1] in "aeiou" else "a ") + word


def _part(coverage: float) -> str:
    if coverage < 0.25:
        return "a small part"
    return "about half" if coverage < 0.6 else "most"
