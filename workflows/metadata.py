"""`pairpool metadata`: build the lists of concepts that texts are matched against, import them, look at them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import TypeAdapter, ValidationError
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Table

from curation.metadata import MetadataSets
from curation.metadata_build.build import Built, Inputs
from curation.metadata_build.compose import never_matches
from curation.metadata_build.make import Order, bring, make
from curation.metadata_build.rules import Rules, within
from pipeline.errors import ConfigError

app = typer.Typer(no_args_is_help=True, help=__doc__)
SOURCES = ("wordnet", "corpus", "frequencies", "titles")
BUDGET = "For small corpora: this many bigrams, the best by PMI, instead of a PMI of 30; they occur 5 times at least."
RULES = f"Change a rule: {', '.join(item.name for item in fields(Rules))}."
Out = Annotated[Path, typer.Option("--out", metavar="DIR", help="The folder; languages that it has already stay.")]


def files(what: str) -> Any:
    """An option of language=file pairs."""
    return typer.Option(metavar="CODE=PATH", help=what)


@app.command()
def build(
    *,
    out: Out,
    wordnet: Annotated[list[str], files("WordNet's `dict` folder, or a wn-data-*.tab.")] = [],  # noqa: B006
    corpus: Annotated[list[str], files("Texts, or a Wikipedia dump (*.xml); .gz, .bz2, .xz and .zst too.")] = [],  # noqa: B006
    frequencies: Annotated[list[str], files("Lines of word<TAB>count, in place of a corpus's unigrams.")] = [],  # noqa: B006
    titles: Annotated[list[str], files("Lines of title<TAB>views.")] = [],  # noqa: B006
    pageviews: Annotated[list[Path], typer.Option(help="Wikimedia's hourly files, read for every language.")] = [],  # noqa: B006
    language: Annotated[list[str], typer.Option(help="A language that has page views alone.")] = [],  # noqa: B006
    licence: Annotated[list[str], typer.Option(metavar="CODE:SOURCE=TEXT", help="Recorded with the entries.")] = [],  # noqa: B006
    budget: Annotated[int | None, typer.Option(min=0, help=BUDGET)] = None,
    set_: Annotated[list[str], typer.Option("--set", metavar="RULE=VALUE", help=RULES)] = [],  # noqa: B006
    memory: Annotated[int, typer.Option(min=16, help="MB that counting may take, about.")] = 512,
    workers: Annotated[int, typer.Option(min=1, help="Processes that strip wikitext.")] = 1,
    scratch: Annotated[Path | None, typer.Option(help="Where counting may write.")] = None,
) -> None:
    """Build one `<code>.txt` a language from WordNet, a corpus, page views and word lists, by MetaCLIP's rules.

    English has the thresholds of MetaCLIP, every other language the budgets of MetaCLIP 2; --set changes them for all.
    """
    pairs = [paired(given) for given in (wordnet, corpus, frequencies, titles)]
    codes = dict.fromkeys([*(code for found in pairs for code in found), *language])
    inputs = {
        code: Inputs(**{source: tuple(found.get(code, ())) for source, found in zip(SOURCES, pairs, strict=True)})
        for code in codes
    }
    changes = ({} if budget is None else within(budget)) | changed(set_)
    order = Order(inputs, tuple(pageviews), changes, licences_of(licence), scratch, memory << 20, workers)
    with Bytes() as watch:
        built = make(order, out, watch.tell)
    print_built(built, Console())


@app.command(name="import")
def import_(path: Annotated[Path, typer.Argument(metavar="FILE")], out: Out) -> None:
    """Take over a metadata.json: MetaCLIP's list (English), or MetaCLIP 2's lists by language."""
    sizes = bring(path, out)
    Console().print(f"{sum(sizes.values()):,} entries in {len(sizes)} languages: {', '.join(sizes)}", highlight=False)


@app.command()
def show(folder: Annotated[Path, typer.Argument(metavar="DIR")]) -> None:
    """How many entries there are, and what share of them no text can contain ("St. Louis": its mark gets spaces)."""
    sets, table = MetadataSets.load(folder), Table("language")
    for head in ("entries", "never match"):
        table.add_column(head, justify="right")
    for name in sets.names:
        entries = sets.entries(name)
        never = sum(map(never_matches, entries))
        table.add_row(name, f"{len(entries):,}", f"{never / max(1, len(entries)):.1%}")
    Console().print(table)


def paired(given: Iterable[str]) -> dict[str, list[Path]]:
    """Language -> paths. Raises ConfigError for what is not CODE=PATH."""
    found: dict[str, list[Path]] = defaultdict(list)
    for pair in given:
        code, equals, path = pair.partition("=")
        if not equals or not code or not path:
            raise ConfigError(f"{pair!r} is not CODE=PATH, for example en=texts.txt.gz.")
        found[code].append(Path(path))
    return found


def changed(given: Iterable[str]) -> dict[str, Any]:
    """Rule -> value. Raises ConfigError for a rule that there is not, or a value that it cannot have."""
    raw = dict(item.partition("=")[::2] for item in given)
    known = {item.name for item in fields(Rules)}
    for name in raw.keys() - known:
        raise ConfigError(f"--set {name}: there is no such rule. There are {', '.join(sorted(known))}.")
    try:
        whole = TypeAdapter(Rules).validate_python(raw)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise ConfigError(f"--set {first['loc'][0]}={first['input']}: {first['msg']}.") from error
    return {name: getattr(whole, name) for name in raw}


def licences_of(given: Iterable[str]) -> dict[str, dict[str, str]]:
    """Language -> source -> licence. Raises ConfigError for what is not CODE:SOURCE=TEXT."""
    found: dict[str, dict[str, str]] = defaultdict(dict)
    for item in given:
        head, equals, text = item.partition("=")
        code, colon, source = head.partition(":")
        if not (equals and colon and code and source):
            raise ConfigError(f"--licence {item!r} is not CODE:SOURCE=TEXT, for example en:wordnet=WordNet.")
        found[code][source] = text
    return found


def print_built(built: Mapping[str, Built], console: Console) -> None:
    """A table of entries by source, and below it where the thresholds came to lie."""
    heads = ("total", "numbers", "wordnet", "unigrams", "bigrams", "titles")
    table = Table("language")
    for head in heads:
        table.add_column(head, justify="right")
    for code, made in built.items():
        table.add_row(code, *(f"{made.sources.get(head, 0):,}" for head in heads))
    console.print(table)
    for code, made in built.items():
        facts = "  ".join(f"{name.replace('_', ' ')} {round(value, 2):,}" for name, value in made.facts.items())
        if facts:
            console.print(f"{code}: {facts}", highlight=False)


class Bytes:
    """A bar a file, with the time left; silent where nobody looks at a terminal."""

    def __init__(self) -> None:
        console = Console(stderr=True)
        columns = (TextColumn("{task.description:>30}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
        self._bars = Progress(*columns, console=console, disable=not console.is_terminal)
        self._tasks: dict[Path, TaskID] = {}

    def __enter__(self) -> Bytes:
        self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bars.stop()

    def tell(self, path: Path, done: int, total: int) -> None:
        """So many bytes of a file were read."""
        if path not in self._tasks:
            self._tasks[path] = self._bars.add_task(path.name, total=total)
        self._bars.update(self._tasks[path], completed=done)
