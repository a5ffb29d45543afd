"""What the demonstration captioner can do, on pictures that it was not trained on, through a real vLLM server.

    python -m benchmarks.captioner [--pictures 200] [--scenes 80] [--demo build/demo]

Held-out clip art and emoji, concepts seen and unseen told apart, and composed scenes, as `workflows.demo.captioner.evaluate` judges
them. Fails where a target is missed. The record is kept in build/bench/captioner.json.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from workflows.demo.captioner.evaluate import judged
from workflows.demo.captioner.exhibits import EVERY, exhibits
from workflows.demo.captioner.judge import Rate
from workflows.demo.captioner.measures import rates

RECORD = Path("build/bench/captioner.json")
SCENES = ("scenes, known things", "scenes, new things")
Rated = Mapping[str, Mapping[str, Rate]]


@dataclass(frozen=True)
class Claim:
    """A measure of one set that has to reach a target: with its mean, or with the low end of its interval."""

    measure: str
    where: str
    target: float
    low_end: bool = False

    def reached(self, found: Rated) -> bool:
        """Whether it does."""
        return found[self.where][self.measure][int(self.low_end)] >= self.target


CLAIMS = (
    *(Claim("valid JSON", where, 0.99) for where in (EVERY, *SCENES)),
    *(Claim("main colour right", where, 0.80) for where in (EVERY, *SCENES)),
    *(Claim("colour true", where, 0.80) for where in (EVERY, *SCENES)),
    *(Claim("each adds two words or more", where, 0.90) for where in (EVERY, *SCENES)),
    Claim("head noun above the constant", EVERY, 0.0, low_end=True),
)


def claims_table(found: Rated) -> Table:
    """Every claim with what was measured, its interval and its target."""
    table = Table(title="the demonstration captioner against its targets", title_justify="left")
    for column in ("measure", "set", "mean", "95 % interval", "target", "reached"):
        table.add_column(column)
    for claim in CLAIMS:
        mean, low, high = found[claim.where][claim.measure]
        target = f"{'low end ' if claim.low_end else ''}>= {claim.target:.2f}"
        reached = "yes" if claim.reached(found) else "NO"
        table.add_row(claim.measure, claim.where, f"{mean:.3f}", f"{low:.3f} to {high:.3f}", target, reached)
    return table


def figures_table(found: Rated, counts: Mapping[str, int]) -> Table:
    """Every measure of every set."""
    table = Table(title="means", title_justify="left")
    table.add_column("measure")
    for name in found:
        table.add_column(f"{name} ({counts[name]})", justify="right")
    for measure in next(iter(found.values())):
        table.add_row(measure, *(f"{by[measure][0]:.2f}" for by in found.values()))
    return table


def main(argv: list[str] | None = None) -> int:
    """Measure, print, record; 1 where a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, default=200)
    parser.add_argument("--scenes", type=int, default=80)
    parser.add_argument("--demo", type=Path, default=Path("build/demo"))
    parser.add_argument("--model", type=Path, default=Path("captioning/demo_model"))
    chosen = parser.parse_args(argv)
    scored = judged(chosen.model, None, exhibits(chosen.demo / "art.parquet", chosen.pictures, chosen.scenes))
    found = {name: rates(by) for name, by in scored.items()}
    counts = {name: len(next(iter(by.values()))) for name, by in scored.items()}
    console = Console(width=180)
    console.print(figures_table(found, counts), claims_table(found))
    missed = [f"{claim.measure}: {claim.where}" for claim in CLAIMS if not claim.reached(found)]
    RECORD.parent.mkdir(parents=True, exist_ok=True)
    RECORD.write_text(json.dumps({"pictures": counts, "rates": found, "missed": missed}, indent=1) + "\n")
    console.print(f"missed: {'; '.join(missed) or 'nothing'}")
    return int(bool(missed))


if __name__ == "__main__":
    sys.exit(main())
