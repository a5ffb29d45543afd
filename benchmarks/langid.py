"""Language identification of short texts, with and without the second opinion of their letters: how good, and at what cost.

    python -m benchmarks.langid [--data build/demo] [--rounds 5] [--tune]

Texts: names and keyword lists of emoji in CLDR (without those of skin tones, which repeat them). A text is right if the metadata set
of its label is the set that its locale's own list joins. The weights of the second opinion were chosen on the emoji of one half
(`--tune` shows what each does there), the table is about the other half; emoji of one first character are in one half.

Speed: CPU time of the stage against that of a bare loop of fastText's `predict(list)`, same process, same batches, median of
rounds. Fails if the stage takes more than LIMIT times as much.
"""

from __future__ import annotations

import argparse
import dataclasses
import hashlib
import math
import random
import sys
import time
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from statistics import mean, median
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from curation.langid import LangId, default_model, identify, load
from curation.languages import OTHER, candidates, set_of_code
from curation.letters import Weights
from curation.opinion import Judge
from workflows.demo.cldr import read_cldr
from workflows.demo.fetch import Stock, from_cache
from workflows.demo.packages import ANNOTATIONS

LIMIT = 1.1
THRESHOLDS = (0.2, 0.5)
BATCH, SPEED_TEXTS = 4096, 60_000
#: The 40 CLDR locales of the most speakers (territoryInfo.json of cldr-core 48.2.0: population times share, summed over
#: territories) that have emoji names; variants of one language (zh-Hant, yue-Hans) are left out.
LARGEST = (
    "en zh hi es ar fr ur bn pt ru sw id pa-Arab de ja te mr jv vi ta fa tr yue ko fil it gu ps th kn pcm ml or pa ha sd pl am "
    "om my"
)
#: Other locales with a full set of names in a language that the model has a label for.
OTHERS = (
    "af as az ba be bg br bs ca cs cv cy da el et eu fi ga gd gl he hr hsb hu hy is ka kk km ku ky lb lo lt lv mk mn ms mt ne nl "
    "nn no qu rm ro si sk sl so sq sr sr-Latn sv tg tk ug uk uz yo"
)
#: Locales in languages without a label: nothing but `unknown` is right.
UNLABELLED = "ak chr ig kl mi nso quc rw tn to wo xh zu"
GRID = {
    "foreign": (6.0, 12.0, 24.0),
    "latin": (0.1, 0.3, 0.6),
    "strange": (2.0, 4.0, 6.0),
    "strange_most": (1.0, 3.0, 6.0),
    "no_kana": (0.0, 0.25, 0.5, 1.0),
    "no_kana_most": (3.0, 6.0, 12.0),
    "unseen": (0.0, 0.01, 0.03, 0.1),
}


class Corpus(NamedTuple):
    """Texts of one locale, of emoji of one half.

    Attributes:
        names: of emoji.
        keywords: their keywords, one list a text.
    """

    locale: str
    names: pa.StringArray
    keywords: pa.StringArray


class Found(NamedTuple):
    """Shares of texts that are right, and at each threshold right and wrong (the rest is unknown)."""

    texts: int
    right: float
    known_right: tuple[float, ...]
    known_wrong: tuple[float, ...]


def corpora(data: Path, half: int) -> dict[str, Corpus]:
    """Locale -> its texts of one half (0: for tuning, 1: for judging)."""
    archive = from_cache(ANNOTATIONS, data / "cache")
    if archive is None:
        raise SystemExit(
            f"{data / 'cache'} holds no {ANNOTATIONS.file}. Run `make demo` first, or name its folder: --data"
        )
    found = read_cldr(Stock({ANNOTATIONS.name: archive}, {}, 0), set(f"{LARGEST} {OTHERS} {UNLABELLED}".split()))
    made = {}
    for locale, names in found.items():
        texts = [
            text for emoji, text in names.emoji.items() if hashlib.sha256(emoji[0].encode()).digest()[0] % 2 == half
        ]
        made[locale] = Corpus(
            locale,
            pa.array([name for name, _ in texts], pa.string()),
            pa.array([", ".join(words) for _, words in texts if words], pa.string()),
        )
    return made


def measure(judge: Judge, locale: str, texts: pa.StringArray) -> Found:
    """Compare the sets of the labels with the locale's."""
    labels, probabilities, _ = identify(judge, texts)
    sure = probabilities.to_numpy()
    right = np.array([set_of(label) == set_of_code(locale) != OTHER for label in labels.to_pylist()], bool)
    known = [sure >= threshold for threshold in THRESHOLDS]
    return Found(
        len(texts),
        float(right.mean()),
        tuple(float((right & sees).mean()) for sees in known),
        tuple(float((~right & sees).mean()) for sees in known),
    )


@cache
def set_of(label: str) -> str:
    """The set that serves a label where every language of the benchmark has one."""
    there = {set_of_code(locale) for locale in f"{LARGEST} {OTHERS}".split()}
    return next((name for name in candidates(label) if name in there), OTHER)


def interval(share: float, many: int) -> tuple[float, float]:
    """Wilson's, at 95 % (E. B. Wilson 1927)."""
    z = 1.96
    centre, width = share + z * z / (2 * many), z * math.sqrt(share * (1 - share) / many + (z / (2 * many)) ** 2)
    return max(0, centre - width) / (1 + z * z / many), (centre + width) / (1 + z * z / many)


def table(found: dict[str, Corpus], judges: dict[str, Judge]) -> None:
    """Print the accuracy of every locale, names and keywords, model alone and with the letters."""
    print("share right [95 % interval], unknown share at threshold 0.2 and 0.5; model alone -> with letters")
    for field in ("names", "keywords"):
        print(f"\n{field:9} texts   " + "   ".join(f"{name:37}" for name in judges))
        for locale in LARGEST.split():
            texts = getattr(found[locale], field)
            cells = [cell(measure(judge, locale, texts)) for judge in judges.values()]
            note = "" if set_of_code(locale) != OTHER else "  no label: only unknown is right"
            print(f"{locale:9} {len(texts):5}   " + "   ".join(cells) + note)
        for title, locales in (("mean of the 40", LARGEST), ("others", OTHERS), ("no label", UNLABELLED)):
            there = [locale for locale in locales.split() if locale in found]
            cells = [
                summary([measure(judge, one, getattr(found[one], field)) for one in there]) for judge in judges.values()
            ]
            print(
                f"{title}, {len(there)} locales:\n"
                + "\n".join(f"  {n:14} {c}" for n, c in zip(judges, cells, strict=True))
            )


def cell(found: Found) -> str:
    """One locale's figures."""
    low, high = interval(found.right, found.texts)
    unknown = " ".join(f"{max(0, 1 - a - b):.3f}" for a, b in zip(found.known_right, found.known_wrong, strict=True))
    return f"{found.right:.3f} [{low:.3f} {high:.3f}] unknown {unknown}"


def summary(found: list[Found]) -> str:
    """Means over locales."""
    parts = [f"right {mean(one.right for one in found):.4f}"]
    for k, threshold in enumerate(THRESHOLDS):
        right, wrong = mean(one.known_right[k] for one in found), mean(one.known_wrong[k] for one in found)
        parts.append(f"at {threshold}: right {right:.4f} wrong {wrong:.4f} unknown {1 - right - wrong:.4f}")
    return "; ".join(parts)


def tune(found: dict[str, Corpus]) -> None:
    """Print what each weight does, the others as they are, on the half for tuning."""
    for name, values in GRID.items():
        for value in values:
            judge = load(default_model(), dataclasses.replace(Weights(), **{name: value}))
            groups = (f"{LARGEST} {OTHERS}".split(), [one for one in found if set_of_code(one) == OTHER])
            cells = [
                summary([measure(judge, one, texts) for one in group if one in found for texts in found[one][1:]])
                for group in groups
            ]
            print(f"{name} = {value}\n  labelled   {cells[0]}\n  unlabelled {cells[1]}", flush=True)


def speed(texts: list[str], rounds: int) -> dict[str, tuple[float, float]]:
    """Name -> texts a CPU-second, and CPU time relative to the bare loop; medians of rounds."""
    import fasttext

    bare = fasttext.load_model(str(default_model())).predict
    lists = [texts[k : k + BATCH] for k in range(0, len(texts), BATCH)]
    batches = [pa.record_batch({"rows.texts": pa.array(part)}) for part in lists]
    runs: dict[str, Callable[[], object]] = {"bare predict": lambda: [bare(part) for part in lists]}
    with LangId(name="a", second_opinion=False).open({}) as model, LangId(name="b").open({}) as letters:
        runs |= {
            "model alone": lambda: drain(model(iter(batches))),
            "with letters": lambda: drain(letters(iter(batches))),
        }
        seconds: dict[str, list[float]] = {name: [] for name in runs}
        for _ in range(rounds + 1):  # the first warms up
            for name, run in runs.items():
                begun = time.process_time()
                run()
                seconds[name].append(time.process_time() - begun)
    plain = seconds["bare predict"][1:]
    return {
        name: (len(texts) / median(used[1:]), median(a / b for a, b in zip(used[1:], plain, strict=True)))
        for name, used in seconds.items()
    }


def drain(batches: Iterator[pa.RecordBatch]) -> None:
    """Take all."""
    for _ in batches:
        pass


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("build/demo"))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--tune", action="store_true")
    chosen = parser.parse_args()
    if chosen.tune:
        tune(corpora(chosen.data, 0))
        return 0
    found = corpora(chosen.data, 1)
    table(found, {"model alone": load(default_model(), None), "with letters": load(default_model(), Weights())})
    worst = 0.0
    for what, locales in (("40 locales", LARGEST), ("English", "en")):
        texts = [text for one in locales.split() for field in found[one][1:] for text in field.to_pylist()]
        texts = (texts * (1 + SPEED_TEXTS // len(texts)))[:: max(1, len(texts) // SPEED_TEXTS)]
        random.Random(0).shuffle(texts)
        print(f"\n{what}: {len(texts)} texts of {mean(map(len, texts)):.0f} characters")
        for name, (rate, ratio) in speed(texts, chosen.rounds).items():
            print(f"  {name:14} {rate:8.0f} texts a CPU-second   {ratio:.3f} of the bare loop's CPU time")
            worst = max(worst, ratio)
    print(f"limit {LIMIT}")
    return int(worst > LIMIT)


if __name__ == "__main__":
    sys.exit(main())
