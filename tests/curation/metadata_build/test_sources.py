"""WordNet files, Wikipedia dumps and page views: small ones in their real formats, and broken ones."""

import bz2
import gzip

import pytest

from curation.metadata_build import views, wordnet
from curation.metadata_build.views import count
from curation.metadata_build.wikipedia import articles
from pipeline.errors import ConfigError, DataError

NOUNS = (
    "  1 This software and database is being provided to you\n"
    "00001740 03 n 01 entity 0 003 ~ 00001930 n 0000 | that which is perceived\n"
    "00002137 18 n 02 St._Louis 0 Saint_Louis 0 000 | a city\n"
    "00003000 06 n 01 Fire_engine 0 000 | red\n"
)
TAB = (
    "# WOLF (Wordnet Libre du Français)\tfra\thttp://alpage.inria.fr/~sagot/wolf-en.html\tCeCILL-C\n"
    "00001740-n\tfra:lemma\tentité\n00001740-n\tfra:def\t0\tce qui est\n00002137-n\tlemma\tcamion_de pompiers\n"
)
DUMP = """<mediawiki xmlns="http://www.mediawiki.org/xml/export-0.11/" version="0.11" xml:lang="de">
  <siteinfo><sitename>Wikipedia</sitename><namespaces><namespace key="-2" case="first-letter">Medium</namespace>
    <namespace key="0" case="first-letter" /><namespace key="6">Datei</namespace><namespace key="14">Kategorie</namespace>
  </namespaces></siteinfo>
  {pages}
</mediawiki>
"""
PAGE = """<page><title>{title}</title><ns>{ns}</ns><id>{id}</id>{more}<revision><id>9</id><model>wikitext</model>
  <format>text/x-wiki</format><text bytes="9" xml:space="preserve">{text}</text><sha1>x</sha1></revision></page>
"""
CAT = (
    "{{Infobox|name=Secret}}'''Katzen''' sind [[Haustier|Haustiere]].&lt;ref&gt;{{cite|hidden}}&lt;/ref&gt; "
    "[[Datei:Katze.jpg|mini|Eine [[Katze]] schlaeft]]Sie &amp;amp; Hunde.\\n[[Kategorie:Tier]]"
)


def dump(path, pages):
    path.write_bytes(bz2.compress(DUMP.replace("{pages}", "".join(pages)).encode()))
    return path


def page(text, ns=0, more="", **fields):
    return PAGE.format(title="T", ns=ns, id=1, more=more, text=text, **fields)


def test_princetons_files_give_the_names_of_synsets(tmp_path):
    (tmp_path / "data.noun").write_text(NOUNS)
    (tmp_path / "data.adj").write_text("00001740 00 a 01 able(p) 0 000 | can\n")
    assert list(wordnet.read(tmp_path)) == ["entity", "st", "fire engine", "able"]
    assert list(wordnet.read(tmp_path / "data.adj")) == ["able"]


def test_open_multilingual_wordnet_gives_its_words_and_its_licence(tmp_path):
    path = tmp_path / "wn-data-fra.tab"
    path.write_text(TAB)
    assert list(wordnet.read(path)) == ["entité", "camion de pompiers"]
    assert wordnet.licence(path) == "CeCILL-C"


def test_what_is_no_wordnet_is_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"holds none of data\.noun"):
        list(wordnet.read(tmp_path))
    (tmp_path / "data.noun").write_text("hello\n")
    with pytest.raises(DataError, match="not a WordNet"):
        list(wordnet.read(tmp_path))
    (tmp_path / "x.tab").write_text("hello\n")
    with pytest.raises(DataError, match="not a WordNet"):
        list(wordnet.read(tmp_path / "x.tab"))


@pytest.mark.parametrize("workers", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_a_dump_gives_the_words_of_its_articles(tmp_path, workers):
    pages = [page(CAT), page("talk", ns=1), page("moved", more='<redirect title="X" />'), page("[[Hund]]e bellen")]
    text = "\n".join(articles(dump(tmp_path / "de.xml.bz2", pages), workers))
    assert text.split() == "Katzen sind Haustiere. Sie & Hunde. Hunde bellen".replace("Hunde. ", "Hunde.\\n ").split()


def test_broken_dumps_are_refused(tmp_path):
    whole = dump(tmp_path / "de.xml.bz2", [page(CAT)] * 50)
    (tmp_path / "short.xml.bz2").write_bytes(whole.read_bytes()[:-30])
    (tmp_path / "half.xml").write_bytes(bz2.decompress(whole.read_bytes())[:-300])
    with pytest.raises(DataError, match=r"short\.xml\.bz2 cannot be read to its end"):
        list(articles(tmp_path / "short.xml.bz2"))
    with pytest.raises(DataError, match=r"half\.xml is not whole XML"):
        list(articles(tmp_path / "half.xml"))
    with pytest.raises(DataError, match="holds no article"):
        list(articles(dump(tmp_path / "none.xml.bz2", [page("talk", ns=1)])))


def hourly(path, *lines):
    path.write_bytes(
        gzip.compress(b"".join(line if isinstance(line, bytes) else f"{line}\n".encode() for line in lines))
    )
    return path


def read(titles):
    return {k: n for table in titles.views.tables() for k, n in zip(*table.to_pydict().values(), strict=True)}


def test_views_are_summed_by_metaclips_rules(tmp_path):
    first = hourly(
        tmp_path / "pageviews-20220901-000000.gz",
        "de Berlin 60 0",
        "en New_York_City 50 0",
        "en Dog 49 0",
        "en Special:Search 900 0",
        "en.m New_York_City 500 0",
        "en Caf\u00e9 70 0",
        b"en bad\xff 99 0\n",
        "zh-yue 香港 3 0",
        "- - 1 0",
    )
    second = hourly(tmp_path / "pageviews-20220901-010000.gz", "en New_York_City 55 0", "en Dog 30 0")
    found = count([first, second], {}, ["en", "de", "zh_yue"], tmp_path / "s")
    assert read(found["en"]) == {"New York City": 105, "Café": 70}
    assert found["en"].unreadable == 1
    assert read(found["de"]) == {"Berlin": 60}
    assert read(found["zh_yue"]) == {"香港": 3}
    lower = count([first, second], {}, ["en"], tmp_path / "s2", floors={"en": 1})
    assert read(lower["en"]) == {"New York City": 105, "Café": 70, "Dog": 79}


def test_lists_that_are_summed_already_join_them(tmp_path):
    (tmp_path / "t.tsv").write_text("New_York_City\t10\nTalk:Dog\t99\nNew York City\t5\n")
    found = count([], {"en": [tmp_path / "t.tsv"]}, ["en"], tmp_path / "s")
    assert read(found["en"]) == {"New York City": 15}


def test_a_file_of_something_else_is_refused(tmp_path):
    with pytest.raises(DataError, match="not a page-view file"):
        count([hourly(tmp_path / "x.gz", "hello")], {}, ["en"], tmp_path / "s")


def test_a_title_may_be_any_bytes_but_a_space(tmp_path):
    path = hourly(tmp_path / "x.gz", "en.z A 99 0", "en A.B/C?D 99 0", "en  99 0", "en A 99999999999999999999 0")
    assert read(views.count([path], {}, ["en"], tmp_path / "s")["en"]) == {"A.B/C?D": 99}
