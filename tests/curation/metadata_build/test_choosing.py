"""PMI, thresholds, budgets, order: from counts to a list of entries."""

import math
import re
from collections import Counter
from itertools import pairwise, product

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation.matching import space, wrap
from curation.metadata_build.build import Builder, Inputs
from curation.metadata_build.choose import best
from curation.metadata_build.compose import compose, never_matches, tally
from curation.metadata_build.corpus import count
from curation.metadata_build.pmi import scored
from curation.metadata_build.rules import ENGLISH, WORLDWIDE, Rules, rules_of, within
from curation.metadata_build.words import cutter
from pipeline.errors import ConfigError, DataError

TEXT = "new york is big\nnew york is new\nthe big apple\nthe cat is here\n" * 3 + "rare pair\n"


def corpus(tmp_path, text=TEXT, **options):
    (tmp_path / "c.txt").write_text(text)
    (tmp_path / "counted").mkdir()
    return count([tmp_path / "c.txt"], cutter("en"), tmp_path / "counted", **options)


def build(tmp_path, language="en", text=TEXT, rules=None, **inputs):
    (tmp_path / "c.txt").write_text(text)
    (tmp_path / "s").mkdir()
    given = Inputs(**{"corpus": (tmp_path / "c.txt",), **inputs})
    return Builder(language, given, rules or rules_of(language), tmp_path / "s").build()


def test_pmi_is_nltks_formula_over_every_pair(tmp_path):
    words = Counter(TEXT.split())
    pairs = Counter(pair for line in TEXT.splitlines() for pair in pairwise(line.split()))
    n = sum(words.values())
    # As nltk's BigramAssocMeasures.pmi has it: the logarithms' difference, over the marginals of the table.
    true = {f"{a}\t{b}": math.log2(c * n) - math.log2(words[a] * words[b]) for (a, b), c in pairs.items()}
    found = {}
    for table in scored(corpus(tmp_path)):
        found.update(zip(table["key"].to_pylist(), table["pmi"].to_pylist(), strict=True))
    assert found == pytest.approx(true, abs=1e-12)
    assert found["rare\tpair"] == pytest.approx(math.log2(n))  # c12 = c1 = c2 = 1
    assert found["new\tyork"] == pytest.approx(math.log2(6 * n / (9 * 6)))


def test_pmi_does_not_depend_on_how_much_was_spilled(tmp_path):
    text = "\n".join(f"a{k % 97} b{k * k % 89} c{k % 11} a{k % 5}" for k in range(6000))
    whole, parts = ({}, {})
    for place, memory, into in ((tmp_path / "w", 1 << 28, whole), (tmp_path / "p", 1 << 17, parts)):
        place.mkdir()
        for table in scored(corpus(place, text, memory=memory)):
            into.update(zip(table["key"].to_pylist(), table["pmi"].to_pylist(), strict=True))
    assert whole == parts
    assert len(whole) > 500


@given(st.lists(st.lists(st.integers(0, 5), max_size=9), max_size=6), st.integers(0, 12))
def test_the_best_are_the_same_whatever_the_tables(lists, budget):
    rows = [(n, f"{place}-{k}") for place, numbers in enumerate(lists) for k, n in enumerate(numbers)]
    ordered = [key for _, key in sorted(rows, key=lambda row: (-row[0], row[1]))][:budget]
    at, tables = 0, []
    for numbers in lists:
        keys = [key for _, key in rows[at : at + len(numbers)]]
        tables.append(pa.table({"key": pa.array(keys, pa.string()), "count": pa.array(numbers, pa.int64())}))
        at += len(numbers)
    found = best(tables, budget, "count")
    assert (found["key"].to_pylist() if found else []) == ordered


def test_the_published_budgets():
    assert (ENGLISH.min_count, ENGLISH.min_pmi, ENGLISH.min_views, ENGLISH.limit) == (100, 30, 70, 500_000)
    assert WORLDWIDE.unigram_budget(1_000) == 100
    assert WORLDWIDE.unigram_budget(10_000_000) == 251_465
    assert WORLDWIDE.bigram_budget(100) == 40
    assert WORLDWIDE.bigram_budget(251_465) == 100_586  # 40 % of the full unigrams, below the cap
    assert WORLDWIDE.title_budget(1_000) == 760
    assert WORLDWIDE.title_budget(1_000_000) == 61_235
    assert 86_654 + 251_465 + 100_646 + 61_235 == 500_000  # Table 1: what the caps are taken from
    assert ENGLISH.bigram_budget(3) == 500_000


def test_english_takes_what_passes_the_thresholds(tmp_path):
    rules = Rules(min_count=6, min_pmi=1.7, min_pairs=3)
    made = build(tmp_path, rules=rules)
    assert made.entries[100:107] == ["is", "new", "big", "the", "york", "big apple", "the cat"]
    assert set(made.entries[107:]) == {"new york", "york is", "cat is", "is here", "the big"}  # not `is big`: 1.4 bits
    assert made.sources["unigrams"] == 5
    assert made.facts["corpus_words"] == 47
    assert made.facts["lowest_pmi_of_bigrams"] >= 1.7


def test_a_budget_takes_the_place_of_the_pmi_threshold(tmp_path):
    none = build(tmp_path, rules=Rules(min_count=1))
    assert none.sources["bigrams"] == 0  # 30 bits are out of reach here
    (tmp_path / "b").mkdir()
    made = build(tmp_path / "b", rules=Rules(min_count=1, **within(2)))
    assert made.entries[-2:] == ["new york", "york is"]  # the pairs that occur five times
    assert made.facts["lowest_pmi_of_bigrams"] < 30


def test_another_language_takes_a_share(tmp_path):
    text = "\n".join(" ".join(f"wort{j}" for j in range(k + 1)) for k in range(100))
    made = build(tmp_path, "de", text)
    assert made.sources["unigrams"] == 10  # a tenth of a hundred
    assert made.entries[100:103] == ["wort0", "wort1", "wort2"]


def test_a_frequency_list_takes_the_place_of_the_unigrams(tmp_path):
    (tmp_path / "f.tsv").write_text("dog\t7\ncat\t9\nnew york\t200\n")
    made = build(tmp_path, rules=Rules(min_count=7, **within(1)), frequencies=(tmp_path / "f.tsv",))
    assert made.entries[100:] == ["new york", "cat", "dog"]  # the bigram is there already
    assert made.sources == {"total": 103, "numbers": 100, "wordnet": 0, "unigrams": 3, "bigrams": 0, "titles": 0}


def test_nothing_that_passes_is_an_error_with_the_figures(tmp_path):
    with pytest.raises(
        DataError, match=r"en: no source gave an entry; corpus words 47; different words 10; .*Lower a threshold"
    ):
        build(tmp_path)


def test_order_rules_and_the_account():
    sources = {
        "wordnet": ["cat", "7", "", "!"],
        "unigrams": ["dog", "cat", "...", "x" * 257],
        "bigrams": [],
        "titles": ["。"],
    }
    entries = compose(*sources.values())
    assert entries[100:] == ["cat", "dog", "...", "x" * 257, "。"]
    assert tally(entries, sources) == {
        "total": 105,
        "numbers": 100,
        "wordnet": 1,
        "unigrams": 3,
        "bigrams": 0,
        "titles": 1,
    }
    assert compose(*sources.values(), worldwide=True)[100:] == ["cat", "dog"]


@pytest.mark.parametrize(
    ("entry", "never"),
    [("St. Louis", True), ("Paris, Texas", True), ("U.S.", True), (". ", False), ("cat , sitting", False), (",", False),
     ("...", True), ("a\tb", True), ("T-shirt (2)", False), ("a ,", False), ("a,", True)],
)  # fmt: skip
def test_entries_that_no_text_can_contain(entry, never):
    assert never_matches(entry) is never


SPACED = [space("".join(text)) for size in range(6) for text in product("a ,.", repeat=size)]


@given(st.text("a ,.", min_size=1, max_size=5))
def test_entries_that_no_text_can_contain_by_definition(entry):
    collapsed = re.sub(r" ([,.]) ", r"\1", wrap(entry))  # the text that has the best chance
    found = wrap(entry) in space(collapsed) or any(wrap(entry) in text for text in SPACED)
    assert never_matches(entry) is not found


@pytest.mark.parametrize("language", ["zh", "bo"])
def test_bigrams_of_languages_without_spaces_join_without_one(tmp_path, language):
    text = {"zh": "我们在北京的公园里拍照片。我们在北京。\n", "bo": "བོད་ཀྱི་སྐད་ཡིག་ནི། སྐད་ཡིག་ཡག་པོ།\n"}[language] * 9
    made = build(tmp_path, language, text, Rules(worldwide=True, min_count=9, **within(50)))
    assert {"zh": {"北京", "公园", "在北京"}, "bo": {"སྐད", "ཡིག", "སྐད་ཡིག"}}[language] <= set(made.entries)
    assert not any(" " in entry or entry.endswith("་") for entry in made.entries)


def test_a_missing_tokenizer_names_the_extra():
    from curation.metadata_build.segment import Segmenter

    def adapter():
        import a_tokenizer_that_is_not_here  # noqa: F401

    with pytest.raises(ConfigError, match=r"a-tokenizer is not installed.*\[segment\]"):
        Segmenter("a-tokenizer", adapter).load()
