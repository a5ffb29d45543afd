"""The recipe of an export with everything that it rests on, as the ledger holds it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from pipeline.ledger import Ledger
from pipeline.recipe import Identity, fingerprint
from pipeline.step import Step
from pipeline.store import Store


def lineage(store: Store, step: Step) -> dict[str, Identity]:
    """Step -> version, kind, recipe and inputs: of the step and of all that it was made from, each once, in order of name.

    A step names its inputs by the fingerprints of their recipes, so of several versions the right one is found; in a pool that
    was repacked the steps of the parent stand as `<step>@parent`.
    """
    ledger = Ledger(store)
    identities = _by_fingerprint(ledger)
    own = ledger.identity(step.name, step.version) | {"version": step.version}
    found, waiting = dict[str, Identity](), [(step.name, own)]
    while waiting:
        name, identity = waiting.pop()
        found[name] = identity
        for wanted, mark in identity.get("inputs", {}).items():
            named = identities.get(mark, {})
            other = wanted if wanted in named else next(iter(named), wanted)
            if named and other not in found:
                waiting.append((other, named[other]))
    return dict(sorted(found.items()))


def write_recipe(path: Path, steps: Mapping[str, Identity]) -> Path:
    """Write a lineage as JSON; digests stand for the files that a recipe names."""
    path.write_text(json.dumps(steps, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    return path


def _by_fingerprint(ledger: Ledger) -> dict[str, dict[str, Identity]]:
    """Fingerprint -> step -> identity, of every step and version of the pool."""
    found: dict[str, dict[str, Identity]] = {}
    for step, version, identity in ledger.identities():
        found.setdefault(fingerprint(identity), {})[step] = identity | {"version": version}
    return found
