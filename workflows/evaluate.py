"""`pairpool evaluate MODEL --shards DIR`: what a model can do on held-out shards, as JSON, table and picture."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table


def evaluate(
    model: Annotated[
        str,
        typer.Argument(metavar="MODEL", help="A folder that a training left, or an open_clip name such as ViT-B-32."),
    ],
    *,
    shards: Annotated[Path, typer.Option(help="A folder of held-out shards: 00000000.tar ...")],
    out: Annotated[Path, typer.Option(help="Where results.json and results.png go.")] = Path("evaluation"),
    text: Annotated[
        list[str],
        typer.Option(help="A field of the shards to retrieve with, or a pattern such as 'name_*'; repeatable."),
    ] = ["txt"],  # noqa: B006
    classes: Annotated[
        str | None, typer.Option(help="Zero-shot: a YAML or JSON of classes, a .txt of one name a line, or `imagenet`.")
    ] = None,
    pretrained: Annotated[str | None, typer.Option(help="Of an open_clip name: the tag of its weights.")] = None,
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cpu",
) -> None:
    """Judge a model on held-out shards: retrieval both ways, and zero-shot classification, with intervals."""
    from workflows.training.judged import checkpoint
    from workflows.training.scorecard import PICTURE, RESULTS, draw, lines, scorecard
    from workflows.training.shards import Shards
    from workflows.training.zeroshot import Classes

    named = Classes.read(classes) if classes else None
    told = scorecard(checkpoint(model, pretrained, device), Shards.of(shards), text, named)
    out.mkdir(parents=True, exist_ok=True)
    record: dict[str, Any] = {"model": model, "pretrained": pretrained, "shards": str(shards)} | told
    (out / RESULTS).write_text(json.dumps(record, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    draw(told, out / PICTURE)
    console = Console()
    console.print(table(lines(told), told["samples"]))
    for reason, samples in told["left_out"].items():
        console.print(f"{samples} samples left out: {reason}", soft_wrap=True)
    console.print(f"{out / RESULTS}, {out / PICTURE}", soft_wrap=True)


def table(found: list[dict[str, Any]], samples: int) -> Table:
    """The lines of a scorecard for people."""
    made = Table(title=f"{samples:,} held-out samples; 95 % intervals", title_justify="left")
    for head in ("of", "measure"):
        made.add_column(head, no_wrap=True)
    for head in ("value", "interval", "chance", "queries"):
        made.add_column(head, justify="right", no_wrap=True)
    for line in found:
        interval = f"{line['low']:.3f} to {line['high']:.3f}"
        numbers = (f"{line['value']:.3f}", interval, f"{line['chance']:.3f}", f"{line['queries']:,}")
        made.add_row(line["of"], line["measure"], *numbers)
    return made
