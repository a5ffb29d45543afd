"""The shipped weights behind a real vLLM server, asked as the evaluation asks."""

import io

import pytest
from PIL import Image, ImageDraw

from captioning.demo_model import PATH
from workflows.demo.captioner.evaluate import Exhibit, ask_all, rates, serving, table
from workflows.demo.captioner.judge import Truth

pytest.importorskip("vllm")


def disc(colour: str, ground: str) -> Exhibit:
    picture = Image.new("RGB", (224, 224), ground)
    ImageDraw.Draw(picture).ellipse((50, 50, 174, 174), fill=colour)
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=95)
    return Exhibit(buffer.getvalue(), Truth((colour,), ("circle",), ground))


@pytest.mark.slow
def test_guided_answers_are_json_and_say_the_background() -> None:
    grounds = ("white", "black", "blue", "green")
    exhibits = [disc("red", ground) for ground in grounds]
    with serving(PATH, None) as endpoint:
        answers = ask_all(endpoint, exhibits, guided=True)
    found = rates(answers, [exhibit.truth for exhibit in exhibits])
    assert found["valid JSON"][0] == 1.0
    assert found["background right"][0] >= 0.75
    assert "| valid JSON | 1.00" in table({"discs": found}, {"discs": len(exhibits)})
