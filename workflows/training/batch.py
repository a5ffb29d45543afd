"""What the trainer eats, and the account of the visits that it was made from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from workflows.training.order import Position


@dataclass(frozen=True)
class Visit:
    """What became of one visit of one sample: it was shown (`fields` says which texts), failed (`reason`), or was skipped."""

    position: Position
    fields: tuple[str, ...] = ()
    reason: str = ""

    @property
    def shown(self) -> bool:
        """Whether the sample is in the batch."""
        return bool(self.fields)

    @property
    def skipped(self) -> bool:
        """Whether its probability left it out, this time."""
        return not self.fields and not self.reason


@dataclass(frozen=True)
class Batch:
    """Samples of one step.

    Attributes:
        images: uint8, samples x 3 x size x size.
        tokens: int64, samples x context length; samples x K x context length if each shows K > 1 texts.
        visits: all that were asked for, in order; those that were shown are the samples.
    """

    images: torch.Tensor
    tokens: torch.Tensor
    visits: Sequence[Visit]

    @property
    def fields(self) -> Counter[str]:
        """Which text was shown -> times: samples, times the texts that each shows."""
        return Counter(field for visit in self.visits for field in visit.fields)

    @property
    def faults(self) -> Sequence[tuple[Position, str]]:
        """(position, reason) of the samples that could not be used."""
        return [(visit.position, visit.reason) for visit in self.visits if visit.reason]

    @property
    def skipped(self) -> int:
        """Visits that their probability left out."""
        return sum(visit.skipped for visit in self.visits)
