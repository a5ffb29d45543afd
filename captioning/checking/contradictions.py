"""Where two texts about one picture cannot both be right."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from captioning.checking.claims import ABSENCE, COLOUR, COUNT, OBJECT, Claim
from captioning.checking.words import COLOURS


def contradictions(caption: Iterable[Claim], trusted: Iterable[Claim]) -> Iterator[tuple[Claim, str]]:
    """The claims of a caption that a trusted text denies, each with the value that the trusted text has instead.

    Both must speak of the same thing: the same head noun, or the background. Then they contradict each other

    - in colour, if they name colours for it and share not one that a picture could be said to have (beige may be brown);
    - in number, if each gives one and they differ;
    - in presence, if one says that the thing is there and the other that it is not.

    What only one of them speaks of is no contradiction.
    """
    said, known = list(caption), list(trusted)
    for claim in said:
        others = [other for other in known if other.about == claim.about]
        denied = _denied(claim, others)
        if denied is not None:
            yield claim, denied


def _denied(claim: Claim, others: list[Claim]) -> str | None:
    """What the others say instead, if they deny the claim."""
    if claim.kind == COLOUR:
        named = [other.value for other in others if other.kind == COLOUR]
        mine = set(COLOURS[claim.value])
        alike = any(mine & set(COLOURS[name]) for name in named)
        return None if alike or not named else " and ".join(named)
    if claim.kind == COUNT:
        counts = [other.value for other in others if other.kind == COUNT]
        return None if claim.value in counts or not counts else counts[0]
    if claim.kind == OBJECT:
        return next((f"no {other.value}" for other in others if other.kind == ABSENCE), None)
    if claim.kind == ABSENCE:
        return next((other.value for other in others if other.kind == OBJECT), None)
    return None
