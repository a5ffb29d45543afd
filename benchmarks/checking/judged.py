"""Precision, recall and false alarms by kind of fault, beside a threshold on the CLIP score."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.checking.planted import GROUND, OTHER, RIGHT, THING, TINT, Case
from captioning.checking.verdicts import NOT_SEEN, WRONG_COLOUR, Limits
from captioning.checking.weights import MISFIT, UNGROUNDED

#: Fault -> the reasons that count as having found it.
FOUND_BY = {OTHER: {MISFIT, UNGROUNDED}, THING: {NOT_SEEN, MISFIT}, GROUND: {WRONG_COLOUR}, TINT: {WRONG_COLOUR}}
LINES = (
    (OTHER, "scenes"),
    (OTHER, "pictures"),
    (THING, "scenes"),
    (THING, "pictures"),
    (GROUND, "scenes"),
    (TINT, "pictures"),
)
#: The least precision and recall for colours. Another picture's caption must be told from a right one better than by its score on
#: scenes, whose captions make several claims; a bare name is one claim, about which claims can say little more than its score.
#: For a wrong object the checks must not be worse than the score, as far as the interval tells: both rest on one CLIP.
TARGETS = {GROUND: (0.95, 0.95), TINT: (0.8, 0.6)}
CLEAR = 0.05  # of right captions may be taken for misfits

Flags = npt.NDArray[np.bool_]
Numbers = npt.NDArray[np.float64]


Measured = tuple[float, float, float]  #: a value and its interval


@dataclass(frozen=True)
class Outcome:
    """Precision, recall, false alarms and J, each with its interval, of n faulty captions beside their right ones."""

    n: int
    precision: Measured
    recall: Measured
    alarms: Measured
    youden: Measured


def outcome(faulty: Flags, right: Flags, rounds: int) -> Outcome:
    """From which faulty captions were flagged, and which right ones of the same pictures."""
    places = resamples(len(faulty), rounds)
    hits, alarms = faulty[places].mean(1), right[places].mean(1)
    caught, wrongly = float(faulty.mean()), float(right.mean())
    return Outcome(
        len(faulty),
        told(caught / max(caught + wrongly, 1e-9), hits / np.maximum(hits + alarms, 1e-9)),
        told(caught, hits),
        told(wrongly, alarms),
        told(caught - wrongly, hits - alarms),
    )


def gain(ours: tuple[Flags, Flags], base: tuple[Flags, Flags], rounds: int) -> Measured:
    """How much higher our J is than the baseline's on the same pictures, each given as (faulty, right)."""
    apart = [one.astype(float) - other.astype(float) for one, other in zip(ours, base, strict=True)]
    each = apart[0] - apart[1]
    return told(float(each.mean()), each[resamples(len(each), rounds)].mean(1))


def resamples(many: int, rounds: int) -> npt.NDArray[np.int64]:
    """Which pictures each round of the bootstrap has."""
    return np.random.default_rng(0).integers(0, many, (rounds, many))


def told(value: float, draws: Numbers) -> Measured:
    """A value with its 95 % percentile interval."""
    low, high = np.quantile(draws, (0.025, 0.975))
    return value, float(low), float(high)


def limit_between(right: Numbers, faulty: Numbers) -> float:
    """The limit below which a caption is flagged: the middle between the two medians.

    The limit of the highest J is a maximum over noise: from one draw of the set to another that of objects moved from .75 to 1.16.
    """
    middles = [float(np.median(one[np.isfinite(one)])) for one in (right, faulty)]
    return sum(middles) / 2


def values(cases: Sequence[Case], text: str, what: str) -> Numbers:
    """One kind of evidence about one caption of each case."""
    return np.array([case.evidence[text][what] for case in cases], np.float64)


def flagged(cases: Sequence[Case], text: str, reasons: set[str]) -> Flags:
    """Which captions have one of the reasons."""
    return np.array([bool(case.reasons[text] & reasons) for case in cases], np.bool_)


def choose(cases: Sequence[Case]) -> Limits:
    """The limits of the checks, from the half to choose on; that of colours of things is left as it is.

    The score is there for clear misfits alone: the limit is what CLEAR of the right captions score below, for what lies above is
    judged by claims, and two tests raise two false alarms.
    """
    things, grounds, others = (having(cases, fault, 0) for fault in (THING, GROUND, OTHER))
    return Limits(
        object_standing=limit_between(values(things, RIGHT, "standing"), values(things, THING, "standing")),
        ground_share=limit_between(values(grounds, RIGHT, "ground"), values(grounds, GROUND, "ground")),
        score=float(np.quantile(values(others, RIGHT, "score"), CLEAR)),
    )


def having(cases: Sequence[Case], fault: str, half: int | None = None, of: str | None = None) -> list[Case]:
    """The cases with a fault, of one half, of one set."""
    return [case for case in cases if fault in case.texts and half in (None, case.half) and of in (None, case.kind)]


def judged(cases: Sequence[Case], rounds: int) -> list[dict[str, Any]]:
    """A line a fault and set: the checks beside the baseline at its own best threshold for that fault."""
    lines = []
    for fault, of in LINES:
        chosen, mine = having(cases, fault, 0, of), having(cases, fault, None if fault == TINT else 1, of)
        limit = limit_between(values(chosen, RIGHT, "score"), values(chosen, fault, "score"))
        ours = flagged(mine, fault, FOUND_BY[fault]), flagged(mine, RIGHT, FOUND_BY[fault])
        base = values(mine, fault, "score") < limit, values(mine, RIGHT, "score") < limit
        line = {"fault": fault, "set": of, "threshold": limit, "gain": gain(ours, base, rounds)}
        lines.append(line | {"checks": outcome(*ours, rounds), "clip score": outcome(*base, rounds)})
    return lines


def failures(lines: Sequence[dict[str, Any]]) -> list[str]:
    """Which targets are missed."""
    found = []
    for line in lines:
        ours, name = line["checks"], f"{line['fault']}, {line['set']}"
        if line["fault"] in TARGETS:
            precision, recall = TARGETS[line["fault"]]
            if ours.precision[0] < precision or ours.recall[0] < recall:
                found.append(f"{name}: precision {ours.precision[0]:.2f}, recall {ours.recall[0]:.2f}")
        elif line["set"] == "scenes" and line["gain"][0 if line["fault"] == OTHER else 2] <= 0:
            found.append(f"{name}: J {ours.youden[0]:.2f}, baseline {line['clip score'].youden[0]:.2f}")
    return found
