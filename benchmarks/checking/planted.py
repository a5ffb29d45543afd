"""Pictures with right captions and wrong ones, whose truth is known."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from PIL import Image

from captioning.checking.words import BASIC, COLOURS
from captioning.images import as_jpeg
from workflows.demo.features import one_a_group, rows_of
from workflows.demo.scenes import Subject, compose, subjects
from workflows.demo.split import fraction

FIRST = 5_000_000  # scenes are numbered: those of the pool, and those that judged the mini-CLIP, have other numbers
RIGHT, OTHER, THING, GROUND, TINT = "right", "other picture", "wrong object", "wrong ground", "wrong colour"
TEXTS = (RIGHT, OTHER, THING, GROUND, TINT)


@dataclass
class Case:
    """One picture with its captions by kind; those that cannot be made of it are missing.

    Attributes:
        kind: scenes or pictures.
        half: 0 to choose on, 1 to judge on.
        evidence: caption -> CLIP score, lowest standing of an object, least share of a ground, of another colour.
        reasons: caption -> the reasons that the stage gave it.
    """

    kind: str
    half: int
    image: bytes
    texts: dict[str, str]
    evidence: dict[str, dict[str, float]] = field(default_factory=dict)
    reasons: dict[str, set[str]] = field(default_factory=dict)


def planted(data: Path, scenes: int, pictures: int) -> list[Case]:
    """The cases of both halves."""
    things = subjects(data / "art.parquet", "evaluation")
    rows = one_a_group(rows_of(data / "art.parquet", "evaluation"))
    found: list[Case] = []
    for half in (0, 1):
        found += scene_cases([one for one in things if half_of(one.group) == half], half, scenes, data / "art")
        mine = sorted((row for row in rows if half_of(row["group"]) == half), key=lambda row: draw("row", row["uid"]))
        found += picture_cases(mine, half, pictures, data / "art")
    return found


def half_of(group: str) -> int:
    """0 or 1, by hash: no thing is in both."""
    return int(draw("half", group) * 2)


def draw(purpose: str, *key: str) -> float:
    """A number in [0, 1) of this benchmark's own."""
    return fraction(f"check captions, {purpose}", *key)


def pick(choices: Sequence[Any], purpose: str, *key: str) -> Any:
    """One of them, by hash."""
    return choices[int(draw(purpose, *key) * len(choices))]


def scene_cases(things: Sequence[Subject], half: int, many: int, folder: Path) -> Iterator[Case]:
    """Scenes with everything that can be said wrongly about them."""
    made = [compose(FIRST + 10_000 * half + number, things, folder) for number in range(many)]
    truths = [truth for _, truth in made]
    for number, (image, truth) in enumerate(made):
        key, names, colour = f"{half} {number}", truth["names"], truth["colour"]
        others = [one for one in truths if one["colour"] != colour and not set(one["names"]) & set(names)]
        wrong = pick([one.name for one in things if one.name not in names], "thing", key)
        at = int(draw("place", key) * len(names))
        form = pick(FORMS, "form", key)
        other = pick(others, "other", key)
        yield Case(
            "scenes",
            half,
            as_jpeg(encoded(image), 256),
            {
                RIGHT: form(names, colour),
                OTHER: form(other["names"], other["colour"]),
                THING: form([wrong if k == at else name for k, name in enumerate(names)], colour),
                GROUND: form(names, pick([name for name in BASIC if name != colour], "ground", key)),
            },
        )


def picture_cases(rows: Sequence[dict[str, Any]], half: int, many: int, folder: Path) -> Iterator[Case]:
    """Pictures by their names, so many of any name; and all whose name has a colour, with another colour."""
    for number, row in enumerate(rows):
        name, key = row["name"], row["uid"]
        said = [word for word in name.lower().replace(":", " ").split() if word in COLOURS]
        if number >= many and len(said) != 1:
            continue
        other = pick([one["name"] for one in rows if one["source"] == row["source"] and one is not row], "name", key)
        template = pick(("{}", "clip art of {}", "a picture of {}"), "template", key)
        texts = {RIGHT: template.format(name)}
        if number < many:
            texts[OTHER] = texts[THING] = template.format(other)
        if len(said) == 1:
            foreign = [colour for colour in BASIC if colour not in COLOURS[said[0]]]
            texts[TINT] = template.format(recoloured(name, said[0], pick(foreign, "tint", key)))
        yield Case("pictures", half, as_jpeg((folder / row["path"]).read_bytes(), 256), texts)


def recoloured(name: str, old: str, new: str) -> str:
    """A name with another colour word."""
    return " ".join(word.lower().replace(old, new) if word.lower() == old else word for word in name.split())


def _plain(names: Sequence[str], colour: str) -> str:
    article = "an" if colour[0] in "aeiou" else "a"
    what = names[0] if len(names) == 1 else f"{names[0]} on the left and {names[1]} on the right,"
    return f"{what} on {article} {colour} background"


def _sentences(names: Sequence[str], colour: str) -> str:
    what = f"one object: {names[0]}" if len(names) == 1 else f"two objects: {names[0]} to the left of {names[1]}"
    return f"A composed scene with {what}. The background is plain {colour}."


FORMS: tuple[Callable[[Sequence[str], str], str], ...] = (_plain, _sentences)


def encoded(image: Image.Image) -> bytes:
    """As PNG."""
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()
