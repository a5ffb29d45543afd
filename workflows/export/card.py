"""The dataset card: a README beside the shards that says what a sample holds, how it came about, and what is not known of it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from pipeline.recipe import Identity
from pipeline.step import Task

if TYPE_CHECKING:
    from workflows.export.account import Account
    from workflows.export.step import Export

SHOWN = 20  #: lines of a table; the rest is summed up
MODEL = ("model", "pretrained", "revision", "checkpoint")
CARD = """\
---
{header}
---
# {title}

{written} samples in webdataset shards of up to {samples}, shuffled by a keyed hash within windows of {window} pool shards.

| Of {rows} rows of the pool | |
|---|---|
| exported | {written} |
{held_out}| not selected by `{selection}` | {left} |
{failures}
## A sample

Every sample has exactly three members: `KEY.{suffix}` ({image}), `KEY.txt` (the default caption:
the first of {default} that is not empty) and `KEY.json` with these fields, always all of them, none null:

| field | from | empty |
|---|---|---|
| `uid` | identity of the row in the pool | |
| `key` | KEY | |
{fields}
What a row lacks is `""` in a text, `-1` in a number and `false` in a boolean.

`sizes.json` gives the samples of each tar, `index.parquet` the place of every image, `uids.npy` the uids as a DataComp subset,
`recipe.json` the recipe of every step. Read it with any webdataset reader:

```python
import webdataset
data = webdataset.WebDataset("00000000.tar", shardshuffle=False).decode("pil").to_tuple("{suffix}", "txt", "json")
```

## How it came about

{funnel}
{recipe}
{models}
## What is in it

{sources}
{languages}
## Known limits

{limits}
## Licence

{licences}
"""
RIGHTS = """\
The pictures and their texts belong to their authors; this export grants no rights in them. Each sample names its source
where the pool knows it. Machine-made captions carry the terms of the model that wrote them."""


def card(path: Path, step: Export, task: Task, steps: Mapping[str, Identity], account: Account) -> Path:
    """Write the card of an export and its lineage, without dates: the same export gives the same card."""
    text = CARD.format(
        header=_header(step, account),
        title=step.title,
        rows=account.rows,
        written=account.written,
        held_out=f"| of these in `validation/` | {account.held_out} |\n" if account.held_out else "",
        left=account.left,
        failures=_lines((f"failed: {reason}", count) for reason, count in sorted(account.failures.items())),
        image="made anew: " + json.dumps(steps[step.name]["recipe"]["resize"])
        if step.resize
        else "the stored image, bit for bit",
        fields=_fields(step, account),
        default=", ".join(f"`{name}`" for name in step.default),
        samples=step.shard_samples if not step.shard_bytes else f"{step.shard_samples} or {step.shard_bytes} bytes",
        window=step.window,
        selection=step.selection,
        suffix=step.suffix,
        funnel=_table("why rows were not selected", "rows", _reasons(step, task)),
        recipe=_recipe(steps),
        models=_models(steps),
        sources=_table("source", "samples", account.sources),
        languages=_table("language", "samples", account.languages),
        limits="".join(f"- {line}\n" for line in _limits(step, account, steps)),
        licences=step.licences.read_text(encoding="utf-8").strip() if step.licences else RIGHTS,
    )
    path.write_text(text, encoding="utf-8")
    return path


def _header(step: Export, account: Account) -> str:
    """The front matter that dataset hubs read."""
    config: dict[str, Any] = {"config_name": "default", "data_files": "*.tar"}
    if account.held_out:
        sides = {"train": "*.tar", "validation": "validation/*.tar"}
        config["data_files"] = [{"split": name, "path": path} for name, path in sides.items()]
    return yaml.safe_dump({"configs": [config], "license": step.licence}, sort_keys=False).strip()


def _fields(step: Export, account: Account) -> str:
    fields = [f"| `{name}` | {ref} | {account.empty[name]} |" for name, ref in sorted(step.texts.items())]
    fields += [f"| `{name}` | {ref} | |" for name, ref in sorted(step.columns.items())]
    fields += [f"| `{name}` | a list, of {ref} | |" for name, ref in sorted(step.lists.items())]
    return "".join(f"{line}\n" for line in fields)


def _reasons(step: Export, task: Task) -> Counter[str]:
    """Why the selection rejected, over all shards."""
    found = Counter[str]()
    for parts in task.inputs[step.selection].values():
        found.update(parts[-1].reasons)
    return found


def _recipe(steps: Mapping[str, Identity]) -> str:
    lines = [f"| `{name}` | {made['kind']} | {made['version']} | {_inputs(made)} |\n" for name, made in steps.items()]
    return "| step | kind | version | made of |\n|---|---|---|---|\n" + "".join(lines)


def _inputs(made: Identity) -> str:
    return ", ".join(f"`{name}`" for name in made.get("inputs", ()))


def _models(steps: Mapping[str, Identity]) -> str:
    """Which models scored or wrote; their terms reach what they wrote."""
    lines = []
    for name, made in steps.items():
        told = {**made["recipe"], **made}
        said = [f"{key} {told[key]}" for key in MODEL if isinstance(told.get(key), str)]
        lines += [f"| `{name}` | {', '.join(said)} |\n"] if said else []
    return "| step | model |\n|---|---|\n" + "".join(lines) if lines else ""


def _limits(step: Export, account: Account, steps: Mapping[str, Identity]) -> list[str]:
    kinds = {made["kind"] for made in steps.values()}
    said = [
        "A reason says which rule a row broke, not that the rule was right about it; nobody looked at every sample.",
        "Nothing was filtered that no step above looks for: persons, marks and offensive content may be in it.",
        "Sources and licences are those that the lists and packages state. Nobody checked the rights in any single picture.",
    ]
    if "langid" in kinds:
        said.append(
            "Languages are those of short texts as a model and their letters tell them; `unknown` is a label too."
        )
    if "clip-score" in kinds:
        said.append("A CLIP score is a scale of its model's own; scores of other models cannot be compared with it.")
    if "caption" in kinds:
        said.append("Captions of a model may say what is not in the picture. Their truth was not measured here.")
    if "duplicates" not in kinds:
        said.append("No step looked for duplicates.")
    if account.held_out and not step.groups:
        said.append("Training and validation were parted by uid alone: twins may stand on both sides.")
    return said


def _table(head: str, count: str, counts: Mapping[str, int]) -> str:
    if not counts:
        return ""
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    rest = ordered[SHOWN:]
    others = [(f"{len(rest)} others", sum(rows for _, rows in rest))] if rest else []
    return f"| {head} | {count} |\n|---|---|\n" + _lines([*ordered[:SHOWN], *others])


def _lines(rows: Iterable[tuple[str, int]]) -> str:
    return "".join("| {} | {} |\n".format(text.replace("|", "\\|"), count) for text, count in rows)
