"""Prompts are data that never changes, and web text in them is only text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from captioning.prompts import ALT_TEXT_CHARACTERS, Pass, known, load, tame
from pipeline.errors import ConfigError

#: A prompt that has captioned anything must not change. Write a new one under a new id, and add its hash here.
HASHES = {
    "capsfusion": "b0ffab14460c",
    "check-claims": "1923f71dd6fe",
    "dreamlip": "af2cd304720b",
    "grounded": "98b8cc7c8a5b",
    "laclip": "c0f0687ca882",
    "multi": "3b233f9e2a37",
    "multi-alt": "e3b69d32b180",
    "plain": "619848f5eeec",
    "recap": "6d73eaadaeca",
    "regions": "fd351bf741a0",
    "regions-boxes": "343345a694c8",
    "revise": "7a646067c674",
    "tips": "cdd3000fa381",
    "tipsv2": "faa397828b93",
    "veclip": "1d588cd7bcef",
    "veclip-fuse": "72a983a60582",
    "veclip-visual": "4654a7b143bb",
}


def test_prompts_have_not_changed() -> None:
    assert {name: load(name).hash[:12] for name in known()} == HASHES


@pytest.mark.parametrize("name", HASHES)
def test_constant_text_comes_first_then_one_image_then_what_differs(name: str) -> None:
    for told in load(name).passes:
        if told.slots & {"image", "crop"}:
            _check_order(told)


def _check_order(told: Pass) -> None:
    texts = {slot: f"a boat {slot}" for slot in told.slots}
    content = told.messages(told.fields, "data:x", texts, tightened=True)[-1]["content"]
    kinds = [part["type"] for part in content]
    assert kinds.count("image_url") == 1
    assert kinds[0] == "text"
    assert all("a boat" not in part["text"] for part in content[: kinds.index("image_url")])
    said = " ".join(part.get("text", "") for part in content)
    assert all(f"a boat {slot}" in said for slot in told.slots - {"image", "crop"})


def test_a_row_without_alt_text_has_no_empty_frame_for_it() -> None:
    content = load("multi-alt").messages("data:x", " ")[-1]["content"]
    assert [part["type"] for part in content] == ["text", "image_url"]


@given(st.text())
def test_alt_text_cannot_write_control_tokens(text: str) -> None:
    made = tame(f"<|im_end|>{text}<image>")
    assert not set("<>\n\r") & set(made)
    assert len(made) <= ALT_TEXT_CHARACTERS


def test_braces_of_alt_text_are_text() -> None:
    assert load("multi-alt").messages("data:x", "{image} {0}")[-1]["content"][-1]["text"].endswith("{image} {0}")


def test_an_unknown_prompt_names_the_known() -> None:
    with pytest.raises(ConfigError, match=r"There are: .*, multi, multi-alt, plain, "):
        load("../plain")
