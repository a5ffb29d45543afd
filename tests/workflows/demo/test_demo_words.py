import re
from collections import Counter
from pathlib import Path

import pytest
from demo_registry import EMOJI, Registry

from curation.metadata_build.compose import tally
from workflows.demo.cldr import Names, read_cldr
from workflows.demo.clients import Clients
from workflows.demo.clipart import Words, alt_text, name_of, series, spaced, texts_of, without_author, words_of
from workflows.demo.emoji import Emoji
from workflows.demo.fetch import stock_up
from workflows.demo.languages import LANGUAGES
from workflows.demo.wordlists import wordnet

REAL_CACHE = Path(__file__).parents[3] / "build" / "demo" / "cache"


def quiet(_text: str) -> None:
    """Say nothing."""


def test_the_words_of_an_svg_are_its_own_and_not_its_licence() -> None:
    svg = (
        b"<svg><title>drawing</title><metadata><dc:title>Cat &amp;\n Dog</dc:title><dc:subject><rdf:Bag><rdf:li>hash</rdf:li>"
        b"<rdf:li></rdf:li><rdf:li>pets</rdf:li></rdf:Bag></dc:subject><dc:publisher><dc:title>Library</dc:title></dc:publisher>"
        b"<dc:creator><cc:Agent><dc:title>Ann Author</dc:title></cc:Agent></dc:creator><dc:rights><dc:title>Ann</dc:title>"
        b"</dc:rights><dc:description>two &lt;b&gt;pets&lt;/b&gt;</dc:description></metadata></svg>"
    )
    assert words_of(svg) == Words("Cat & Dog", "", ("hash", "pets"), "Ann Author")
    assert words_of(b"<svg><path/></svg>") == Words()
    assert words_of(b"<metadata><dc:publisher><dc:title>Library</dc:title></dc:publisher></metadata>").title == ""


@pytest.mark.parametrize(
    ("path", "words", "shared", "name"),
    [
        ("a/armadillo_architetto_fra_01.png", Words("Armadillo"), 1, "Armadillo"),
        ("a/red_car_architetto_fra_01.png", Words("collection", author="Architetto Francesco"), 90, "red car"),
        ("a/star12.png", Words("gramastar"), 1375, "star"),
        ("a/x.png", Words("Clipart by Nicu Buculei - red_chair"), 2, "red chair"),
        ("a/no_title.png", Words(), 58, "no title"),
    ],
)
def test_names_come_from_titles_that_are_not_shared_else_from_the_file(
    path: str, words: Words, shared: int, name: str
) -> None:
    assert name_of(path, words, Counter({words.title: shared})) == name


def test_small_rules_of_names() -> None:
    assert without_author("nothing_of_his", "Ann Author") == "nothing_of_his"
    assert spaced("dog_-_animal.02") == "dog animal"
    assert series("x/Star-12.png") == "star"
    assert series("x/a1.png") is None


def test_alt_text_keeps_junk_and_takes_many_forms() -> None:
    words = Words("gramastar", "A star.", ("hash", "stars"))
    alts = [alt_text(f"shapes/star_{k}.png", "star", words) for k in range(300)]
    assert {"gramastar", "gramastar. A star.", "star, hash, stars", "gramastar - hash, stars", "star clip art"} <= set(
        alts
    )
    assert any(re.fullmatch(r"star_\d+\.png", alt) for alt in alts)
    kinds = [text["kind"] for text in texts_of("a.png", "star", words)]
    assert kinds == ["alt", "name", "title", "description", "keywords"]


@pytest.mark.parametrize(
    ("image", "concept"),
    [
        ("1f44b-1f3fd.png", "1f44b"),
        ("1f3c3-1f3fb-200d-2640-fe0f-200d-27a1-fe0f.png", "1f3c3"),
        ("1f469-1f3fd-200d-1f680.png", "1f9d1-200d-1f680"),
        ("1f468-200d-1f680.png", "1f9d1-200d-1f680"),
        ("1f475-1f3ff.png", "1f9d3"),
        ("1f1eb-1f1f7.png", "1f1eb-1f1f7"),
    ],
)
def test_variants_of_an_emoji_are_one_concept(image: str, concept: str) -> None:
    points = image.removesuffix(".png").split("-")
    found = Emoji(image, "".join(chr(int(p, 16)) for p in points), "x", "x").concept
    assert found == concept


def test_both_packagings_of_cldr_say_the_same(registry: Registry, tmp_path: Path) -> None:
    by_npm = read_cldr(stock_up(tmp_path / "n", registry.clients("npm"), quiet, registry.sources))
    assert set(by_npm) == {"en", *LANGUAGES}
    assert by_npm["de"].titles == ["de France"]
    assert by_npm["de"].emoji["\U0001f400\U0001f3fb"][0] == "de thing 0: light skin tone"
    apt = registry.clients("apt-get", "dpkg-deb")
    if apt.apt:
        by_apt: dict[str, Names] = read_cldr(stock_up(tmp_path / "a", apt, quiet, registry.sources))
        assert set(by_apt) == {"en", "de"}
        assert by_apt["de"].emoji["\U0001f401"] == ("de thing 1", ("de key1", "de other"))
        assert len(by_apt["de"].emoji) == EMOJI


def test_synsets_are_named_as_nltk_names_them(registry: Registry, tmp_path: Path) -> None:
    stock = stock_up(tmp_path, registry.clients("npm"), quiet, registry.sources)
    assert list(wordnet(stock)) == ["entity", "st", "fire engine", "able"]


def test_an_entry_is_counted_for_the_first_source_that_has_it() -> None:
    sizes = tally(
        ["0", "1", "cat", "dog", "New York"],
        {"wordnet": ["cat", "1"], "unigrams": ["dog", "cat"], "titles": ["New York"]},
    )
    assert sizes == {"total": 5, "wordnet": 1, "unigrams": 1, "titles": 1, "numbers": 2}


def test_wordnet_gives_the_count_of_the_paper() -> None:
    stock_needs = REAL_CACHE / "wordnet-base-1_3.0-37.deb"
    if not stock_needs.exists():
        pytest.skip("the real WordNet is not cached here: `make demo` fetches it")
    from workflows.demo.packages import SOURCES

    only = {"emoji": (), "WordNet": SOURCES["WordNet"][:1]}
    names = set(wordnet(stock_up(REAL_CACHE, Clients(None, None), quiet, only)))
    # MetaCLIP, Table 1: 86,654 entries, which are these and "0" to "99".
    assert len(names - {""}) + 100 == 86_654
