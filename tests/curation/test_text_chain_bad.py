"""What no list should hold, through the whole text side: exact answers by the plain definition, or an error that says why."""

import json
import unicodedata

import numpy as np
import pytest

from curation.balance import Balance, MatchCounts
from curation.intake import Intake
from curation.langid import LangId
from curation.match import Match
from pipeline.errors import PairpoolError
from pipeline.executor import LocalExecutor
from pipeline.parts import read_columns, read_table
from pipeline.plan import Plan
from pipeline.progress import Progress
from pipeline.run import Run
from pipeline.step import POOL
from pipeline.store import Store

NFC, NFD = (unicodedata.normalize(form, "café") for form in ("NFC", "NFD"))
SETS = {
    "en": ["photo", NFC, " ", "photo", "cat", NFD, "the dog", "photo"],
    "ar": ["قطة"],
    "other": ["photo", "قطة", " "],
}
MEGABYTE = ("a photo of the cat and the dog in the garden ; " * 25_000)[:1_000_000]
TEXTS = {
    "empty": "",
    "space": " ",
    "spaces": "   ",
    "three spaces": "a photo of the dog ,  and of a cat",
    "megabyte": MEGABYTE,
    "surrogate": "a photo \ud800 of a cat in the garden",
    "nul": "a photo\0of a cat \0 photo in the garden \0",
    "nfc": f"a photo of a {NFC} in the old town",
    "nfd": f"a photo of a {NFD} in the old town",
    "mixed": f"a photo of a {NFC} beside a {NFD} in the old town",
    "right to left": "صورة قطة سوداء في الحديقة",
    "override": "\u202ea photo of a cat in the garden\u202c",
    "marks only": ",.;:?!`",
}


def entries_of(text, entries):
    """The definition: wrapped entries that are substrings of the spaced text. No script here does without spaces."""
    spaced = f" {text} "
    for mark in ",.;:?!`":
        spaced = spaced.replace(mark, f" {mark} ")
    for blank in "\t\n\r":
        spaced = spaced.replace(blank, " ")
    distinct = list(dict.fromkeys(entries))
    return [k for k, entry in enumerate(distinct) if f" {entry} " in spaced]


def write(folder, sets):
    folder.mkdir()
    for name, entries in sets.items():
        (folder / f"{name}.txt").write_text("".join(f"{entry}\n" for entry in entries), encoding="utf-8")
    return folder


def run(root, lines, metadata, **threshold):
    (root / "list.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    store = Store(root / "pool")
    steps = [
        Intake(urls=root / "list.jsonl", shard_rows=5),
        LangId(name="lang", threshold=0.3),
        Match(name="match", metadata=metadata),
        MatchCounts(name="counts"),
        Balance(name="balance", **(threshold or {"t": 3})),
    ]
    Run(Plan(store, steps), LocalExecutor(store), Progress())()
    return Plan(store, steps)


def columns(plan, step, *names):
    parts = [plan.parts(plan.by_name[step], shard) for shard in plan.shards()]
    return [row for part in parts for row in read_columns(plan.store, part, names).to_pylist()]


@pytest.fixture(scope="module")
def chain(tmp_path_factory):
    root = tmp_path_factory.mktemp("bad")
    lines = [{"url": f"http://x.org/{name.replace(' ', '-')}", "caption": text} for name, text in TEXTS.items()]
    many = [f"a photo of the dog number {k} in the garden" for k in range(100)]
    lines.append({"url": "http://x.org/many", "caption": None, "texts": many})
    plan = run(root, lines, write(root / "metadata", SETS))
    found = {}
    made = zip(
        columns(plan, "rows", "url", "texts", "status"),
        columns(plan, "match", "metadata", "entries"),
        columns(plan, "balance", "probability", "text_probabilities", "kept", "keep", "reject_reason", "status"),
        strict=True,
    )
    for row, match, balance in made:
        found[row["url"].rpartition("/")[2].replace("-", " ")] = ([t["text"] for t in row["texts"]], match, balance)
    assert len(found) == len(lines)
    return plan, found


def test_every_row_comes_out_and_none_failed(chain):
    _, found = chain
    assert {balance["status"] for _, _, balance in found.values()} == {"success"}
    for texts, match, balance in found.values():
        assert len(texts) == len(match["metadata"]) == len(match["entries"]) == len(balance["kept"])
        assert balance["keep"] == any(balance["kept"]) == (balance["reject_reason"] is None)


def test_entries_are_those_of_the_definition(chain):
    _, found = chain
    for name, (texts, match, _) in found.items():
        for text, chosen, entries in zip(texts, match["metadata"], match["entries"], strict=True):
            assert entries == entries_of(text, SETS[chosen]), name


def test_texts_arrive_as_they_were(chain):
    """But for a lone surrogate, which no UTF-8 holds: it is a replacement character from the intake on."""
    _, found = chain
    for name, text in TEXTS.items():
        wanted = [text.replace("\ud800", "\ufffd")] if text else []
        assert found[name][0] == wanted, name


def test_normal_forms_are_different_strings(chain):
    _, found = chain
    distinct = list(dict.fromkeys(SETS["en"]))
    nfc, nfd = distinct.index(NFC), distinct.index(NFD)
    held = {name: set(found[name][1]["entries"][0]) & {nfc, nfd} for name in ("nfc", "nfd", "mixed")}
    assert held == {"nfc": {nfc}, "nfd": {nfd}, "mixed": {nfc, nfd}}


def test_a_space_is_an_entry_of_three_spaces(chain):
    _, found = chain
    space = SETS["en"].index(" ")
    _, match, _ = found["three spaces"]
    assert match["metadata"] == ["en"] and space in match["entries"][0]
    assert all(space not in ids for ids in found["megabyte"][1]["entries"])


def test_a_megabyte_counts_once(chain):
    plan, found = chain
    counts = {
        (r["metadata"], r["entry"]): r["count"]
        for r in read_table(plan.store, plan.parts(plan.by_name["counts"], POOL)[-1]).to_pylist()
    }
    expected = {}
    for _, match, _ in found.values():
        for name, ids in zip(match["metadata"], match["entries"], strict=True):
            for k in ids:
                expected[name, k] = expected.get((name, k), 0) + 1
    assert counts == expected
    assert len(found["megabyte"][1]["entries"][0]) >= 3


def test_chances_are_those_of_the_counts(chain):
    plan, found = chain
    table = read_table(plan.store, plan.parts(plan.by_name["counts"], POOL)[-1]).to_pylist()
    p = {(row["metadata"], row["entry"]): min(1, 3 / row["count"]) for row in table}
    for name, (texts, match, balance) in found.items():
        missed = {}
        for text, chosen, ids, chance in zip(
            texts, match["metadata"], match["entries"], balance["text_probabilities"], strict=True
        ):
            missed[text] = np.prod([1 - p[chosen, k] for k in ids])
            assert chance == pytest.approx(1 - missed[text], abs=1e-6)
        assert balance["probability"] == pytest.approx(1 - np.prod(list(missed.values())), abs=1e-6), name
    assert len(found["many"][2]["kept"]) == 100


@pytest.mark.parametrize("empty", [{"en": []}, {"en": [], "other": []}, {"en": ["", ""]}])
def test_metadata_without_an_entry_keeps_nothing_or_says_so(tmp_path, empty):
    lines = [{"url": "http://x.org/1", "caption": "a photo of the dog in the garden"}]
    try:
        plan = run(tmp_path, lines, write(tmp_path / "metadata", empty))
    except PairpoolError as error:
        assert "metadata" in str(error)
    else:
        assert [row["reject_reason"] for row in columns(plan, "balance", "reject_reason")] == ["no_match"]
        assert read_table(plan.store, plan.parts(plan.by_name["counts"], POOL)[-1]).num_rows == 0
