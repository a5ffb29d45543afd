"""Build the demo pool: `python -m workflows.demo.build --out build/demo`. A second run finds all done and says so."""

import argparse
import hashlib
import json
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import PairpoolError
from workflows.demo.art import build_art
from workflows.demo.cldr import read_cldr
from workflows.demo.clients import Clients, find_clients
from workflows.demo.fetch import Sources, Stock, stock_up
from workflows.demo.packages import SOURCES, licence_table
from workflows.demo.pool import PoolRecipe, build_pool
from workflows.demo.rows import HOST, PORT
from workflows.demo.wordlists import build_wordlists

#: The modules that decide what comes out of each step.
CODE = {
    "art": ("art", "clipart", "emoji", "cldr", "split", "headers", "unpack"),
    "pool": (
        "pool",
        "rows",
        "scenes",
        "faults",
        "served",
        "worded",
        "copies",
        "damage",
        "junk",
        "world",
        "split",
        "languages",
    ),
    "wordlists": ("wordlists", "cldr", "unpack", "languages"),
}


@dataclass(frozen=True)
class Once:
    """Steps that are done once per recipe: a stamp beside the output says of what inputs and what code it was made."""

    out: Path
    say: Callable[[str], None]

    def run(self, step: str, recipe: str, outputs: Sequence[str], work: Callable[[], str]) -> bool:
        """Do `work`, unless its stamp says that it was done and its outputs are there. True where it worked."""
        recipe = hashlib.sha256(f"{recipe} {code(CODE[step])}".encode()).hexdigest()
        stamp = self.out / ".done" / step
        if stamp.exists() and stamp.read_text() == recipe and all((self.out / name).exists() for name in outputs):
            return False
        stamp.unlink(missing_ok=True)
        started = time.monotonic()
        said = work()
        stamp.parent.mkdir(parents=True, exist_ok=True)
        stamp.write_text(recipe)
        self.say(f"{step}: {said} ({time.monotonic() - started:.1f} s)")
        return True


def code(modules: Sequence[str]) -> str:
    """A digest of the sources of a step: changed code makes its outputs anew."""
    sources = [Path(__file__).with_name(f"{module}.py") for module in modules]
    return hashlib.sha256(b"".join(source.read_bytes() for source in sources)).hexdigest()


def build(
    out: Path,
    cache: Path,
    recipe: PoolRecipe,
    *,
    clients: Clients | None = None,
    sources: Sources = SOURCES,
    say: Callable[[str], None] = print,
) -> bool:
    """Everything under OUT. True where there was work to do. Raises PairpoolError where no picture can be had."""
    out.mkdir(parents=True, exist_ok=True)
    stock = stock_up(cache, clients or find_clients(), say, sources)
    once = Once(out, say)
    worked = once.run("art", stock.fingerprint, ["art.parquet", "refused.parquet"], lambda: make_art(stock, out))
    inputs = f"{stock.fingerprint} {recipe}"
    pool = ["urls.parquet", "truth.parquet", "routes.json"]
    worked |= once.run("pool", inputs, pool, lambda: make_pool(out, recipe))
    worked |= once.run(
        "wordlists", stock.fingerprint, ["metadata", "concepts.json"], lambda: make_wordlists(stock, out)
    )
    (out / "LICENCES.md").write_text(licence_table(stock.archives.values()))
    (out / "missing.json").write_text(json.dumps(stock.missing, indent=1) + "\n")
    return worked or stock.fetched > 0


def make_art(stock: Stock, out: Path) -> str:
    """The art step; says what came of it."""
    art, refused = build_art(stock, read_cldr(stock), out)
    return f"{len(art)} pictures, {len(refused)} turned away (reasons in refused.parquet)"


def make_pool(out: Path, recipe: PoolRecipe) -> str:
    """The pool step; says what came of it."""
    urls, truth = build_pool(out, recipe)
    faulty = len(truth) - truth["fault"].null_count
    return f"{len(urls)} rows, {faulty} of them with a planted fault, to be served on {HOST}:{recipe.port}"


def make_wordlists(stock: Stock, out: Path) -> str:
    """The word-list step; says what came of it."""
    sizes = build_wordlists(stock, out)
    return f"{sum(size['total'] for size in sizes.values())} concepts in {len(sizes)} languages"


def main(arguments: Sequence[str] | None = None) -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m workflows.demo.build", description=__doc__)
    parser.add_argument(
        "--out", type=Path, default=Path("build/demo"), help="where the pool goes (default: build/demo)"
    )
    parser.add_argument("--cache", type=Path, help="where downloaded archives are kept (default: OUT/cache)")
    parser.add_argument("--size", type=int, default=1500, help="rows of the URL list (default: 1500)")
    parser.add_argument("--full", action="store_true", help="every picture of the pool's split, whatever --size")
    parser.add_argument("--port", type=int, default=PORT, help=f"the port that the URLs name (default: {PORT})")
    chosen = parser.parse_args(arguments)
    recipe = PoolRecipe(chosen.size, chosen.full, chosen.port)
    try:
        worked = build(chosen.out, chosen.cache or chosen.out / "cache", recipe)
    except PairpoolError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    print(f"demo pool: {'built' if worked else 'nothing to do, it stands'} under {chosen.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
