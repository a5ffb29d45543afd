"""Judge the demonstration captioner through a real vLLM server, on pictures that it was not trained on.

    python -m workflows.demo.captioner.evaluate --art build/demo/art.parquet --model captioning/demo_model [--against SCORES]

What the sets are stands in `exhibits.py`, what is measured in `measures.py` and `judge.py`. With --against, scores that an earlier run
wrote about another model on the same pictures, differences are given with paired intervals.
"""

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from captioning.exchange import Answer as Reply
from workflows.demo.captioner.asking import BOUNDS, ask_all, serving
from workflows.demo.captioner.exhibits import Exhibit, exhibits
from workflows.demo.captioner.judge import Rate
from workflows.demo.captioner.measures import Scores, gains, rates, scores

MARKS = "<!-- figures: written by workflows.demo.captioner.evaluate -->", "<!-- end of figures -->"
By = dict[str, dict[str, Scores]]


def judged(model: Path, endpoint: str | None, shown: Sequence[Exhibit], record: Path | None = None) -> By:
    """The scores of a model by set and measure; its answers are written to `record`."""
    with serving(model, endpoint) as server:
        free, guided = (ask_all(server, list(shown), guided=form) for form in (False, True))
    if record:
        record.parent.mkdir(parents=True, exist_ok=True)
        said = [
            {"truth": vars(e.truth), "guided": g.text, "free": f.text}
            for e, g, f in zip(shown, guided, free, strict=True)
        ]
        record.write_text("".join(json.dumps(line) + "\n" for line in said), encoding="utf-8")
    return by_set(shown, guided, free)


def by_set(shown: Sequence[Exhibit], guided: Sequence[Reply], free: Sequence[Reply]) -> By:
    """The scores of answers, set by set in the order in which sets first come."""
    found: By = {}
    for name in dict.fromkeys(name for exhibit in shown for name in exhibit.sets):
        mine = [i for i, exhibit in enumerate(shown) if name in exhibit.sets]
        truths = [shown[i].truth for i in mine]
        found[name] = scores([guided[i] for i in mine], [free[i] for i in mine], truths, BOUNDS)
    return found


def table(found: Mapping[str, Mapping[str, Rate]], counts: Mapping[str, int], sign: str = "") -> str:
    """Rates as a Markdown table: one row per measure, one column per set; `sign` is "+" for differences."""
    lines = ["| mean | " + " | ".join(f"{name} (n={counts[name]})" for name in found) + " |"]
    lines.append("|---|" + "---|" * len(found))
    for measure in next(iter(found.values())):
        rated = (found[name][measure] for name in found)
        cells = [f"{mean:{sign}.2f} ({low:{sign}.2f} to {high:{sign}.2f})" for mean, low, high in rated]
        lines.append(f"| {measure} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def write_card(card: Path, figures: str) -> None:
    """Put the table between the marks of the model card."""
    text = card.read_text("utf-8")
    before, rest = text.split(MARKS[0])
    after = rest.split(MARKS[1])[1]
    card.write_text(f"{before}{MARKS[0]}\n{figures}\n{MARKS[1]}{after}", "utf-8")


def keep(path: Path, found: By) -> None:
    """Write the scores of each set and measure as JSON, picture by picture."""
    path.parent.mkdir(parents=True, exist_ok=True)
    listed = {
        name: {measure: np.round(values, 4).tolist() for measure, values in scored.items()}
        for name, scored in found.items()
    }
    path.write_text(json.dumps(listed) + "\n", encoding="utf-8")


def kept(path: Path) -> By:
    """Read what `keep` wrote."""
    listed = json.loads(path.read_text("utf-8"))
    return {name: {key: np.array(values) for key, values in scored.items()} for name, scored in listed.items()}


def main(argv: list[str] | None = None) -> None:
    """Print the tables, and write the first into the model card where --card names one."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--art", type=Path, default=Path("build/demo/art.parquet"))
    parser.add_argument("--model", type=Path, default=Path("captioning/demo_model"))
    parser.add_argument("--against", type=Path, help="scores of another model, as --out writes them")
    parser.add_argument("--endpoint", help="address of a server that already serves the model")
    parser.add_argument("--pictures", type=int, default=400)
    parser.add_argument("--scenes", type=int, default=150)
    parser.add_argument("--card", type=Path)
    parser.add_argument(
        "--out", type=Path, default=Path("build/bench/captioner_scores.json"), help="scores, one by one"
    )
    args = parser.parse_args(argv)
    found = judged(
        args.model,
        args.endpoint,
        exhibits(args.art, args.pictures, args.scenes),
        args.out.with_suffix(".answers.jsonl"),
    )
    keep(args.out, found)
    counts = {name: len(next(iter(by.values()))) for name, by in found.items()}
    figures = table({name: rates(by) for name, by in found.items()}, counts)
    print(figures)
    if args.against:
        before = kept(args.against)
        print(
            "\ndifference:", table({name: gains(by, before[name]) for name, by in found.items()}, counts, "+"), sep="\n"
        )
    if args.card:
        write_card(args.card, figures)


if __name__ == "__main__":
    main()
