"""Which of its texts a sample shows at one visit."""

from __future__ import annotations

from collections.abc import Mapping

from pipeline.rows import uniform
from workflows.training.shards import Unreadable


def choose(texts: Mapping[str, str], weights: Mapping[str, float], seed: int, epoch: int, uid: str) -> tuple[str, str]:
    """Draw a text by the weights, from a hash of (seed, epoch, uid); the name of its field and the text.

    Where the field that was drawn is empty or absent, the fields of weight 0 are tried in the order of their names, then
    the txt, then the other weighted fields: so a failed caption gives way to the alt-text, not to another caption.

    Raises:
        Unreadable: if the sample has none of them.
    """
    drawn = draw(weights, uniform(seed, uid, f"caption {epoch}"))
    spare = sorted(name for name, weight in weights.items() if weight == 0)
    for name in (drawn, *spare, "txt", *sorted(weights)):
        if texts.get(name, "").strip():
            return name, texts[name]
    raise Unreadable("the sample has no text")


def draw(weights: Mapping[str, float], number: float) -> str:
    """The name at `number` in [0, 1) of the weights laid end to end in the order of their names."""
    positive = sorted((name, weight) for name, weight in weights.items() if weight > 0)
    rest = number * sum(weight for _, weight in positive)
    for name, weight in positive:
        rest -= weight
        if rest < 0:
            return name
    return positive[-1][0]
