"""The recipe of an export with everything that it rests on, as the ledger holds it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pipeline.recipe import Identity, fingerprint
from pipeline.step import Step
from pipeline.store import Store


def lineage(store: Store, step: Step) -> dict[str, Identity]:
    """Step -> version, kind, recipe and inputs: of the step and of all that it was made from, each once, in order of name.

    A step names its inputs by the fingerprints of their recipes, so of several versions the right one is found.
    """
    identities = dict(_identities(store))
    found, waiting = dict[str, Identity](), [(step.name, _claimed(store, step))]
    while waiting:
        name, identity = waiting.pop()
        found[name] = identity
        wanted = identity.get("inputs", {}).items()
        waiting += [(other, identities[mark]) for other, mark in wanted if mark in identities and other not in found]
    return dict(sorted(found.items()))


def write_recipe(path: Path, store: Store, step: Step) -> Path:
    """Write the lineage as JSON; digests stand for the files that a recipe names."""
    path.write_text(json.dumps(lineage(store, step), indent=1, sort_keys=True) + "\n", encoding="utf-8")
    return path


def _claimed(store: Store, step: Step) -> Identity:
    known: Identity = json.loads(store.get(f"ledger/{step.name}/{step.version}/identity.json"))
    return known | {"version": step.version}


def _identities(store: Store) -> Iterator[tuple[str, Identity]]:
    """Fingerprint -> identity of every step and version of the pool."""
    for path in store.list("ledger/"):
        if path.endswith("/identity.json"):
            identity: dict[str, Any] = json.loads(store.get(path))
            yield fingerprint(identity), identity | {"version": path.split("/")[2]}
