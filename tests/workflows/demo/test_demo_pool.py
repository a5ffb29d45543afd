import json
import shutil
from collections import Counter
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from demo_registry import Registry

from curation.lists import read_list
from curation.metadata import MetadataSets
from curation.pairs import pair_of
from pipeline.errors import ConfigError
from pipeline.rows import uid_of
from workflows.demo.build import build, main
from workflows.demo.clients import Clients
from workflows.demo.faults import PLANTERS
from workflows.demo.languages import LANGUAGES, OTHERS
from workflows.demo.pool import PoolRecipe, build_pool, share_out


def test_the_list_is_as_long_as_the_truth_and_says_nothing_of_it(demo: Path) -> None:
    urls, truth = pq.read_table(demo / "urls.parquet"), pq.read_table(demo / "truth.parquet")
    assert urls.column_names == ["url", "caption", "texts", "title"]
    assert 57 <= len(urls) == len(truth) <= 75
    assert urls["url"].to_pylist() == truth["url"].to_pylist()
    assert truth["line"].to_pylist() == list(range(len(truth)))
    for row in truth.to_pylist():
        assert row["uid"] == (uid_of(row["url"]) if row["expected"] != "no pair" else None)


def test_every_fault_is_planted(demo: Path) -> None:
    truth = pq.read_table(demo / "truth.parquet").to_pylist()
    counts = Counter(row["fault"] for row in truth)
    assert set(counts) == {None, *PLANTERS, "exact_duplicate", "near_duplicate", "same_url", "garbage"}
    assert {row["expected"] for row in truth} == {"success", "failed", "no pair"}
    others = {row["true_name"]: row["group"] for row in truth}
    for row in truth:
        if row["fault"] == "mismatched_caption":
            assert others[row["detail"].removeprefix("texts of ")] != row["group"]


def test_our_own_intake_reads_the_list(demo: Path) -> None:
    pairs = [pair_of(line, "") for line in read_list(demo / "urls.parquet", {})]
    reasons = [pair["error_message"].partition("\n")[0].partition(" (")[0] for pair in pairs if pair["error_message"]]
    assert sorted(reasons) == ["no URL", "not a URL", "unsupported scheme ftp"]
    assert len({pair["uid"] for pair in pairs}) == len(pairs) - 3
    several = [pair for pair in pairs if len(pair["texts"]) > 1]
    assert several


def test_the_texts_are_in_the_languages_that_the_truth_says(demo: Path) -> None:
    urls, truth = pq.read_table(demo / "urls.parquet").to_pylist(), pq.read_table(demo / "truth.parquet").to_pylist()
    for said, true in zip(urls, truth, strict=True):
        if true["source"] == "emoji" and true["fault"] is None:
            texts = [text["text"] for text in said["texts"] or [{"text": said["caption"]}]]
            assert [text[:2] for text in texts] == true["langs"]


def test_a_second_run_does_no_work_and_needs_no_client(registry: Registry, demo: Path) -> None:
    said: list[str] = []
    stamps = {path: path.stat().st_mtime_ns for path in demo.rglob("*.parquet")}
    again = build(
        demo,
        demo / "cache",
        PoolRecipe(size=60),
        clients=Clients(None, None),
        sources=registry.sources,
        say=said.append,
    )
    assert not again
    assert not [line for line in said if not line.startswith("missing")]
    assert stamps == {path: path.stat().st_mtime_ns for path in demo.rglob("*.parquet")}


def test_the_same_recipe_gives_the_same_pool_and_another_size_another(demo: Path, tmp_path: Path) -> None:
    shutil.copytree(demo, tmp_path / "again", ignore=shutil.ignore_patterns("cache"))
    first = {name: (demo / name).read_bytes() for name in ("urls.parquet", "truth.parquet", "routes.json")}
    build_pool(tmp_path / "again", PoolRecipe(size=60))
    assert first == {name: (tmp_path / "again" / name).read_bytes() for name in first}
    urls, _ = build_pool(tmp_path / "again", PoolRecipe(size=60, full=True, port=9999))
    assert len(urls) > len(pq.read_table(demo / "urls.parquet"))
    assert json.loads((tmp_path / "again" / "routes.json").read_text())["port"] == 9999
    assert sum(":9999/" in (url or "") for url in urls["url"].to_pylist()) >= len(urls) - 6


def test_a_pool_too_small_for_the_faults_is_refused(demo: Path) -> None:
    with pytest.raises(ConfigError, match="ask for --size 60 or more"):
        build_pool(demo, PoolRecipe(size=10))


@pytest.mark.parametrize("client", ["npm", "apt-get"])
def test_one_client_alone_makes_a_pool_of_what_it_brings(registry: Registry, tmp_path: Path, client: str) -> None:
    if client == "apt-get" and not shutil.which("dpkg-deb"):
        pytest.skip("no dpkg-deb here to make a .deb with")
    clients = registry.clients(*(["npm"] if client == "npm" else ["apt-get", "dpkg-deb"]))
    build(
        tmp_path,
        tmp_path / "c",
        PoolRecipe(size=60, full=True),
        clients=clients,
        sources=registry.sources,
        say=lambda _: None,
    )
    sources = set(pq.read_table(tmp_path / "truth.parquet")["source"].to_pylist())
    assert sources == ({"emoji", "scene", "garbage"} if client == "npm" else {"openclipart", "garbage"})
    missing = json.loads((tmp_path / "missing.json").read_text())
    assert set(missing) == ({"clip art"} if client == "npm" else {"emoji"})


def test_the_word_lists_are_what_our_own_matching_reads(demo: Path) -> None:
    sets = MetadataSets.load(demo / "metadata")
    assert set(sets.names) == {"en", *LANGUAGES, *OTHERS} - {"et", "hy", "ka", "sr", "sw", "te", "th"}  # no word list
    assert len(sets.names) >= 30
    english = sets.entries("en")
    assert english[:104] == (*map(str, range(100)), "entity", "st", "fire engine", "able")
    assert "en thing 5" in english
    assert len(set(english)) == len(english)
    assert "de France" in sets.entries("de")
    sizes = json.loads((demo / "concepts.json").read_text())
    assert sizes["en"]["total"] == len(english) > 80_000


def test_licences_are_written_beside_the_data(demo: Path) -> None:
    text = (demo / "LICENCES.md").read_text()
    for word in ("emoji-datasource-google", "Apache-2.0", "Unicode-3.0", "WordNet", "wordfreq"):
        assert word in text


def test_without_any_client_the_command_says_so_and_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert main(["--out", str(tmp_path / "demo")]) == 1
    said = capsys.readouterr().err
    assert said.startswith("error: no pictures for the demo pool")
    assert not (tmp_path / "demo" / "urls.parquet").exists()


def test_what_one_kind_lacks_the_other_gives() -> None:
    many, few = [{"k": k} for k in range(100)], [{"k": k} for k in range(5)]
    assert tuple(map(len, share_out(50, many, many))) == (30, 20)
    assert tuple(map(len, share_out(50, many, few))) == (45, 5)
    assert tuple(map(len, share_out(50, few, many))) == (5, 45)
    assert tuple(map(len, share_out(500, few, few))) == (5, 5)
