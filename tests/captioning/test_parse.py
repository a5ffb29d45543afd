"""What is a caption and what is a reason."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from captioning.exchange import Answer
from captioning.faults import copies
from captioning.loops import loops
from captioning.parse import Fault, clean, read
from captioning.schema import TextField, json_schema
from pipeline.errors import ConfigError

FIELDS = (TextField("short", 1, 40), TextField("long", 10, 400))
GOOD = {"short": "a red boat", "long": "A red boat lies on grey sand under a low sky."}


def answer(text: str, finish: str = "stop") -> Answer:
    return Answer(text, finish, 5, 5, "loopback")


def fault(**changes: object) -> str:
    found = read(
        answer(json.dumps(GOOD | changes)),
        FIELDS,
        "Name the main subject and what sets it apart from all the others around.",
    )
    return found.reason.splitlines()[0] if isinstance(found, Fault) else "none"


def test_good_answers_are_captions() -> None:
    assert read(answer(json.dumps(GOOD)), FIELDS) == GOOD
    assert read(answer(f"```json\n{json.dumps(GOOD)}\n```"), FIELDS) == GOOD
    assert read(answer(json.dumps(GOOD | {"more": 1})), FIELDS) == GOOD


def test_a_cut_answer_is_no_caption_even_if_it_parses() -> None:
    assert read(answer(json.dumps(GOOD), "length"), FIELDS) == Fault("answer cut at max_tokens")
    assert read(answer(json.dumps(GOOD), "abort"), FIELDS) == Fault("server ended with abort")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"short": "  "}, "empty: short"),
        ({"short": None}, "no text in field short"),
        ({"short": "x" * 41}, "too long: short"),
        ({"long": "brief"}, "too short: long"),
        ({"short": "a boat that lies on the grey sand under"}, "cut at its bound: short"),
        ({"short": "a boat that lies on the grey sand there."}, "none"),
        ({"long": "a cat and " * 12}, "repetition loop: long"),
        ({"short": "a flag of vernvernvernvern"}, "repetition loop: short"),
        ({"long": "I'm sorry, but I can't help with that."}, "refusal: long"),
        ({"long": "A sign that says I'm sorry, we are closed."}, "none"),
        ({"long": "The main subject and what sets it apart from all the others here."}, "copy of the prompt: long"),
    ],
)
def test_faults_are_named(changes: dict[str, object], reason: str) -> None:
    assert fault(**changes) == reason


@pytest.mark.parametrize("text", ["", "no", "[1]", '"text"', '{"short": "a', "{'short': 1}", "[" * 100_000, "NaN"])
def test_what_is_no_object_is_a_fault(text: str) -> None:
    assert isinstance(read(answer(text), FIELDS), Fault)


@given(st.text())
def test_any_text_is_read_without_an_error(text: str) -> None:
    assert isinstance(read(answer(text), FIELDS), dict | Fault)
    assert isinstance(read(answer(json.dumps({"short": text, "long": text})), FIELDS), dict | Fault)


@given(st.text(st.characters(codec=None)))
def test_cleaned_text_is_one_line_that_can_be_stored(text: str) -> None:
    made = clean(text)
    made.encode("utf-8")
    assert made == made.strip() == clean(made)
    assert len(made.splitlines()) <= 1


def test_joined_emoji_and_persian_joiners_survive() -> None:
    for text in ("👩‍🚒 a firefighter", "می‌خواهم"):
        assert clean(text) == text


@given(st.text(min_size=2, max_size=60), st.integers(16, 40), st.text(max_size=50))
def test_anything_said_over_and_over_is_a_loop(phrase: str, times: int, before: str) -> None:
    assert loops(before + phrase * times)


@pytest.mark.parametrize(
    "text",
    [
        "A row of four houses, a red one, a green one, a blue one and a white one, under a sky with a few small clouds.",
        "A sign reads 'Ha ha ha ha!'",
        "一只红色的小船停在灰色的沙滩上，天空很低，远处有几座山，山上有树，树下有人。",
    ],
)
def test_captions_are_no_loops(text: str) -> None:
    assert not loops(text)


def test_copies_need_a_long_shared_run() -> None:
    prompt = "Quote readable text exactly, in its own language, and do not guess the names of people."
    assert copies("quote READABLE text exactly in its own language and do not", prompt)
    assert not copies("readable text exactly in its own language", prompt)
    assert not copies("anything", "")


def test_schema_holds_the_bounds_in_order() -> None:
    schema = json_schema(FIELDS)
    assert list(schema["properties"]) == schema["required"] == ["short", "long"]
    assert schema["properties"]["long"] == {"type": "string", "minLength": 10, "maxLength": 400}
    with pytest.raises(ConfigError, match="'short' are 5 to 4"):
        TextField("short", 5, 4)
