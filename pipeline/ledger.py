"""The ledger: one entry for each part that exists, created only if absent. That creation is the commit.

ledger/<step>/<version>/identity.json        the recipe that every part of this version was made by
ledger/<step>/<version>/<unit>.<part>.json   one entry a part: its files, digests, rows and reasons
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, replace
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
        if self.bind(step.name, step.version, identity):
            return
        changed = differences(self.identity(step.name, step.version), identity)
        if changed:
            raise RecipeChanged(
                f"The recipe of step {step.name!r} differs from the one that made version {step.version!r} in {self.store.root}:\n  "
                + "\n  ".join(changed)
                + '\nGive the step a new version (`version: "2"`) to keep both, or undo the change, or use another pool folder.'
            )

    def identity(self, step: str, version: str) -> Identity:
        """The recipe that a version of a step is bound to.

        Raises:
            BrokenPart: if it was never claimed.
        """
        found: Identity = json.loads(self.store.get(_claim(step, version)))
        return found

    def identities(self) -> Iterator[tuple[str, str, Identity]]:
        """Step, version and recipe of all that was ever claimed."""
        for path in self.store.list("ledger/"):
            if path.endswith("/identity.json"):
                step, version = path.split("/")[1:3]
                yield step, version, self.identity(step, version)

    def bind(self, step: str, version: str, identity: Identity) -> bool:
        """Bind a version of a step to its recipe; False if it is bound already."""
        return self.store.create(_claim(step, version), json.dumps(identity, indent=1, sort_keys=True).encode())

    def entries(self, step: str, version: str) -> dict[str, tuple[Entry, ...]]:
        """All committed parts of a step: unit -> its parts, oldest first."""
        found: dict[str, dict[int, Entry]] = {}
        for path in self.store.list(f"{_folder(step, version)}/"):
            if not path.endswith("/identity.json"):
                entry = _parse(self.store.get(path), path)
                found.setdefault(entry.unit, {})[entry.part] = entry
        return {unit: tuple(parts[k] for k in sorted(parts)) for unit, parts in found.items()}

    def entry(self, step: str, version: str, unit: str, part: int) -> Entry:
        """One committed part.

        Raises:
            BrokenPart: if it is not there.
        """
        path = _path(step, version, unit, part)
        return _parse(self.store.get(path), path)

    def all_entries(self) -> Iterator[Entry]:
        """Every committed part of the pool."""
        for path in self.store.list("ledger/"):
            if not path.endswith(("/identity.json", ".jsonl")):
                yield _parse(self.store.get(path), path)

    def commit(self, step: Step, task: Task, outcome: Outcome) -> Entry:
        """Store the files of an outcome under their digests, then create its entry.

        A late duplicate attempt loses harmlessly: the entry that came first is returned, and no entry names the loser's files.
        """
        hashed = outcome.digests
        files = {role: self._put(step, task, role, path, hashed.get(role)) for role, path in outcome.files.items()}
        entry = Entry(
            step.name, step.version, task.unit, task.part, task.basis, files,
            outcome.rows, dict(outcome.counts), dict(outcome.reasons), dict(outcome.facts),
        )  # fmt: skip
        if self.store.create(_path_of(entry), _json(entry)):
            return entry
        return self.entry(entry.step, entry.version, entry.unit, entry.part)

    def replace(
        self, entry: Entry, files: Mapping[str, Path], counts: Mapping[str, int], reasons: Mapping[str, int]
    ) -> None:
        """Give a part other files in place of some of its own, whose bytes are deleted. Only a removal does this.

        The new files come first, then the entry, then the deletion: killed in between, either the old part stands or the new.
        """
        placed, old = dict(entry.files), {role: entry.files[role] for role in files}
        for role, path in files.items():
            digest, before = digest_file(path), entry.files[role]
            target = before[0].replace(before[1][:16], digest[:16])
            self.store.put(target, path)
            placed[role] = (target, digest, path.stat().st_size)
        made = replace(entry, files=placed, counts=counts, reasons=reasons, first={**old, **entry.first})
        self.store.put(_path_of(entry), _json(made))
        for gone, _, _ in old.values():
            self.store.delete(gone)

    def forget(self, entry: Entry) -> None:
        """Delete a part: its entry, then its files."""
        self.store.delete(_path_of(entry))
        for path, _, _ in entry.files.values():
            self.store.delete(path)

    def _put(self, step: Step, task: Task, role: str, path: Path, known: str | None) -> tuple[str, str, int]:
        digest, size = known or digest_file(path), path.stat().st_size
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


def _claim(step: str, version: str) -> str:
    return f"{_folder(step, version)}/identity.json"


def _path(step: str, version: str, unit: str, part: int) -> str:
    return f"{_folder(step, version)}/{unit}.{part}.json"


def _path_of(entry: Entry) -> str:
    return _path(entry.step, entry.version, entry.unit, entry.part)


def _json(entry: Entry) -> bytes:
    return json.dumps(asdict(entry), indent=1, sort_keys=True).encode()


def _parse(data: bytes, path: str) -> Entry:
    try:
        raw = json.loads(data)
        for name in ("files", "first"):
            raw[name] = {role: tuple(item) for role, item in raw.get(name, {}).items()}
        return Entry(**raw)
    except (ValueError, TypeError, KeyError) as error:
        raise BrokenPart(f"{path} is not a ledger entry ({error}). Remove it and run again.") from error
