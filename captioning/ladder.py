"""What is tried when an answer is faulty: rungs, climbed one by one until an answer is good."""

from __future__ import annotations

from pydantic import NonNegativeFloat

from pipeline.errors import ConfigError
from pipeline.recipe import recipe


@recipe
class Rung:
    """One further attempt, always with a seed of its own.

    Attributes:
        hotter: added to the temperature. A repeat that differs in nothing fails again.
        tighter: the upper bound of every text is so much of what it was; the model is told, if the prompt has words for it.
        each: whether every caption is asked for by itself. Those that come are kept, the others stay null with their reasons.
    """

    hotter: NonNegativeFloat = 0.0
    tighter: float = 1.0
    each: bool = False

    def __post_init__(self) -> None:
        """Check the factor."""
        if not 0 < self.tighter <= 1:
            raise ConfigError(f"tighter {self.tighter} of a rung is not above 0 and up to 1.")


#: Another seed and hotter, twice; then shorter captions; then each caption by itself.
LADDER = (
    Rung(hotter=0.2),
    Rung(hotter=0.4),
    Rung(hotter=0.4, tighter=0.6),
    Rung(hotter=0.2, tighter=0.6, each=True),
)
