"""The retry ladder: what each rung changes, what is kept, and that every try is written down."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from captioning.exchange import Sampling
from captioning.ladder import LADDER, Rung
from pipeline.errors import ConfigError
from tests.captioning.answers import asked, follow
from tests.captioning.loopback import Loopback, texts
from tests.captioning.test_recipes import run, stage

Serve = Callable[..., Loopback]
CUT = '{"short": "a red'


def bounds(body: dict[str, Any], field: str) -> int:
    return int(body["response_format"]["json_schema"]["schema"]["properties"][field]["maxLength"])


def test_the_default_ladder_is_hotter_then_tighter_then_each_caption_alone(loopback: Serve) -> None:
    server = loopback(lambda *_: CUT)
    made = run(stage(server.url, "grounded"))
    whole = ["short", "medium", "long"]
    assert [asked(body) for body in server.bodies] == [whole] * 4 + [[name] for name in whole]
    assert [body["temperature"] for body in server.bodies] == [0.7, 0.9, 1.1, 1.1, 0.9, 0.9, 0.9]
    assert [bounds(body, "short") for body in server.bodies[:5]] == [160, 160, 160, 96, 96]
    assert [bounds(body, "long") for body in server.bodies if "long" in asked(body)] == [1600, 1600, 1600, 960, 960]
    assert len({body["seed"] for body in server.bodies}) == 7
    assert "Be brief: short at most 96 characters, medium" in texts(server.bodies[3])
    assert "Be brief" not in texts(server.bodies[2])
    assert made["error_message"].startswith("answer is not JSON\n")
    assert "last answer: " in made["error_message"]
    assert (made["attempts"], made["completion_tokens"]) == (7, 49)
    assert [one["rung"] for one in made["tries"]] == [0, 1, 2, 3, 4, 4, 4]
    assert {one["fault"] for one in made["tries"]} == {"answer is not JSON"}


def test_what_comes_alone_is_kept_and_the_rest_is_null_with_its_reason(loopback: Serve) -> None:
    def answer(number: int, body: dict[str, Any]) -> str:
        return follow(number, body) if asked(body) in (["short"], ["medium"]) else "length"

    made = run(stage(loopback(answer).url, "grounded"))
    assert made["error_message"] is None
    assert made["short"] and made["medium"] and made["long"] is None
    assert made["missing"] == [{"field": "long", "reason": "answer cut at max_tokens"}]


def test_every_fault_on_the_way_is_recorded_and_the_good_answer_ends_it(loopback: Serve) -> None:
    faults = [
        {"short": "I'm sorry, but I can't help with that."},
        {"long": "A boat and " * 30},
        {"medium": "The image shows a red boat on sand."},
    ]
    server = loopback(lambda n, body: json.dumps(json.loads(follow(n, body)) | (faults[n - 1] if n <= 3 else {})))
    made = run(stage(server.url, "grounded"))
    assert [one["fault"] for one in made["tries"]] == [
        "refusal: short",
        "repetition loop: long",
        "boilerplate opening: medium",
        None,
    ]
    assert made["missing"] == []
    assert (made["seed"], made["temperature"]) == (server.bodies[-1]["seed"], 1.1)


def test_a_refused_request_is_not_asked_again(loopback: Serve) -> None:
    server = loopback(lambda *_: "400")
    made = run(stage(server.url, "grounded"))
    assert len(server.bodies) == 1
    assert made["error_message"].startswith("server refused the request (400)")
    assert made["tries"][0]["fault"] == "server refused the request (400)"


def test_the_ladder_is_config(loopback: Serve) -> None:
    server = loopback(lambda *_: CUT)
    ladder = (Rung(each=True), Rung(hotter=1.0))
    made = run(stage(server.url, "grounded", ladder=ladder))
    assert [len(asked(body)) for body in server.bodies] == [3, 1, 1, 1, 3]
    assert made["tries"][-1]["temperature"] == 1.7
    assert run(stage(server.url, "grounded", retries=0))["attempts"] == 1
    assert run(stage(server.url, "grounded", ladder=()))["attempts"] == 1
    assert stage("http://x", "grounded").identity({}) != stage("http://x", "grounded", ladder=ladder).identity({})
    with pytest.raises(ConfigError, match=r"tighter 0.0 of a rung"):
        Rung(tighter=0.0)


def test_a_failed_pass_leaves_the_others_their_chance(loopback: Serve) -> None:
    server = loopback(lambda n, body: CUT if asked(body) == ["short"] else follow(n, body))
    made = run(stage(server.url, "tipsv2", retries=1))
    assert (made["short"], made["error_message"]) == (None, None)
    assert made["long"]
    assert "A short caption" not in texts(server.bodies[-1])
    server = loopback(lambda n, body: CUT if asked(body) == ["visual"] else follow(n, body))
    made = run(stage(server.url, "veclip", retries=0))
    assert [one["reason"] for one in made["missing"]] == ["answer is not JSON", "nothing to go by: visual is empty"]
    assert made["error_message"].startswith("answer is not JSON")


@given(st.floats(0, 2), st.floats(0, 3), st.integers(1, 9), st.text(max_size=20))
def test_seeds_and_temperatures_are_such_as_servers_take(
    temperature: float, hotter: float, number: int, about: str
) -> None:
    drawn = Sampling(7, temperature, 0.8, 100).attempt("uid", number, hotter, about)
    assert 0 <= drawn.seed < 2**31
    assert 0 <= drawn.temperature <= 2
    again = Sampling(7, temperature, 0.8, 100).attempt("uid", number, hotter, about)
    assert drawn == again
    assert drawn.seed != Sampling(8, temperature, 0.8, 100).attempt("uid", number, hotter, about).seed


@given(st.integers(1, 500), st.integers(0, 2000), st.floats(0.01, 1))
def test_tightened_bounds_are_bounds(low: int, more: int, factor: float) -> None:
    from captioning.schema import ListField, TextField

    for field in (TextField("x", low, low + more), ListField("x", low, low + more, 1, 2)):
        assert field.minimum <= field.tighter(factor).maximum <= field.maximum


def test_the_first_attempts_of_the_default_ladder_are_as_they_always_were() -> None:
    assert [(rung.hotter, rung.tighter, rung.each) for rung in LADDER[:2]] == [(0.2, 1.0, False), (0.4, 1.0, False)]
