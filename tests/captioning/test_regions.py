"""Captions of regions: what is cut out, what is said of coordinates, and that captions stay aligned to boxes."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from captioning.images import UnreadableImage
from captioning.regions import SMALLEST, Box, Cutter, boxes_of, thousandths
from captioning.sentences import sentences
from tests.captioning.answers import follow
from tests.captioning.helpers import picture
from tests.captioning.loopback import Loopback, texts
from tests.captioning.test_recipes import run, stage

Serve = Callable[..., Loopback]
SIZE = (200, 100)
shares = st.floats(0, 1)


def halves() -> bytes:
    """Red on the left, blue on the right."""
    image = Image.new("RGB", SIZE, "red")
    image.paste("blue", (100, 0, 200, 100))
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def sent(body: dict[str, Any]) -> Image.Image:
    """The image of a request."""
    (url,) = [part["image_url"]["url"] for part in body["messages"][-1]["content"] if part["type"] == "image_url"]
    return Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2]))).convert("RGB")


def colour(image: Image.Image) -> str:
    red, _, blue = image.resize((1, 1), Image.Resampling.BOX).getpixel((0, 0))  # type: ignore[misc]
    return "red" if red > 200 > blue else "blue" if blue > 200 > red else "both"


def test_each_box_is_cut_out_and_its_caption_stands_in_its_place(loopback: Serve) -> None:
    server = loopback(lambda _, body: json.dumps({"regions": [f"a {colour(sent(body))} half"]}))
    boxes = [[0.6, 0.1, 0.9, 0.9], [0.1, 0.1, 0.4, 0.9], [0.2, 0.2, 0.8, 0.8]]
    made = run(stage(server.url, "regions"), download__image=halves(), boxes__boxes=boxes)
    assert made["regions"] == ["a blue half", "a red half", "a both half"]
    assert [one["asked"] for one in made["tries"]] == ["regions[0]", "regions[1]", "regions[2]"]
    assert sent(server.bodies[0]).width in {72, 73}  # .3 of 200, and a tenth of that on each side


def test_a_region_without_a_caption_is_null_and_says_why(loopback: Serve) -> None:
    server = loopback(lambda n, body: "length" if n == 2 else follow(n, body))
    boxes = [[0.0, 0.0, 0.5, 0.5], [0.5, 0.5, 1.0, 1.0], [0.9, 0.9, 0.1, 0.1], [0.0, 0.0, 1.0, 1.0]]
    made = run(stage(server.url, "regions", retries=0), boxes__boxes=boxes)
    assert [bool(text) for text in made["regions"]] == [True, False, False, True]
    assert made["missing"] == [
        {"field": "regions[1]", "reason": "answer cut at max_tokens"},
        {"field": "regions[2]", "reason": "no box"},
    ]
    assert made["error_message"] is None


@pytest.mark.parametrize(("boxes", "found"), [([], []), (None, [])])
def test_a_row_without_boxes_has_no_regions_and_costs_no_request(boxes: object, found: object, loopback: Serve) -> None:
    server = loopback(follow)
    made = run(stage(server.url, "regions"), boxes__boxes=boxes)
    assert (made["regions"], made["error_message"], server.bodies) == (found, None, [])


def test_all_boxes_go_by_their_coordinates_in_one_request(loopback: Serve) -> None:
    server = loopback(follow)
    found = stage(server.url, "regions-boxes", box_units="pixels")
    made = run(found, download__image=halves(), boxes__boxes=[[0, 0, 100, 50], [100, 25, 200, 100]])
    (body,) = server.bodies
    assert "Regions, in order: [0, 0, 500, 500]; [500, 250, 1000, 1000]" in texts(body)
    schema = body["response_format"]["json_schema"]["schema"]["properties"]["regions"]
    assert (schema["minItems"], schema["maxItems"]) == (2, 2)
    assert len(made["regions"]) == 2


def test_more_boxes_than_one_answer_holds_are_asked_for_in_turn(loopback: Serve) -> None:
    server = loopback(follow)
    many = [[k / 200, 0.0, (k + 1) / 200, 1.0] for k in range(100)]
    made = run(stage(server.url, "regions-boxes"), boxes__boxes=many)
    assert len(server.bodies) == 2
    assert len(made["regions"]) == 100
    assert all(made["regions"])


def test_a_picture_that_does_not_decode_is_the_reason(loopback: Serve) -> None:
    made = run(stage(loopback().url, "regions"), download__image=b"no picture")
    assert made["error_message"].startswith("image cannot be decoded")
    with pytest.raises(UnreadableImage):
        Cutter(b"no picture")


def test_what_is_see_through_is_cut_as_it_is_seen() -> None:
    """The caption of a region must not speak of colours that lie under transparency."""
    image = Image.new("RGBA", SIZE, (255, 0, 0, 0))
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    cut = Image.open(io.BytesIO(Cutter(buffer.getvalue()).cut((0.2, 0.2, 0.8, 0.8))))
    assert cut.convert("RGB").getextrema() == ((255, 255),) * 3


@given(st.tuples(shares, shares, shares, shares), st.integers(1, 300), st.integers(1, 300))
def test_what_is_cut_lies_in_the_picture_and_can_be_seen(sides: Box, width: int, height: int) -> None:
    (box,) = boxes_of([list(sides)], "shares", (width, height))
    if box is None:
        assert sides[0] >= sides[2] or sides[1] >= sides[3]
        return
    cut = Image.open(io.BytesIO(Cutter(picture(1, (width, height))).cut(box)))
    assert min(SMALLEST, width) <= cut.width <= width
    assert min(SMALLEST, height) <= cut.height <= height


def test_boxes_come_as_lists_or_structs_and_nonsense_is_none() -> None:
    struct = {"x0": 10, "y0": 0, "x1": 20, "y1": 50}
    assert boxes_of([struct, [0, 0, 400, 50]], "pixels", (100, 50)) == [(0.1, 0.0, 0.2, 1.0), (0.0, 0.0, 1.0, 1.0)]
    assert boxes_of([[1, 2], None, "box", [0, 0, 0, 1]], "shares", (10, 10)) == [None] * 4
    assert thousandths([(0.1, 0.0, 0.2, 1.0)]) == "[100, 0, 200, 1000]"


@given(st.text())
def test_sentences_lose_nothing_but_spaces(text: str) -> None:
    assert "".join("".join(sentences(text)).split()) == "".join(text.split())
    assert all(part.strip() == part and part for part in sentences(text))
