"""The page: hostile texts stay texts, nothing is loaded or run, and every script reads in its own direction."""

from __future__ import annotations

import base64
import dataclasses
import io
import json
import re
from html.parser import HTMLParser
from xml.etree import ElementTree as ET

import pytest
from PIL import Image
from report_pool import HOSTILE, finish, make_rows, steps, write_metadata

from curation.intake import Intake
from curation.langid import LangId
from pipeline.errors import ConfigError
from pipeline.plan import Plan
from pipeline.step import POOL
from workflows.report.page import FOLDER, decimals, seconds, share, speech
from workflows.report.step import LATER, ROLES, Report

OTHER_ROLES = [*ROLES[1:], *LATER]


class Page(HTMLParser):
    """Every element with its attributes, and the text of every paragraph that says its direction."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self._inside = False
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag == "p":
            self._inside = dict(attrs).get("dir") == "auto"
            self.texts += [""] if self._inside else []

    def handle_endtag(self, tag):
        self._inside = self._inside and tag != "p"

    def handle_data(self, data):
        if self._inside:
            self.texts[-1] += data


@pytest.fixture(scope="module")
def page(built):
    return Page(built.page)


def test_a_script_in_a_caption_is_shown_and_never_run(built, page):
    assert not [
        tag for tag, _ in page.elements if tag in {"script", "iframe", "object", "embed", "form", "link", "base"}
    ]
    assert not [name for _, attributes in page.elements for name in attributes if name.startswith("on")]
    shown = HOSTILE.replace("\x07", "\ufffd")
    assert any(text.endswith(shown) for text in page.texts)
    assert "<script" not in built.page


def test_nothing_is_loaded_from_anywhere(built, page):
    for tag, attributes in page.elements:
        for name in ("src", "href", "xlink:href", "action", "srcset"):
            value = attributes.get(name)
            assert value is None or value.startswith(("#", "data:image/jpeg;base64,")), (tag, name, value)
    assert not re.search(r"url\((?!#)|@import", built.page)
    policy = next(a["content"] for _, a in page.elements if a.get("http-equiv") == "Content-Security-Policy")
    assert policy.startswith("default-src 'none'")


def test_every_caption_says_that_its_direction_is_its_own(page):
    arabic = [text for text in page.texts if "صورة" in text]
    assert arabic and any("厨房" in text for text in page.texts)
    languages = {attributes.get("lang") for tag, attributes in page.elements if tag == "p"}
    assert {"en", "ar"} <= languages


def test_pictures_are_small_and_have_words(built, page):
    images = [attributes for tag, attributes in page.elements if tag == "img"]
    assert len(images) > built.numbers["funnel"]["kept"]
    for attributes in images[:40]:
        picture = Image.open(io.BytesIO(base64.b64decode(attributes["src"].partition(",")[2])))
        assert picture.format == "JPEG" and max(picture.size) == 128
        assert attributes["alt"]
    figures = [attributes for tag, attributes in page.elements if tag == "svg"]
    assert len(figures) == 7 and all(attributes["role"] == "img" and attributes["aria-label"] for attributes in figures)


def test_figures_are_well_formed_and_their_text_is_text(built):
    found = re.findall(r"<svg.*?</svg>", built.page, re.DOTALL)
    for svg in found:
        root = ET.fromstring(svg)
        assert root.findall(".//{http://www.w3.org/2000/svg}text")
    assert all("<metadata" not in svg and "width=" not in svg.split(">")[0] for svg in found)


def test_the_same_pool_gives_the_same_bytes(built, tmp_path):
    plan = built.plan
    step = dataclasses.replace(plan.by_name["report"], version="again")
    anew = Plan(plan.store, [*(s for s in plan.steps if s.kind not in {"report", "partial"}), step])
    task = anew.task(step, POOL)
    assert task is not None
    with step.start(plan.store, {}) as work:
        outcome = work(task, tmp_path)
    assert outcome.files["report.html"].read_text() == built.page
    assert outcome.rows == sum(outcome.counts.values()) == len(built.rows)


def test_the_page_lies_where_it_can_be_found_and_is_small(built):
    path, _, size = built.entry.files["report.html"]
    assert re.fullmatch(r"report/report-1-pool-[0-9a-f]{12}/report\.html", path)
    assert size < 6_000_000


def test_a_recipe_with_almost_nothing_says_what_is_missing(tmp_path):
    rows, truth = make_rows(30)
    urls = tmp_path / "urls.jsonl"
    urls.write_text("".join(json.dumps(row) + "\n" for row in rows))
    report = Report(**dict.fromkeys(set(OTHER_ROLES) - {"languages"}))
    found = finish(tmp_path, [Intake(urls=urls, shard_rows=10), LangId(name="lang"), report], rows, truth)
    assert found.numbers["concepts"] is found.numbers["scores"] is found.numbers["faults"] is None
    assert found.page.count("Not on this page") == 7
    assert found.numbers["funnel"]["kept"] == len(rows) - 1


def test_roles_and_files_that_are_wrong_are_told(tmp_path):
    with pytest.raises(ConfigError, match="short, medium and long"):
        Report(caption_scores={"tall": "clip_short"})
    rows, truth = make_rows(20)
    urls, metadata = tmp_path / "urls.jsonl", write_metadata(tmp_path / "metadata")
    urls.write_text('{"url": "https://a.example/1", "caption": "a red cat"}\n')
    first = [Intake(urls=urls), *steps(metadata)[:5]]
    nobody = dict.fromkeys(
        ["chosen", "download", "look", "scores", "duplicates", "select", "captions", "shards", "model"]
    )
    with pytest.raises(ConfigError, match=r"languages names 'counts'"):
        finish(tmp_path, [*first, Report(**nobody, languages="counts")], rows, truth)
    with pytest.raises(ConfigError, match=r"truth.*cannot be read"):
        finish(tmp_path, [*first, Report(**nobody, truth=tmp_path / "no.parquet", version="2")], rows, truth)


def test_colours_of_text_stand_out_from_the_page():
    """WCAG 2 AA: 4.5 to 1 against white for text."""
    colours = dict(re.findall(r"--(\w+): (#[0-9a-f]{6})", (FOLDER / "style.css").read_text()))
    for name in ("ink", "soft", "blue", "orange", "green", "red"):
        assert 1.05 / (_luminance(colours[name]) + 0.05) >= 4.5, name


def _luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_numbers_read_well():
    assert [share(1, 3), share(1, 2), share(0, 5), share(1, 0)] == ["33.3\xa0%", "50\xa0%", "0\xa0%", "–"]
    assert [seconds(0.42), seconds(75), seconds(7500)] == ["0.4\xa0s", "1\xa0min\xa015\xa0s", "2\xa0h\xa005\xa0min"]
    assert [decimals(-0.0004), decimals(-0.25), decimals(None)] == ["0.000", "-0.250", "–"]
    assert speech('en" onload="x') == "" and speech("ja") == ' lang="ja"'
