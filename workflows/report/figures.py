"""Figures as SVG that stands in the page: text stays text, nothing is loaded, and the same numbers give the same bytes."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from markupsafe import Markup, escape

from workflows.report.sources import Numbers

if TYPE_CHECKING:
    from matplotlib.axes import Axes

INK, GRID = "#4a4f57", "#e3e5e8"
BLUE, ORANGE, GREEN, GREY = "#1f5fa8", "#b4530a", "#2b7a4b", "#8a9099"
NAMESPACES = 'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'
WIDTH, HEIGHT = 5.2, 3.1  # inches, of 72 units each
#: Colour and dash of a series: never told apart by colour alone.
STYLES = {
    "kept": (BLUE, "-"),
    "not kept": (ORANGE, "--"),
    "matched": (BLUE, "-"),
    "mismatched": (ORANGE, "--"),
    "alt-text": (INK, "-"),
    "short": (BLUE, "--"),
    "medium": (GREEN, "-."),
    "long": (ORANGE, ":"),
}
OTHER_STYLE = (GREY, "--")


@contextmanager
def _canvas(name: str, label: str) -> Iterator[tuple[Axes, list[Markup]]]:
    """Axes to draw on; after the block the list holds the SVG. `name` makes the ids in it its own."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    made: list[Markup] = []
    settings: dict[Any, Any] = {
        "svg.fonttype": "none",
        "svg.hashsalt": name,
        "font.size": 10.5,
        "text.color": INK,
        "axes.labelcolor": INK,
    }
    settings |= {"axes.edgecolor": GREY, "xtick.color": INK, "ytick.color": INK, "axes.spines.top": False}
    settings |= {"axes.spines.right": False, "text.parse_math": False}
    with mpl.rc_context(settings):
        figure = Figure(figsize=(WIDTH, HEIGHT), layout="constrained")
        axes = figure.subplots()
        yield axes, made
        axes.grid(visible=True, color=GRID, linewidth=0.7)
        axes.set_axisbelow(True)
        buffer = io.StringIO()
        figure.savefig(
            buffer,
            format="svg",
            transparent=True,
            metadata={"Date": None, "Creator": None, "Format": None, "Type": None},
        )
    made.append(_inline(buffer.getvalue(), label))


def _inline(svg: str, label: str) -> Markup:
    """An SVG document as an element of an HTML page: no prolog, no metadata, no fixed size, and words for who cannot see it."""
    body = re.sub(r"<metadata>.*?</metadata>", "", svg[svg.index("<svg") :], flags=re.DOTALL)
    head, rest = body.split(">", 1)
    box = re.search(r'viewBox="[^"]*"', head)
    assert box
    return Markup(f'<svg {NAMESPACES} {box.group()} role="img" aria-label="{escape(label)}">{rest}')


def concepts(found: Numbers) -> Markup:
    """Texts an entry, by rank, before and after balancing."""
    label = "Number of texts that match each concept, by rank, on logarithmic axes: before balancing, after it, and in what is kept."
    styles = {"before": (GREY, "-"), "after": (BLUE, "--"), "kept": (ORANGE, ":")}
    with _canvas("concepts", label) as (axes, made):
        for name, points in found["curves"].items():
            if points:
                colour, dash = styles[name]
                axes.plot(*zip(*points, strict=True), color=colour, linestyle=dash, linewidth=1.8)
        axes.set(xscale="log", yscale="log", xlabel="rank of the concept", ylabel="texts that match it")
        _plain_logarithms(axes)
    return made[0]


def _plain_logarithms(axes: Axes) -> None:
    """1, 10, 100 rather than powers, whose exponents are lost where text is not typeset."""
    from matplotlib.ticker import FuncFormatter, NullFormatter

    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}" if value >= 1 else f"{value:g}"))
        axis.set_minor_formatter(NullFormatter())


def histograms(name: str, label: str, found: Mapping[str, Numbers | None], *, share: bool) -> Markup | None:
    """Scores as outlines, one a group: rows, or shares of each group where their sizes differ much. None without scores."""
    filled = {group: told for group, told in found.items() if told}
    if not filled:
        return None
    with _canvas(name, label) as (axes, made):
        for group, told in filled.items():
            edges, heights = _coarse(told)
            total = told["rows"] if share else 1
            colour, dash = STYLES.get(group, OTHER_STYLE)
            axes.stairs([h / total for h in heights], edges, color=colour, linestyle=dash, linewidth=1.8)
        axes.set(xlabel="CLIP score (cosine)", ylabel="share of its rows" if share else "rows")
    return made[0]


def _coarse(told: Numbers, times: int = 4) -> tuple[list[float], list[int]]:
    """Bins four times as wide, on a common grid, so that groups can be laid over each other."""
    width, first = told["width"], round(told["from"] / told["width"])
    skip = first % times
    bins = [0] * skip + list(told["bins"])
    bins += [0] * (-len(bins) % times)
    heights = [sum(bins[at : at + times]) for at in range(0, len(bins), times)]
    edges = [(first - skip + times * k) * width for k in range(len(heights) + 1)]
    return edges, heights


def lengths(found: Sequence[Numbers]) -> Markup | None:
    """Words a text, one outline a granularity, as shares."""
    if not found:
        return None
    label = "Share of texts by their number of words: alt-texts beside short, medium and long captions."
    with _canvas("lengths", label) as (axes, made):
        for told in found:
            counts = {words: n / told["rows"] for words, n in told["words"]}
            colour, dash = STYLES.get(told["text"], OTHER_STYLE)
            last = max(counts)
            heights = [counts.get(words, 0) for words in range(last + 1)]
            edges = [k - 0.5 for k in range(last + 2)]
            axes.stairs(heights, edges, color=colour, linestyle=dash, linewidth=1.8)
        axes.set(xlabel="words", ylabel="share of the texts")
    return made[0]


def loss(curve: Sequence[Sequence[float]]) -> Markup | None:
    """The training loss over samples seen."""
    if not curve:
        return None
    with _canvas("loss", f"Contrastive loss over samples seen: from {curve[0][1]:.2f} to {curve[-1][1]:.2f}.") as (
        axes,
        made,
    ):
        axes.plot(*zip(*curve, strict=True), color=BLUE, linewidth=1.6)
        axes.set(xlabel="samples seen", ylabel="contrastive loss")
    return made[0]


def retrieval(lines: Sequence[Numbers]) -> Markup | None:
    """Recall before and after, with intervals, beside chance."""
    if not lines:
        return None
    label = "Recall on held-out pairs before and after training, with 95 % intervals, beside chance; the table has the numbers."
    with _canvas("retrieval", label) as (axes, made):
        for place, line in enumerate(lines):
            for shift, (moment, colour) in enumerate((("before", GREY), ("after", BLUE))):
                _bar(axes, place + 0.36 * (shift - 0.5), line[moment], colour)
            axes.plot([place - 0.42, place + 0.42], [line["chance"]] * 2, color=ORANGE, linewidth=1.6, linestyle="--")
        axes.set_xticks(range(len(lines)), _names(lines))
        axes.set(ylabel="recall", ylim=(0, None))
    return made[0]


def _names(lines: Sequence[Numbers]) -> list[str]:
    """R@k under each pair of bars, and the direction under the middle of its own."""
    middles = {}
    for way in dict.fromkeys(line["way"] for line in lines):
        places = [place for place, line in enumerate(lines) if line["way"] == way]
        middles[places[len(places) // 2]] = way
    return [f"{line['k']}\n{middles.get(place, '')}" for place, line in enumerate(lines)]


def _bar(axes: Axes, x: float, told: Mapping[str, Any], colour: str) -> None:
    spread = [[max(told["value"] - told["low"], 0)], [max(told["high"] - told["value"], 0)]]
    axes.bar([x], [told["value"]], 0.34, yerr=spread, color=colour, ecolor=INK, capsize=2)


def figures(numbers: Numbers) -> dict[str, Markup | None]:
    """Every figure of the page, by name; None where there is nothing to draw."""
    scores, training, checks = numbers["scores"], numbers["training"], numbers["checks"]
    spread = "CLIP scores of rows that are kept and of rows that were scored and are not."
    judged = "CLIP scores of clean rows and of planted mismatches, as shares of each."
    beside = "CLIP scores of alt-texts and of captions of the same pictures, as shares of each."
    return {
        "concepts": concepts(numbers["concepts"]) if numbers["concepts"] else None,
        "by_fate": histograms("by_fate", spread, scores["by_fate"], share=False) if scores else None,
        "by_truth": histograms("by_truth", judged, scores["by_truth"], share=True) if scores else None,
        "texts": histograms("texts", beside, scores["texts"], share=True) if scores else None,
        "checked": histograms("checked", beside, checks["scores"], share=True) if checks else None,
        "lengths": lengths(numbers["captions"]["lengths"]) if numbers["captions"] else None,
        "loss": loss(training["curve"]) if training else None,
        "retrieval": retrieval(training["retrieval"]) if training else None,
    }
