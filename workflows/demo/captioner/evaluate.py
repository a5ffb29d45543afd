"""Judge the demonstration captioner through a real vLLM server, on pictures that it was not trained on.

    python -m workflows.demo.captioner.evaluate --art build/demo/art.parquet --model captioning/demo_model

Three sets: `pictures` (art of the split `evaluation` on white), `known things` (scenes of training emoji, composed by the demo's
own composer, each on a ground that the thing was never trained on) and `new things` (scenes of emoji of the split `evaluation`).
"""

import argparse
import base64
import contextlib
import io
import json
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from PIL import Image

from captioning.model import resolve
from captioning.prompts import load
from captioning.schema import TextField, json_schema
from captioning.vllm_command import ServerOptions, vllm_server
from workflows.demo.captioner import judge
from workflows.demo.captioner.captions import plain_name
from workflows.demo.captioner.colours import main_colours, measure
from workflows.demo.captioner.data import on_ground, set_apart
from workflows.demo.captioner.judge import Answer, Rate, Truth
from workflows.demo.captioner.tokens import FIELDS
from workflows.demo.scenes import compose, subjects
from workflows.demo.split import fraction

WHITE = (255, 255, 255)
# Characters of each field, and tokens that even an answer of one token per character keeps within: guidance can only promise
# valid JSON where the bounds end an answer that loops.
LENGTHS = {"short": 80, "medium": 160, "long": 240}
MOST_TOKENS = 512
MARKS = "<!-- figures: written by workflows.demo.captioner.evaluate -->", "<!-- end of figures -->"


@dataclass(frozen=True)
class Exhibit:
    """A picture as a downloader stores it (JPEG bytes), and the truth about it."""

    jpeg: bytes
    truth: Truth


@dataclass(frozen=True)
class Endpoint:
    """Where to ask, under which name, with which key."""

    url: str
    model: str
    key: str = ""


def held_out_pictures(art: Path, count: int) -> list[Exhibit]:
    """`count` nameable pictures of the split `evaluation`, drawn by hash, on white."""
    rows = [row for row in pq.read_table(art).to_pylist() if row["split"] == "evaluation"]
    rows = [row for row in rows if plain_name(row["name"], row["path"])]
    rows.sort(key=lambda row: fraction("captioner evaluation", row["uid"]))
    return [_picture(row, art.with_name("art")) for row in rows[:count]]


def _picture(row: dict[str, Any], folder: Path) -> Exhibit:
    with Image.open(folder / row["path"]) as opened:
        opened.thumbnail((256, 256), Image.Resampling.BOX)
        picture = on_ground(opened.convert("RGBA"), WHITE)
    seen = measure(picture)
    return Exhibit(_jpeg(picture), Truth(seen.colours[:1], (plain_name(row["name"], row["path"]),), seen.background))


def scenes(art: Path, split: str, count: int, unseen_pairs: bool) -> list[Exhibit]:
    """`count` scenes of the split's emoji; with `unseen_pairs` only those whose every thing is set apart from its ground."""
    folder, things = art.with_name("art"), [thing for thing in subjects(art, split) if plain_name(thing.name)]
    paths = {thing.uid: folder / thing.path for thing in things}
    found: list[Exhibit] = []
    key = 1_000_000
    while len(found) < count:
        key += 1
        picture, truth = compose(key, things, folder)
        names = tuple(plain_name(name) for name in truth["names"])
        if unseen_pairs and not all(set_apart(name, truth["colour"]) for name in names):
            continue
        main = tuple(_main_colour(paths[uid]) for uid in truth["uids"])
        if truth["colour"] not in main:  # a thing that melts into its ground has no visible colour
            found.append(Exhibit(_jpeg(picture), Truth(main, names, truth["colour"])))
    return found


def _main_colour(path: Path) -> str:
    with Image.open(path) as opened:
        picture = opened.convert("RGBA")
    pixels = np.asarray(picture)
    return main_colours(np.asarray(on_ground(picture, WHITE)), pixels[..., 3] > 127)[0]


def _jpeg(picture: Image.Image) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=95)
    return buffer.getvalue()


def ask(endpoint: Endpoint, exhibit: Exhibit, guided: bool) -> str:
    """The server's text for one picture, greedy, with the caption stage's `plain` prompt."""
    url = "data:image/jpeg;base64," + base64.b64encode(exhibit.jpeg).decode()
    body: dict[str, Any] = {
        "model": endpoint.model,
        "messages": load("plain").messages(url, None),
        "temperature": 0,
        "max_tokens": MOST_TOKENS,
    }
    if guided:
        schema = json_schema([TextField(name, 1, LENGTHS[name]) for name in FIELDS])
        body["response_format"] = {
            "type": "json_schema",
            "json_schema": {"name": "captions", "schema": schema, "strict": True},
        }
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {endpoint.key}"}
    request = urllib.request.Request(f"{endpoint.url}/v1/chat/completions", json.dumps(body).encode(), headers)
    with urllib.request.urlopen(request, timeout=300) as response:
        return str(json.load(response)["choices"][0]["message"]["content"])


def ask_all(endpoint: Endpoint, exhibits: list[Exhibit], guided: bool) -> list[Answer | None]:
    """Answers in the order of the exhibits; None for what is no valid answer."""
    with ThreadPoolExecutor(8) as pool:
        return [judge.parse(text) for text in pool.map(lambda exhibit: ask(endpoint, exhibit, guided), exhibits)]


def rates(answers: list[Answer | None], truths: list[Truth]) -> dict[str, Rate]:
    """Every measure of one set of answers, with its interval."""
    own, other = judge.true_scores, judge.shuffled_scores
    scores = {
        "valid JSON": np.array([float(answer is not None) for answer in answers]),
        "three granularities differ": np.array([float(answer is not None and answer.differs) for answer in answers]),
        "main colour right": own(answers, truths, judge.colour_right),
        "the same on shuffled pictures": other(answers, truths, judge.colour_right),
        "background right": own(answers, truths, judge.background_right),
        "background on shuffled pictures": other(answers, truths, judge.background_right),
        "head noun right": own(answers, truths, judge.named),
        "best constant noun": judge.constant_naming(truths),
    }
    return {name: judge.with_interval(score) for name, score in scores.items()}


def judge_all(endpoint: Endpoint, sets: dict[str, list[Exhibit]]) -> dict[str, dict[str, Rate]]:
    """Rates per set, guided; and the share of valid JSON without guidance."""
    found = {}
    for name, exhibits in sets.items():
        truths = [exhibit.truth for exhibit in exhibits]
        free = ask_all(endpoint, exhibits, guided=False)
        found[name] = rates(ask_all(endpoint, exhibits, guided=True), truths)
        found[name]["valid JSON without guided decoding"] = judge.with_interval(
            np.array([float(answer is not None) for answer in free])
        )
    return found


@contextlib.contextmanager
def serving(model: Path, endpoint: str | None) -> Iterator[Endpoint]:
    """The given endpoint, or a server of our own for as long as the context lasts."""
    if endpoint:
        with urllib.request.urlopen(f"{endpoint}/v1/models", timeout=30) as response:
            yield Endpoint(endpoint, json.load(response)["data"][0]["id"])
        return
    resolved = replace(resolve(str(model), None, served=False), name="captioner")
    server = vllm_server(resolved, ServerOptions(max_model_len=1024))
    try:
        server.start()
        yield Endpoint(server.url, resolved.name, server.key)
    finally:
        server.close()


def table(found: dict[str, dict[str, Rate]], counts: dict[str, int]) -> str:
    """The rates as a Markdown table: one row per measure, one column per set."""
    names = list(found)
    lines = ["| share of pictures | " + " | ".join(f"{name} (n={counts[name]})" for name in names) + " |"]
    lines.append("|---|" + "---|" * len(names))
    for measure_name in found[names[0]]:
        cells = [
            f"{mean:.2f} ({low:.2f}-{high:.2f})" for mean, low, high in (found[name][measure_name] for name in names)
        ]
        lines.append(f"| {measure_name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def write_card(card: Path, figures: str) -> None:
    """Put the table between the marks of the model card."""
    text = card.read_text("utf-8")
    before, rest = text.split(MARKS[0])
    after = rest.split(MARKS[1])[1]
    card.write_text(f"{before}{MARKS[0]}\n{figures}\n{MARKS[1]}{after}", "utf-8")


def main(argv: list[str] | None = None) -> None:
    """Print the table, and write it into the model card where --card names one."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--art", type=Path, default=Path("build/demo/art.parquet"))
    parser.add_argument("--model", type=Path, default=Path("captioning/demo_model"))
    parser.add_argument("--endpoint", help="address of a server that already serves the model")
    parser.add_argument("--pictures", type=int, default=300)
    parser.add_argument("--scenes", type=int, default=200)
    parser.add_argument("--card", type=Path)
    args = parser.parse_args(argv)
    sets = {
        "held-out pictures": held_out_pictures(args.art, args.pictures),
        "scenes of known things": scenes(args.art, "model", args.scenes, unseen_pairs=True),
        "scenes of new things": scenes(args.art, "evaluation", args.scenes, unseen_pairs=False),
    }
    with serving(args.model, args.endpoint) as endpoint:
        found = judge_all(endpoint, sets)
    figures = table(found, {name: len(exhibits) for name, exhibits in sets.items()})
    print(figures)
    if args.card:
        write_card(args.card, figures)


if __name__ == "__main__":
    main()
