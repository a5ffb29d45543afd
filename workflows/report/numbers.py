"""All numbers of a report, from one pass over the shards."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from workflows.report.ablation import ablation
from workflows.report.balancing import Balancing
from workflows.report.captions import Captions
from workflows.report.checks import Checks
from workflows.report.concepts import Concepts
from workflows.report.duplicates import Duplicates
from workflows.report.effort import effort
from workflows.report.faults import Faults
from workflows.report.funnel import Funnel
from workflows.report.languages import Languages
from workflows.report.limits import limits
from workflows.report.provenance import provenance
from workflows.report.samples import Samples
from workflows.report.scores import Scores
from workflows.report.sources import Numbers, Sources, View
from workflows.report.training import training
from workflows.report.truth import Truth


class Tally(Protocol):
    """One section: it sees every shard once, and then says what it found."""

    def add(self, view: View) -> None:
        """Take one shard in."""

    def numbers(self) -> Numbers | None:
        """What it found, as JSON; None where the recipe has nothing for it."""


@dataclass(frozen=True)
class Wishes:
    """What a report is to show beside what its steps committed; see `Report`."""

    title: str
    truth: Path | None
    metadata: Path | None
    licences: Path | None
    kept: int
    each: int
    reasons: int


def numbers(sources: Sources, wishes: Wishes) -> Numbers:
    """Read the pool once and give every section's numbers, by name."""
    truth = Truth(wishes.truth) if wishes.truth else None
    captions = {
        role.partition(".")[2]: step for role, step in sources.roles.items() if role.startswith("caption_scores.")
    }
    tallies: dict[str, Tally] = {
        "funnel": Funnel(sources),
        "languages": Languages(sources),
        "concepts": Concepts(sources, wishes.metadata),
        "balancing": Balancing(sources),
        "scores": Scores(sources, captions, truth),
        "samples": Samples(sources, truth, wishes.kept, wishes.each, wishes.reasons),
        "faults": Faults(sources, truth),
        "duplicates": Duplicates(sources),
        "captions": Captions(sources),
        "checks": Checks(sources),
    }
    for view in sources.views():
        for tally in tallies.values():
            tally.add(view)
    found: Numbers = {"title": wishes.title, **{name: tally.numbers() for name, tally in tallies.items()}}
    found |= {"training": training(sources), "ablation": ablation(sources), "effort": effort(sources)}
    found |= {"provenance": provenance(sources, wishes.licences), "source": {"lists": sources.lists()}}
    shards = sources.pooled("shards")
    found["export"] = dict(shards.facts) if shards else None
    return found | {"limits": limits(found)}
