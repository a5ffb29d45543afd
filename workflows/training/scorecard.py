"""All that is measured of one model on held-out shards, as JSON, as lines of a table and as a picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from workflows.training.evaluate import text_features
from workflows.training.judged import look
from workflows.training.model import Built
from workflows.training.retrieval import KS, WAYS, retrieval
from workflows.training.shards import Shards
from workflows.training.zeroshot import Classes, classify

Results = dict[str, Any]
RESULTS, PICTURE = "results.json", "results.png"


def scorecard(
    built: Built, shards: Shards, texts: Sequence[str] = ("txt",), classes: Classes | None = None, seed: int = 0
) -> Results:
    """Judge a model.

    Args:
        built: the model.
        shards: held-out samples; that it was not trained on them is for the caller to see to.
        texts: fields (or patterns such as `name_*`) to retrieve with: one result each.
        classes: for zero-shot classification.
        seed: of the bootstrap.
    """
    judged = look(built, shards)
    told: Results = {"samples": len(judged.fields), "left_out": dict(judged.left_out), "retrieval": {}}
    for pattern in texts:
        for name, (places, found) in judged.texts(pattern).items():
            told["retrieval"][name] = retrieval(
                judged.images[torch.tensor(places)], text_features(built, found), found, seed
            )
    return told | ({"zero_shot": classify(built, judged, classes, seed)} if classes else {})


def lines(told: Results) -> list[dict[str, Any]]:
    """One line a figure: what of, measure, value with its interval, chance, and how many queries."""
    found = []
    for name, result in told["retrieval"].items():
        for way in WAYS:
            for k in (f"R@{k}" for k in KS):
                about = {"of": name, "measure": f"{k} {way.replace('_', ' ')}", "chance": result["chance"][k]}
                found.append(about | result[way][k] | {"queries": result["samples"]})
    for language, result in told.get("zero_shot", {}).get("languages", {}).items():
        for k, chance in result["chance"].items():
            about = {"of": f"classes {language}", "measure": f"{k} accuracy", "chance": chance}
            found.append(about | result[k] | {"queries": result["samples"]})
    return found


def draw(told: Results, path: Path) -> Path:
    """The widest measure of each kind, R@10 and top-5, for every field and language, with intervals beside chance, as a PNG."""
    from matplotlib.figure import Figure

    drawn = [line for line in lines(told) if line["measure"].startswith((f"R@{KS[-1]}", "top-5"))]
    measures = list(dict.fromkeys(line["measure"] for line in drawn))
    widest = max(sum(line["measure"] == measure for line in drawn) for measure in measures)
    figure = Figure(figsize=(max(6, 1.5 + 0.42 * widest), 2.6 * len(measures)), layout="constrained")
    for axes, measure in zip(figure.subplots(len(measures), 1, squeeze=False)[:, 0], measures, strict=True):
        _bars(axes, [line for line in drawn if line["measure"] == measure])
        axes.set(title=measure, ylabel="share", ylim=(0, None))
    figure.savefig(path, dpi=120, metadata={"Software": None})
    return path


def _bars(axes: Any, drawn: Sequence[Mapping[str, Any]]) -> None:
    places = range(len(drawn))
    spread = [[line["value"] - line["low"] for line in drawn], [line["high"] - line["value"] for line in drawn]]
    axes.bar(places, [line["value"] for line in drawn], 0.7, yerr=spread, color="#1f5fa8", ecolor="#4a4f57", capsize=2)
    axes.plot(places, [line["chance"] for line in drawn], "_", color="#b4530a", ms=14, mew=1.8, label="chance")
    axes.set_xticks(places, [line["of"].removeprefix("name_").removeprefix("classes ") for line in drawn])
    axes.legend(fontsize=8)
