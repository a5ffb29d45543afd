"""Several languages at once: page views are read once for all, then each language is built, and all are written together."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from hashlib import file_digest
from itertools import chain
from pathlib import Path
from typing import Any

from curation.metadata import MetadataSets
from curation.metadata_build import folder, views, wordnet
from curation.metadata_build.build import Builder, Built, Inputs
from curation.metadata_build.rules import rules_of
from curation.metadata_build.segment import find
from curation.metadata_build.streams import Watch, require, unwatched
from pipeline.errors import ConfigError, DataError, MachineError


@dataclass(frozen=True)
class Order:
    """What to build, of what, and how.

    Attributes:
        inputs: language -> its files.
        pageviews: Wikimedia's hourly files, for all languages.
        changes: rules that differ from the published ones, by the names of `Rules`, for all languages.
        licences: language -> source -> the licence of its data, as it is to be recorded.
        scratch: where counting may write; the temporary folder of the machine if None.
    """

    inputs: Mapping[str, Inputs]
    pageviews: tuple[Path, ...] = ()
    changes: Mapping[str, Any] = field(default_factory=dict)
    licences: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    scratch: Path | None = None
    memory: int = 512 << 20
    workers: int = 1


def make(order: Order, out: Path, watch: Watch = unwatched) -> dict[str, Built]:
    """Build every language of an order and write the folder; nothing is written if one of them fails.

    Raises:
        ConfigError: if a file is not there, or a tokenizer is not installed.
        DataError: if a file does not say what it should, or a language gets no entry.
        MachineError: if the disk that counting writes to is full or gone.
    """
    _check(order)
    try:
        with tempfile.TemporaryDirectory(prefix="pairpool-metadata-", dir=order.scratch) as scratch:
            built = _built(order, Path(scratch), watch)
    except OSError as error:
        raise MachineError(
            f"counting on disk failed ({error}). Name a folder with room for it with --scratch."
        ) from error
    records = {code: _record(order, code, made) for code, made in built.items()}
    folder.write(out, {code: made.entries for code, made in built.items()}, records)
    return built


def _built(order: Order, scratch: Path, watch: Watch) -> dict[str, Built]:
    titles = _titles(order, scratch / "titles", watch)
    built: dict[str, Built] = {}
    for code, inputs in order.inputs.items():
        place = scratch / "languages" / code
        place.mkdir(parents=True)
        rules = replace(rules_of(code), **order.changes)
        builder = Builder(code, inputs, rules, place, order.memory, order.workers, watch)
        built[code] = builder.build(titles.get(code))
        shutil.rmtree(place)
    return built


def bring(path: Path, out: Path) -> dict[str, int]:
    """Write the sets of a metadata.json (or another folder) as a folder; gives set -> entries, each counted once.

    Raises:
        ConfigError: if there is no metadata.
        DataError: if it is broken, or a set is empty.
    """
    sets = MetadataSets.load(path)
    sizes = {name: len(sets.entries(name)) for name in sets.names}
    empty = [name for name, size in sizes.items() if not size]
    if empty or not sizes:
        raise DataError(
            f"{path} has no entry for {', '.join(empty) or 'any language'}. Take it out, or import another file."
        )
    given = [_input("imported", path)] if path.is_file() else []
    records = {name: {"entries": {"total": n, "imported": n}, "inputs": given} for name, n in sizes.items()}
    folder.write(out, {name: sets.entries(name) for name in sets.names}, records)
    return sizes


def _check(order: Order) -> None:
    """Before hours of counting: everything that will be needed is there."""
    if not order.inputs:
        raise ConfigError("there is nothing to build from. Name a source, for example --wordnet en=DICT.")
    for code, inputs in order.inputs.items():
        if not folder.CODE.fullmatch(code):
            raise ConfigError(f"{code!r} is no language code: letters, digits, - and _ are.")
        for path in chain(inputs.corpus, inputs.frequencies, inputs.titles):
            require(path)
        for path in inputs.wordnet:
            if not path.is_dir():
                require(path)
        segmenter = find(code)
        if inputs.corpus and segmenter:
            segmenter.load()
    for path in order.pageviews:
        require(path)


def _titles(order: Order, scratch: Path, watch: Watch) -> dict[str, views.Titles]:
    summed = {code: inputs.titles for code, inputs in order.inputs.items() if inputs.titles}
    if not order.pageviews and not summed:
        return {}
    languages = order.inputs if order.pageviews else summed
    floor = order.changes.get("min_hourly")
    floors = None if floor is None else dict.fromkeys(languages, floor)
    return views.count(order.pageviews, summed, languages, scratch, memory=order.memory, floors=floors, watch=watch)


def _record(order: Order, code: str, built: Built) -> dict[str, Any]:
    inputs = order.inputs[code]
    rules = asdict(replace(rules_of(code), **order.changes))
    rules = {name: str(value) if value in (float("inf"), float("-inf")) else value for name, value in rules.items()}
    tabs = {f"wordnet {path.name}": said for path in inputs.wordnet if (said := wordnet.licence(path))}
    return {
        "entries": built.sources,
        "found": built.facts,
        "rules": rules,
        "inputs": [*_inputs(inputs), *(_input("pageviews", path) for path in order.pageviews)],
        "licences": {**tabs, **order.licences.get(code, {})},
    }


def _inputs(inputs: Inputs) -> Iterable[dict[str, Any]]:
    for source, paths in asdict(inputs).items():
        for path in paths:
            files = [path / part for part in wordnet.PARTS if (path / part).is_file()] if path.is_dir() else [path]
            yield from (_input(source, file) for file in files)


def _input(source: str, path: Path) -> dict[str, Any]:
    with path.open("rb") as file:
        digest = file_digest(file, "sha256").hexdigest()
    return {"source": source, "file": path.name, "bytes": path.stat().st_size, "sha256": digest}
