"""Do the checks of captions find planted faults? Precision and recall by kind of fault, beside a threshold on the CLIP score.

    python -m benchmarks.checking [--data build/demo] [--scenes 100] [--pictures 80] [--rounds 2000]

Pictures: scenes made of emoji of the evaluation split on named grounds, and pictures of that split; the mini-CLIP was trained on
neither. Each has a right caption, the caption of another picture, and, where the truth is known, one with a wrong object and one
with a wrong colour. Things are split into two halves first. On one the limits of the checks are chosen, and the baseline's
thresholds, for each fault anew: the middle between the medians of right and faulty captions; the checks' own limit for the score
is what 5 % of the right captions stay below. The table is about the other half. The limit for colours of things was fixed
beforehand, so these are judged on both halves. The rules themselves were shaped on runs with other scenes, other draws and another
cut into halves, of the same things.

Every caption goes through the stages themselves: caption-claims, clip-score, check-captions. A wrong colour counts as found by a
reason about colours, a wrong object by an object not seen or a caption that does not fit, another picture's caption by a caption
that does not fit or most of whose claims fail. Precision is among as many right captions as faulty ones; J is Youden's: recall less
false alarms. Intervals: 95 % bootstrap over pictures (Efron & Tibshirani 1993); as things come again in scenes, they say less about
other things than about other pictures of these. Fails below TARGETS.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.checking.found import check, look
from benchmarks.checking.judged import Measured, choose, failures, judged
from benchmarks.checking.planted import planted
from captioning.checking.verdicts import Limits

RECORD = Path("build/bench/checking.json")


def show(lines: Sequence[dict[str, Any]], console: Console) -> None:
    """The table."""
    table = Table(title="planted faults: precision, recall, and right captions flagged [95 % interval]")
    for column in ("fault", "set", "n", "by", "precision", "recall", "false alarms", "J", "J above"):
        table.add_column(column, justify="left" if column in ("fault", "set", "by") else "right")
    for line in lines:
        for by in ("checks", "clip score"):
            found = line[by]
            cells = [shown(one) for one in (found.precision, found.recall, found.alarms, found.youden)]
            last = shown(line["gain"]) if by == "checks" else ""
            table.add_row(line["fault"], line["set"], str(found.n), by, *cells, last)
        table.add_section()
    console.print(table)


def shown(measured: Measured) -> str:
    """A value and its interval."""
    return "{:.2f} [{:.2f} {:.2f}]".format(*measured)


def main() -> int:
    """Plant, check, judge, print, record."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.checking", description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, default=Path("build/demo"), help="the demo's folder, with art.parquet")
    parser.add_argument("--scenes", type=int, default=100, help="scenes a half")
    parser.add_argument("--pictures", type=int, default=80, help="pictures a half")
    parser.add_argument("--rounds", type=int, default=2000, help="of the bootstrap")
    parser.add_argument("--record", type=Path, default=RECORD)
    given = parser.parse_args()
    console, begun = Console(width=160), time.process_time()
    cases = planted(given.data, given.scenes, given.pictures)
    rows = look(cases, given.data / "metadata" / "en.txt")
    limits = choose(cases)
    check(cases, rows, limits)
    lines = judged(cases, given.rounds)
    show(lines, console)
    console.print(
        f"limits chosen: {limits}\nshipped:       {Limits()}\n{len(cases)} pictures, {time.process_time() - begun:.0f} CPU-s"
    )
    missed = failures(lines)
    found = [{**line, **{by: vars(line[by]) for by in ("checks", "clip score")}} for line in lines]
    given.record.parent.mkdir(parents=True, exist_ok=True)
    given.record.write_text(json.dumps({"limits": vars(limits), "lines": found, "missed": missed}, indent=1) + "\n")
    for line in missed:
        console.print(f"[red]below target:[/red] {line}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
