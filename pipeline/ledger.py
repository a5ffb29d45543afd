"""The ledger: one entry for each part that exists, created only if absent. That creation is the commit.

ledger/<step>/<version>/identity.json        the recipe that every part of this version was made by
ledger/<step>/<version>/<unit>.<part>.json   one entry a part: its files, digests, rows and reasons
"""

import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from pipeline.errors import BrokenPart, RecipeChanged
from pipeline.recipe import Identity, differences, digest_file
from pipeline.step import Entry, Outcome, Step, Task
from pipeline.store import Store


class Ledger:
    """What has been committed to one pool."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def claim(self, step: Step, identity: Identity) -> None:
        """Bind a version of a step to its recipe, the first time; check it every other time.

        Raises:
            RecipeChanged: with the fields that differ.
        """
        path = f"{_folder(step.name, step.version)}/identity.json"
        if self.store.create(path, json.dumps(identity, indent=1, sort_keys=True).encode()):
            return
        changed = differences(json.loads(self.store.get(path)), identity)
        if changed:
            raise RecipeChanged(
                f"The recipe of step {step.name!r} differs from the one that made version {step.version!r} in {self.store.root}:\n  "
                + "\n  ".join(changed)
                + '\nGive the step a new version (`version: "2"`) to keep both, or undo the change, or use another pool folder.'
            )

    def entries(self, step: str, version: str) -> dict[str, tuple[Entry, ...]]:
        """All committed parts of a step: unit -> its parts, oldest first."""
        found: dict[str, dict[int, Entry]] = {}
        for path in self.store.list(f"{_folder(step, version)}/"):
            if not path.endswith("/identity.json"):
                entry = _parse(self.store.get(path), path)
                found.setdefault(entry.unit, {})[entry.part] = entry
        return {unit: tuple(parts[k] for k in sorted(parts)) for unit, parts in found.items()}

    def all_entries(self) -> Iterator[Entry]:
        """Every committed part of the pool."""
        for path in self.store.list("ledger/"):
            if not path.endswith(("/identity.json", ".jsonl")):
                yield _parse(self.store.get(path), path)

    def commit(self, step: Step, task: Task, outcome: Outcome) -> Entry:
        """Store the files of an outcome under their digests, then create its entry.

        A late duplicate attempt loses harmlessly: the entry that came first is returned, and no entry names the loser's files.
        """
        files = {role: self._put(step, task, role, path) for role, path in outcome.files.items()}
        entry = Entry(
            step.name, step.version, task.unit, task.part, task.basis, files,
            outcome.rows, dict(outcome.counts), dict(outcome.reasons), dict(outcome.facts),
        )  # fmt: skip
        path = f"{_folder(step.name, step.version)}/{task.unit}.{task.part}.json"
        if self.store.create(path, json.dumps(asdict(entry), indent=1, sort_keys=True).encode()):
            return entry
        return _parse(self.store.get(path), path)

    def _put(self, step: Step, task: Task, role: str, path: Path) -> tuple[str, str, int]:
        digest, size = digest_file(path), path.stat().st_size
        target = step.path(role, task, digest)
        self.store.put(target, path)
        return target, digest, size

    def verify(self, entry: Entry) -> None:
        """Re-hash every file of a part and re-add its counts.

        Raises:
            BrokenPart: naming the file and what differs.
        """
        for path, digest, _ in entry.files.values():
            found = digest_file(self.store.fetch(path))
            if found != digest:
                raise BrokenPart(
                    f"{path} has sha256 {found}, but {digest} was committed. Restore it from a copy, or remove its entry."
                )
        if sum(entry.counts.values()) != entry.rows:
            raise BrokenPart(f"{entry.step} {entry.unit}: {dict(entry.counts)} do not add up to {entry.rows} rows.")


def _folder(step: str, version: str) -> str:
    return f"ledger/{step}/{version}"


def _parse(data: bytes, path: str) -> Entry:
    try:
        raw = json.loads(data)
        raw["files"] = {role: tuple(item) for role, item in raw["files"].items()}
        return Entry(**raw)
    except (ValueError, TypeError, KeyError) as error:
        raise BrokenPart(f"{path} is not a ledger entry ({error}). Remove it and run again.") from error
