"""`pairpool metadata`: whole builds from small real files, what is recorded, and what is refused."""

import gzip
import json
import sys

import pytest

from curation.metadata import MetadataSets
from workflows import cli

NOUNS = "00001740 03 n 01 entity 0 000 | x\n00003000 06 n 01 Fire_engine 0 000 | red\n"
TEXT = "the red fire engine of new york\nnew york has a red bridge\n" * 60
DE = "\n".join(" ".join(f"wort{j}" for j in range(k + 1)) for k in range(40))


@pytest.fixture
def given(tmp_path):
    (tmp_path / "dict").mkdir()
    (tmp_path / "dict" / "data.noun").write_text(NOUNS)
    (tmp_path / "en.txt.gz").write_bytes(gzip.compress(TEXT.encode()))
    (tmp_path / "de.txt").write_text(DE)
    (tmp_path / "pageviews-20220901-000000.gz").write_bytes(
        gzip.compress(b"de Berlin_(Stadt) 60 0\nen St._Louis 80 0\nen Old_Town 69 0\n")
    )
    return tmp_path


def run(monkeypatch, *words):
    monkeypatch.setattr(sys, "argv", ["pairpool", "metadata", *map(str, words)])
    with pytest.raises(SystemExit) as stopped:
        cli.main()
    return stopped.value.code or 0


def sources_of(given):
    return (
        f"--wordnet=en={given}/dict",
        f"--corpus=en={given}/en.txt.gz",
        f"--corpus=de={given}/de.txt",
        f"--pageviews={given}/pageviews-20220901-000000.gz",
        "--licence=en:wordnet=WordNet 3.0 (Princeton)",
        "--budget=2",
    )


def test_two_languages_from_all_sources(given, monkeypatch, capsys):
    out = given / "sets"
    assert run(monkeypatch, "build", f"--out={out}", *sources_of(given), "--memory=16") == 0
    numbers = [str(n) for n in range(100)]
    english = (out / "en.txt").read_text().split("\n")
    # The words of both lines occur 120 times; the two best bigrams are `engine of` and `fire engine`, which WordNet has.
    assert english == [
        *numbers,
        "entity",
        "fire engine",
        "new",
        "red",
        "york",
        "engine of",
        "St. Louis",
        "",
    ]
    german = (out / "de.txt").read_text().split("\n")
    assert german[100:104] == ["wort0", "wort1", "wort2", "wort3"]
    assert len(german) == 100 + 4 + 2 + 1
    record = json.loads((out / "sources.json").read_text())["languages"]["en"]
    assert record["entries"] == {"total": 107, "numbers": 100, "wordnet": 2, "unigrams": 3, "bigrams": 1, "titles": 1}
    assert record["rules"]["min_count"] == 100
    assert record["rules"]["min_pmi"] == "-inf"
    assert record["found"]["corpus_words"] == 60 * 13
    assert {(item["source"], item["file"]) for item in record["inputs"]} == {
        ("wordnet", "data.noun"),
        ("corpus", "en.txt.gz"),
        ("pageviews", "pageviews-20220901-000000.gz"),
    }
    assert all(len(item["sha256"]) == 64 for item in record["inputs"])
    assert "WordNet 3.0 (Princeton)" in (out / "README.md").read_text()
    assert sorted(path.name for path in out.iterdir()) == ["README.md", "de.txt", "en.txt", "sources.json"]
    assert "107" in capsys.readouterr().out
    assert MetadataSets.load(out).names == ("de", "en")


def test_a_later_build_keeps_the_other_languages_and_a_build_is_the_same_again(given, monkeypatch):
    out = given / "sets"
    assert run(monkeypatch, "build", f"--out={out}", *sources_of(given)) == 0
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    assert run(monkeypatch, "build", f"--out={out}", *sources_of(given), "--memory=16") == 0
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before
    (given / "w.tsv").write_text("chat\t3\nchien\t2\n" + "".join(f"mot{k}\t1\n" for k in range(18)))
    assert run(monkeypatch, "build", f"--out={out}", f"--frequencies=fr={given}/w.tsv") == 0
    assert (out / "fr.txt").read_text().split("\n")[100:] == ["chat", "chien", ""]
    assert (out / "en.txt").read_bytes() == before["en.txt"]
    assert set(json.loads((out / "sources.json").read_text())["languages"]) == {"de", "en", "fr"}


@pytest.mark.parametrize(
    "case",
    [
        (["--corpus=en={}/none.txt"], 2, "none.txt is not there"),
        (["--corpus={}/de.txt"], 2, "is not CODE=PATH"),
        (["--corpus=../de={}/de.txt"], 2, "is no language code"),
        ([], 2, "there is nothing to build from"),
        (["--corpus=en={}/empty.txt"], 1, "there is no word in"),
        (["--corpus=en={}/latin.txt"], 1, "is not UTF-8"),
        (["--corpus=en={}/short.txt.gz"], 1, "cannot be read to its end"),
        (["--corpus=en={}/short.txt.bz2"], 1, "cannot be read to its end"),
        (["--corpus=en={}/en.txt.gz"], 0, ""),
        (["--corpus=en={}/de.txt"], 1, "no source gave an entry"),
        (["--corpus=en={}/en.txt.gz", "--set=min_cuont=3"], 2, "there is no such rule"),
        (
            ["--corpus=en={}/en.txt.gz", "--set=min_count=few"],
            2,
            "--set min_count=few: Input should be a valid integer",
        ),
        (["--frequencies=en={}/de.txt"], 1, "line 1: 'wort0' is not a text, a tab and a whole number"),
        (["--corpus=en={}/en.txt.gz", "--scratch={}/gone"], 1, "Name a folder with room for it with --scratch"),
        (["--wordnet=en={}"], 2, "holds none of data.noun"),
        (["--corpus=en={}/en.txt.gz", "--licence=MIT"], 2, "is not CODE:SOURCE=TEXT"),
    ],
)
def test_what_is_refused_leaves_nothing(given, monkeypatch, capsys, case):
    words, code, said = case
    (given / "empty.txt").write_text("\n...\n")
    (given / "latin.txt").write_bytes("Käse".encode("latin-1"))
    (given / "short.txt.gz").write_bytes(gzip.compress(TEXT.encode())[:-9])
    (given / "short.txt.bz2").write_bytes(b"BZh9" + bytes(20))
    out = given / "sets"
    assert run(monkeypatch, "build", f"--out={out}", *(word.format(given) for word in words)) == code
    error = capsys.readouterr().err
    assert said in error.replace("\n", "")
    assert "Traceback" not in error
    assert out.exists() is (code == 0)


def test_import_and_show(given, monkeypatch, capsys):
    (given / "metadata.json").write_text(
        json.dumps({"en": ["cat", "St. Louis", "cat", "a.b"], "zh": ["猫"], "zh_classical": ["犬"]})
    )
    out = given / "sets"
    assert run(monkeypatch, "import", given / "metadata.json", f"--out={out}") == 0
    assert (out / "en.txt").read_text() == "cat\nSt. Louis\na.b\n"
    assert (out / "zh.txt").read_text() == "猫\n犬\n"
    assert run(monkeypatch, "show", out) == 0
    shown = capsys.readouterr().out
    assert "66.7%" in shown
    assert "0.0%" in shown


@pytest.mark.parametrize(
    "case",
    [
        ([], 1, "has no entry for en"),
        ({"en": ["a"], "de": [""]}, 1, "has no entry for de"),
        ({}, 1, "has no entry for any language"),
        (["two\nlines"], 1, "cannot stand on a line of its own"),
        (["\ud800"], 1, "is not valid Unicode"),
        ({"en": 3}, 1, "must hold a list of texts"),
    ],
)
def test_what_cannot_be_imported(given, monkeypatch, capsys, case):
    content, code, said = case
    (given / "metadata.json").write_text(json.dumps(content))
    out = given / "sets"
    assert run(monkeypatch, "import", given / "metadata.json", f"--out={out}") == code
    assert said in capsys.readouterr().err.replace("\n", "")
    assert not list(given.glob("sets/*"))


def test_a_folder_of_something_else_is_not_overwritten(given, monkeypatch, capsys):
    out = given / "sets"
    out.mkdir()
    (out / "sources.json").write_text("[1, 2]")
    assert run(monkeypatch, "build", f"--out={out}", f"--corpus=en={given}/en.txt.gz") == 1
    assert "is not what this command writes" in capsys.readouterr().err
    assert [path.name for path in out.iterdir()] == ["sources.json"]
    assert run(monkeypatch, "build", f"--out={given}/de.txt", f"--corpus=en={given}/en.txt.gz") == 2
