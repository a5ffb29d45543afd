"""The numbers of an ablation, from what its trials left: every arm with its intervals, every claim as a paired difference."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa

from pipeline.errors import DataError
from workflows.ablation.claims import Groups, claim
from workflows.ablation.diet import faulty, shown
from workflows.ablation.measures import (
    KS,
    PLACE,
    RECALL,
    Numbers,
    clusters,
    languages,
    place,
    place_by_chance,
    recall,
    recall_by_chance,
    size,
)

Told = dict[str, Any]
Measure = Callable[[pa.Table, str], Numbers]


@dataclass(frozen=True)
class Tried:
    """What one trial left: its queries (`of`, `uid`, `group` and two ranks), its zero-shot results, and the facts of its entry."""

    queries: pa.Table
    zero_shot: Mapping[str, Any] | None
    facts: Mapping[str, Any]


def compared(
    arms: Mapping[str, Sequence[Tried]],
    fed: Mapping[str, Told],
    pairs: Sequence[tuple[str, str]],
    group_of: Mapping[str, str],
) -> Told:
    """All numbers of an ablation.

    Args:
        arms: arm -> its trials, one a seed, in the same order of seeds for all.
        fed: arm -> what its export holds, as of `diet`.
        pairs: (better, than).
        group_of: uid -> group of like pictures; a picture that is not there is its own.

    Raises:
        DataError: if the trials were not judged on the same queries, or did not see the same number of samples.
    """
    first = next(iter(arms.values()))[0]
    _demand_equal([trial for trials in arms.values() for trial in trials], first)
    told: Told = {"measure": RECALL, "place": PLACE, "seeds": len(arms[next(iter(arms))])}
    told |= {"queries": size(first.queries, "txt"), "chance": recall_by_chance(first.queries, "txt")}
    together = clusters(first.queries, "txt", group_of)
    told |= {"groups": int(together.max()) + 1}
    told |= {"chance_place": place_by_chance(first.queries, "txt"), "languages": languages(first.queries)}
    found = {arm: _arm(arm, arms[arm], group_of) | _fed(arms[arm], fed[arm]) for arm in arms}
    for arm in found.values():
        arm["times_chance"] = arm["recall"]["value"] / told["chance"]
    claims = [_claimed(arms, found, pair, together) for pair in pairs]
    return told | {"arms": list(found.values()), "pairs": claims}


def _claimed(
    arms: Mapping[str, Sequence[Tried]], found: Mapping[str, Told], pair: tuple[str, str], together: Groups
) -> Told:
    better, than = pair
    differences = [_stack(arms[better], of) - _stack(arms[than], of) for of in (recall, place)]
    return claim(found[better], found[than], differences[0], differences[1], together)


def _stack(trials: Sequence[Tried], of: Measure) -> Numbers:
    """A measure of the held-out pairs: seeds x pairs."""
    return np.stack([of(trial.queries, "txt") for trial in trials])


def _demand_equal(trials: Sequence[Tried], first: Tried) -> None:
    asked = ["of", "uid", "group"]
    for tried in trials:
        if not tried.queries.select(asked).equals(first.queries.select(asked)):
            raise DataError("The trials were not judged on the same queries. Run the ablation under a new `version`.")
        if tried.facts["samples_seen"] != first.facts["samples_seen"]:
            raise DataError(
                f"The trials did not see the same number of samples: {tried.facts['samples_seen']} and "
                f"{first.facts['samples_seen']}. Look at the failed samples of the exports."
            )


def _fed(trials: Sequence[Tried], fed: Told) -> Told:
    """What the arm trained on: rows, distinct pictures, faulty rows, and how much of what is shown its texts name."""
    named = [share for trial in trials if (share := shown(fed, trial.facts["texts"])) is not None]
    told: Told = {"rows": fed["rows"], "pictures": fed["pictures"], "fed": fed}
    told |= {"epochs": trials[0].facts["samples_seen"] / fed["rows"]}
    told |= {"faulty": faulty(fed)}
    return told | {"named": float(np.mean(named)) if named else None}


def _arm(arm: str, trials: Sequence[Tried], group_of: Mapping[str, str]) -> Told:
    queries, recalls = trials[0].queries, _stack(trials, recall)
    told: Told = {"arm": arm, "per_seed": [float(value) for value in recalls.mean(axis=1)]}
    told |= {"recall": _interval(trials, recall, "txt", group_of), "place": _interval(trials, place, "txt", group_of)}
    told |= {f"R@{k}": _interval(trials, partial(recall, ks=(k,)), "txt", group_of) for k in KS}
    told |= {"samples_seen": trials[0].facts["samples_seen"], "texts": trials[0].facts["texts"]}
    told["languages"] = {
        language: {"recall": _interval(trials, recall, f"name_{language}", group_of)} for language in languages(queries)
    }
    for language, line in told["languages"].items():
        found = [(trial.zero_shot or {}).get("languages", {}).get(language) for trial in trials]
        if all(found):
            line["top-5"] = float(np.mean([one["top-5"]["value"] for one in found if one]))
            line["top-5 chance"] = found[0]["chance"]["top-5"] if found[0] else None
    return told


def _interval(trials: Sequence[Tried], measure: Measure, of: str, group_of: Mapping[str, str]) -> Mapping[str, float]:
    from workflows.training.intervals import crossed

    found = np.stack([measure(trial.queries, of) for trial in trials])
    return crossed(found, groups=clusters(trials[0].queries, of, group_of))
