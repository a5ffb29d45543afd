"""Exact counting on disk equals counting in memory; texts are cut at what no bigram stands across."""

import bz2
import gzip
import lzma
from collections import Counter
from itertools import pairwise

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.metadata_build.corpus import count
from curation.metadata_build.streams import blocks, sums, texts
from curation.metadata_build.tally import Tally
from curation.metadata_build.words import cutter
from pipeline.errors import DataError

KEYS = st.text(st.characters(exclude_categories=("Cs",)), max_size=4)


def read(counts):
    return {key: n for table in counts.tables() for key, n in zip(*table.to_pydict().values(), strict=True)}


def phrases(text, language="en"):
    found = ([word for word in words if word] for words in cutter(language)(text).to_pylist())
    return [words for words in found if words]


@settings(max_examples=60)
@given(
    st.lists(st.lists(st.tuples(KEYS, st.integers(0, 9)), max_size=60), max_size=8), st.sampled_from([1, 700, 1 << 20])
)
def test_what_was_spilled_equals_a_counter(tmp_path_factory, batches, memory):
    folder, true = tmp_path_factory.mktemp("tally"), Counter()
    tally = Tally(folder, memory)
    for batch in batches:
        tally.add_counted(pa.array([k for k, _ in batch], pa.string()), pa.array([n for _, n in batch], pa.int64()))
        for key, n in batch:
            true[key] += n
    counts = tally.finish()
    assert read(counts) == true
    assert (counts.distinct, counts.total) == (len(true), sum(true.values()))
    keys = [key for table in counts.tables() for key in table["key"].to_pylist()]
    assert keys == sorted(true)
    assert [path.name for path in folder.iterdir()] == ["counts.arrow"]


def test_many_pages_and_runs_are_merged(tmp_path):
    tally, true = Tally(tmp_path, 400_000), Counter()
    for k in range(12):
        keys = [f"{(k * 7919 + j * j) % 50_021:x}" for j in range(40_000)]
        true.update(keys)
        tally.add(pa.array(keys))
    assert tally.runs > 5
    assert read(tally.finish()) == true


def test_a_corpus_is_counted_as_a_loop_counts_it(tmp_path):
    lines = [f"The cat-{k % 7} saw {k % 13} dogs, and a bird{k} sang: it's the {k % 5}th." for k in range(4000)]
    (tmp_path / "a.txt").write_text("\n".join(lines[:2000]))
    (tmp_path / "b.txt.gz").write_bytes(gzip.compress("\n".join(lines[2000:]).encode()))
    (tmp_path / "scratch").mkdir()
    found = count([tmp_path / "a.txt", tmp_path / "b.txt.gz"], cutter("en"), tmp_path / "scratch", memory=1 << 18)
    words, pairs = Counter(), Counter()
    for line in lines:
        for phrase in line.lower().replace(",", ".").replace(":", ".").split("."):
            words.update(phrase.split())
            pairs.update(map("\t".join, pairwise(phrase.split())))
    assert read(found.words) == words
    assert read(found.pairs) == pairs
    assert found.words.total == sum(words.values())


def test_words_keep_what_stands_inside_them_and_phrases_end_where_no_bigram_matches():
    assert phrases("The Women's T-shirt (new) “high-speed” train, 3.5 km\nÉté à Paris\u00a0!") == [
        ["the", "women's", "t-shirt"],
        ["new"],
        ["high-speed"],
        ["train"],
        ["3"],
        ["5", "km"],
        ["été", "à", "paris"],
    ]


@pytest.mark.parametrize(
    ("text", "language", "words"),
    [
        ("DIŞ IŞIK İyi", "tr", ["dış", "ışık", "iyi"]),
        ("ΟΔΟΣ", "el", ["οδος"]),
        ("हिन्दी में", "hi", ["हिन्दी", "में"]),
        ("می\u200cخواهم آب", "fa", ["می\u200cخواهم", "آب"]),
        ("col·legi", "ca", ["col·legi"]),
        ("çok_güzel", "tr", None),
    ],
)
def test_scripts_with_spaces(text, language, words):
    assert phrases(text, language) == ([["çok"], ["güzel"]] if words is None else [words])


def test_a_dash_alone_parts_two_words_and_edges_lose_their_quotes(tmp_path):
    (tmp_path / "a.txt").write_text("cat - dog 'tis\n" + "x" * 257 + " end")
    (tmp_path / "s").mkdir()
    found = count([tmp_path / "a.txt"], cutter("en"), tmp_path / "s")
    assert read(found.words) == {"cat": 1, "dog": 1, "tis": 1, "end": 1}
    assert read(found.pairs) == {"dog\ttis": 1}


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64])
@pytest.mark.parametrize("text", ["", "a", "ä€😀\n" * 9, "😀" * 40, "ab cd " * 30 + "\nx", "\n\n", "é" * 50 + "\n"])
def test_blocks_give_back_the_file_and_cut_no_character(tmp_path, size, text):
    (tmp_path / "t").write_text(text)
    assert "".join(texts(tmp_path / "t", size=size)) == text


@pytest.mark.parametrize(("suffix", "packed"), [(".gz", gzip.compress), (".bz2", bz2.compress), (".xz", lzma.compress)])
def test_compressed_files_are_read_and_those_cut_short_are_refused(tmp_path, suffix, packed):
    text = "".join(f"line {k * k}\n" for k in range(5000)).encode()
    path = tmp_path / f"t.txt{suffix}"
    path.write_bytes(packed(b"\xef\xbb\xbf" + text))
    assert b"".join(blocks(path)) == text
    path.write_bytes(packed(text)[:-40])
    with pytest.raises(DataError, match="cannot be read to its end"):
        list(blocks(path))
    path.write_bytes(b"no such format")
    with pytest.raises(DataError, match="cannot be read to its end"):
        list(blocks(path))


def test_zstandard_too(tmp_path):
    path, text = tmp_path / "t.zst", b"a b\n" * 90_000
    with pa.CompressedOutputStream(str(path), "zstd") as out:
        out.write(text)
    assert b"".join(blocks(path, size=1000)) == text
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(DataError, match="cannot be read to its end"):
        list(blocks(path))


def test_other_encodings_and_empty_corpora_are_refused(tmp_path):
    (tmp_path / "latin.txt").write_bytes(b"good\n" * 9 + "Käse".encode("latin-1"))
    with pytest.raises(DataError, match=r"latin\.txt is not UTF-8: .* at byte 46"):
        list(texts(tmp_path / "latin.txt", size=16))
    (tmp_path / "empty.txt").write_text("... \n\n—")
    (tmp_path / "s").mkdir()
    with pytest.raises(DataError, match="no word"):
        count([tmp_path / "empty.txt"], cutter("en"), tmp_path / "s")


def test_lists_of_counts_name_the_line_that_is_wrong(tmp_path):
    path = tmp_path / "w.tsv"
    path.write_text("new york\t12\r\n\ncat\t3\n")
    assert list(sums(path)) == [(["new york", "cat"], [12, 3])]
    path.write_text("cat\t3\ndog,4\n")
    with pytest.raises(DataError, match=r"w\.tsv, line 2: 'dog,4'"):
        list(sums(path))
