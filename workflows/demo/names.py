"""Emoji of the evaluation split with their CLDR names: classes and texts in many languages, as XTD and Babel-ImageNet are.

    python -m workflows.demo.names --demo build/demo

Aggarwal and Kale 2020 (XTD) pair one set of pictures with captions in many languages; Geigle et al. 2023 (Babel-ImageNet) do so
with names of classes. CLDR's names are written by people, not translated by a model.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from pipeline.errors import DataError
from workflows.demo.features import one_a_group
from workflows.demo.languages import LANGUAGES
from workflows.demo.pool import plain
from workflows.export.sample import Sample
from workflows.export.writer import writing
from workflows.training.holdout import as_jpeg

SPOKEN = ("en", *LANGUAGES)
CLASSES = "classes.json"
TEMPLATES = {"en": ["{}", "a picture of {}", "an emoji of {}"]}  # the other languages have their names alone


def write_names(demo: Path, out: Path) -> Mapping[str, int]:
    """Write one picture a concept as shards with `class` and `name_<language>`, and the list of classes beside them.

    Gives the number of names by language.

    Raises:
        DataError: if the split has no emoji with names.
    """
    rows = pq.read_table(demo / "art.parquet", filters=[("split", "==", "evaluation"), ("source", "==", "emoji")])
    # Skin tones last: of a concept's pictures the plain one is its class.
    ordered = sorted(rows.to_pylist(), key=lambda row: (not plain(row["path"]), row["uid"]))
    chosen = [row for row in one_a_group(ordered) if _names(row)["en"]]
    if not chosen:
        raise DataError(
            f"{demo / 'art.parquet'} has no emoji with an English name in its evaluation split. Build the demo again."
        )
    classes: dict[str, Mapping[str, str]] = {}
    with writing(out, samples=1000) as writer:
        for row in sorted(chosen, key=lambda row: str(row["uid"])):
            classes[row["group"]] = names = _names(row)
            fields = {"uid": row["uid"], "key": row["uid"], "class": row["group"]}
            fields |= {f"name_{language}": name for language, name in names.items()}
            writer.add(Sample(row["uid"], as_jpeg((demo / "art" / row["path"]).read_bytes()), names["en"], fields))
        writer.close()
    told = {"label": "class", "classes": classes, "templates": TEMPLATES}
    (out / CLASSES).write_text(json.dumps(told, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    return {language: sum(bool(names[language]) for names in classes.values()) for language in SPOKEN}


def _names(row: Mapping[str, Any]) -> dict[str, str]:
    """The name in each language, "" where CLDR has none."""
    told = {text["lang"]: text["text"] for text in row["texts"] if text["kind"] == "name"}
    return {language: told.get(language, "") for language in SPOKEN}


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m workflows.demo.names", description=__doc__.partition("\n")[0])
    parser.add_argument("--demo", type=Path, default=Path("build/demo"), help="where the demo's pictures lie")
    parser.add_argument("--out", type=Path, help="folder of the shards (default: DEMO/names)")
    given = parser.parse_args()
    print(write_names(given.demo, given.out or given.demo / "names"))


if __name__ == "__main__":
    main()
