"""Which model captions: the shipped one, a folder, or a name on the hub or on a server; and what tells it apart."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

from pipeline.errors import ConfigError
from pipeline.recipe import digest_file, fingerprint

DEMO = "demo"
COMMIT = re.compile(r"[0-9a-f]{40}")
HUB_TIMEOUT = 30.0  # seconds


@dataclass(frozen=True)
class Model:
    """A captioning model.

    Attributes:
        name: under which it is served, and which the captions record.
        path: its folder; None for a model that a server knows by name.
        revision: what tells its bytes apart: digest of the folder (64 hex digits), or revision on the hub; None if nobody said.
    """

    name: str
    path: Path | None
    revision: str | None

    @property
    def context(self) -> int | None:
        """The longest context that its folder declares, in tokens."""
        if self.path is None or not (self.path / "config.json").is_file():
            return None
        config = json.loads((self.path / "config.json").read_text("utf-8"))
        length = config.get("text_config", config).get("max_position_embeddings")
        return length if isinstance(length, int) else None


def resolve(model: str, revision: str | None, served: bool) -> Model:
    """Find the model that a config names: `demo`, a folder, or the name of a served model or of one on the hub.

    Args:
        model: as in the config.
        revision: of a model on the hub.
        served: whether a server that is given serves it.

    Raises:
        ConfigError: for a folder that is not there, or a hub model without a revision.
    """
    folder = _demo() if model == DEMO else Path(model).expanduser()
    if folder.is_dir():
        name = DEMO if model == DEMO else folder.resolve().name
        return Model(name, folder.resolve(), digest_folder(folder.resolve()))
    if model.startswith(("/", "./", "../", "~")) or model.count("/") > 1:
        raise ConfigError(
            f"There is no model folder {folder}. Put the model there, or correct `model`: a folder, the name of a model "
            f"on the hub (owner/name), or {DEMO!r} for the one that is shipped."
        )
    if not served and revision is None:
        raise ConfigError(
            f"Say which revision of {model!r} captions: `revision: <commit>`. Without it the hub decides, and captions of "
            "different models could meet under one identity. (If this is no hub model but a folder, the folder is not there.)"
        )
    return Model(model, None, revision)


def pin(model: Model, hub: str | None = None, cache: Path | None = None) -> Model:
    """The model with the commit that its revision stands for now: a branch may move, captions say what made them.

    Args:
        model: a folder and a commit stay as they are.
        hub: address of the hub; None is the usual one.
        cache: folder of what was fetched from it; None is the usual one.

    Raises:
        ConfigError: if neither the hub nor the local cache knows the revision.
    """
    if model.path or model.revision is None or COMMIT.fullmatch(model.revision):
        return model
    return replace(model, revision=_on_hub(model, hub) or _in_cache(model, cache) or _unknown(model))


def _on_hub(model: Model, hub: str | None) -> str | None:
    import httpx
    from huggingface_hub import HfApi

    try:
        return HfApi(endpoint=hub).model_info(model.name, revision=model.revision, timeout=HUB_TIMEOUT).sha
    except (OSError, httpx.HTTPError):
        return None


def _in_cache(model: Model, cache: Path | None) -> str | None:
    from huggingface_hub import constants

    folder = "--".join(["models", *model.name.split("/")])
    ref = (cache or Path(constants.HF_HUB_CACHE)) / folder / "refs" / str(model.revision)
    return ref.read_text("utf-8").strip() if ref.is_file() else None


def _unknown(model: Model) -> str:
    raise ConfigError(
        f"Which commit is {model.name!r} at {model.revision!r}? Neither the hub nor the local cache tells. Give `revision: <commit>`, "
        "correct the name, or fetch the model into the cache first."
    )


def _demo() -> Path:
    from captioning import demo_model

    return Path(demo_model.PATH)


def digest_folder(folder: Path) -> str:
    """sha256 over the files of a folder but its model card; read again only if a file's size or time has changed since."""
    files = sorted(item for item in folder.rglob("*") if item.is_file() and _is_model(item.relative_to(folder)))
    return _digest(folder, tuple((item, item.stat().st_size, item.stat().st_mtime_ns) for item in files))


def _is_model(file: Path) -> bool:
    return "__pycache__" not in file.parts and not file.name.startswith(".") and file.suffix != ".md"


@lru_cache(maxsize=16)
def _digest(folder: Path, stamp: tuple[tuple[Path, int, int], ...]) -> str:
    return fingerprint([(file.relative_to(folder).as_posix(), digest_file(file)) for file, _, _ in stamp])
