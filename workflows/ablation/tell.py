"""The results of an ablation for people, on the console."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table


def show(told: Mapping[str, Any], console: Console) -> None:
    """The table, the claims, and what the split's proof compared."""
    judges = f"{told['queries']} held-out pairs in {told['groups']} groups, {told['seeds']} seeds"
    title = f"{judges}; chance {told['chance']:.4f}, of place {told['chance_place']:.4f}"
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD)
    table.add_column("arm", no_wrap=True)
    for head in ("rows", "pictures", "faulty", "texts name", "shown", "place", "recall", "95 % interval"):
        table.add_column(head, justify="right", no_wrap=True)
    for arm in told["arms"]:
        table.add_row(arm["arm"], *line(arm))
    console.print(table)
    for pair in told["pairs"]:
        console.print(f"{pair['better']} better than {pair['than']}: {judged(pair)}", soft_wrap=True)
        for said in (f"By place: {judged(pair['by_place'])}", *pair["measured"]):
            console.print(f"    {said}", soft_wrap=True)
    for export, proof in told["split"].items():
        console.print(f"{export}: " + ", ".join(f"{name} {value}" for name, value in proof.items()), soft_wrap=True)


def line(arm: Mapping[str, Any]) -> list[str]:
    """One arm in the table."""
    faulty = "" if arm["faulty"] is None else f"{arm['faulty'] / arm['rows']:.1%}"
    named = "" if arm["named"] is None else f"{arm['named']:.0%}"
    mean = [f"{arm['place']['value']:.4f}", f"{arm['recall']['value']:.4f}", spread(arm["recall"])]
    return [f"{arm['rows']:,}", f"{arm['pictures']:,}", faulty, named, f"{arm['epochs']:.1f}x", *mean]


def judged(told: Mapping[str, Any]) -> str:
    """A verdict with its figures."""
    return f"{told['verdict']}. {told['difference']['value']:+.4f} ({spread(told['difference'])}, {likely(told['p'])})"


def spread(interval: Mapping[str, float]) -> str:
    """An interval in words."""
    return f"{interval['low']:.4f} to {interval['high']:.4f}"


def likely(p: float) -> str:
    """A p in words; resampling cannot tell less than its floor."""
    from workflows.training.intervals import RESAMPLES

    return f"p < {2 / RESAMPLES:g}" if p <= 2 / RESAMPLES else f"p = {p:.3f}"
