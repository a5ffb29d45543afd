"""The shipped weights behind a real vLLM server, asked as the evaluation asks."""

import io
import json

import pytest
from PIL import Image, ImageDraw

from captioning.demo_model import PATH
from workflows.demo.captioner.asking import BOUNDS, ask_all, serving
from workflows.demo.captioner.evaluate import by_set
from workflows.demo.captioner.exhibits import Exhibit
from workflows.demo.captioner.judge import Truth

pytest.importorskip("vllm")


def disc(colour: str, ground: str) -> Exhibit:
    picture = Image.new("RGB", (224, 224), ground)
    ImageDraw.Draw(picture).ellipse((50, 50, 174, 174), fill=colour)
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=95)
    return Exhibit(buffer.getvalue(), Truth((colour,), ("circle",), ground), ("discs",))


@pytest.mark.slow
def test_guided_answers_are_json_and_say_the_background() -> None:
    grounds = ("white", "black", "blue", "green")
    exhibits = [disc("red", ground) for ground in grounds]
    with serving(PATH) as endpoint:
        guided, free = (ask_all(endpoint, exhibits, guided=form) for form in (True, False))
    found = by_set(exhibits, guided, free)["discs"]
    assert found["valid JSON"].mean() == 1.0
    assert found["background right"].mean() >= 0.75
    for reply in guided:
        assert all(
            len(text) <= bound.maximum for text, bound in zip(json.loads(reply.text).values(), BOUNDS, strict=True)
        )
