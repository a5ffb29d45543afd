"""From captions to the weights that a trainer draws by, on a small pool with real servers and the real mini-CLIP."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import pytest
from PIL import Image, ImageDraw

from captioning.checking.reading import CaptionClaims
from captioning.checking.repeats import CaptionRepeats
from captioning.checking.stage import CheckCaptions
from captioning.checking.statements import asked, statements
from captioning.checking.verdicts import CONTRADICTS, REFUTED, WRONG_COLOUR
from captioning.checking.weights import FALLBACK, MISSING, REPEATS, Mixing
from captioning.stage import Caption
from curation.clip.score import ClipScore
from curation.rules import Rule
from curation.select import Select
from pipeline.plan import Plan
from pipeline.recipe import recipe
from pipeline.step import POOL
from tests.captioning.drawn import Pictures
from tests.captioning.loopback import Loopback, texts
from workflows.export.step import Export
from workflows.report.step import ROLES, Report
from workflows.training.policies import Weighted
from workflows.training.shards import Shards

Serve = Callable[..., Loopback]
GROUNDS = {
    "red": (208, 32, 36),
    "green": (44, 152, 64),
    "blue": (36, 84, 204),
    "white": (244, 244, 244),
    "black": (9, 9, 9),
}
SAID = {"green": "purple"}  # what the captioner of these tests gets wrong
#: One row for each ground, and one more: its captions are those of the red one.
CAPTIONS = [f"circle on a {ground} background" for ground in GROUNDS] + ["circle on a red background", "two circles"]


@recipe
class Circles(Pictures):
    """A circle on the ground that the caption names, red where it names none."""

    kind: ClassVar[str] = "test-circles"

    def draw(self, number: int, caption: str) -> bytes:
        return circle(caption)


def circle(caption: str) -> bytes:
    ground = next((rgb for name, rgb in GROUNDS.items() if name in caption), GROUNDS["red"])
    image = Image.new("RGB", (64, 64), ground)
    ImageDraw.Draw(image).ellipse((20, 20, 44, 44), (248, 220, 56))
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=95)
    return buffer.getvalue()


def seen(body: dict[str, Any]) -> str:
    """The ground of the picture of a request."""
    parts = [
        part for message in body["messages"] if isinstance(message["content"], list) for part in message["content"]
    ]
    url = next(part["image_url"]["url"] for part in parts if part["type"] == "image_url")
    with Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2]))) as image:
        corner = image.convert("RGB").getpixel((2, 2))
    assert isinstance(corner, tuple)
    return min(GROUNDS, key=lambda name: sum(abs(a - b) for a, b in zip(GROUNDS[name], corner, strict=True)))


def describe(number: int, body: dict[str, Any]) -> str:
    """The captioner: right but for SAID, and no words at all about black."""
    ground = seen(body)
    said = SAID.get(ground, ground)
    made = {
        "short": f"a yellow circle on a {said} background",
        "medium": f"one yellow circle lies in the middle of a picture with a {said} background.",
        "long": f"A drawing of one yellow circle. It covers a small part of the picture. The background is plain {said}.",
    }
    return "no words" if ground == "black" else json.dumps(made)


@pytest.fixture
def pool(make_pool, loopback: Serve, tmp_path: Path):
    """The pool, the plan after all steps, and what the judge was asked."""
    captioner = loopback(describe)
    judge = loopback(lambda number, body: json.dumps({"wrong": ["1"] if seen(body) == "blue" else [], "unsure": []}))
    rows = [{"url": f"http://x.example/{n}.jpg", "caption": caption} for n, caption in enumerate(CAPTIONS)]
    served = {"model": "tiny", "concurrency": 2, "alt_text": None}
    steps = [
        Circles(),
        Select(name="select", rules=(Rule(column="download.width", min=1, reason="none"),)),
        Caption(endpoints=(captioner.url,), prompt="plain", retries=0, only="select", **served),
        ClipScore(name="clip"),
        CaptionClaims(),
        ClipScore(name="clip_captions", text="claims.probes"),
        Caption(
            name="judge",
            endpoints=(judge.url,),
            prompt="check-claims",
            given={"statements": "claims.statements"},
            **served,
        ),
        CaptionRepeats(),
        CheckCaptions(
            only="select",
            model="judge",
            alt_score="clip_captions.clip_score",  # any score: every alt-text is trusted here
            language=None,
            trust=-1.0,
            mixing=Mixing(room=1),
        ),
        Export(
            name="shards",
            texts={f"caption_{name}": f"captions.{name}" for name in ("short", "medium", "long")}
            | {"caption_alt": "rows.caption"},
            columns={"caption_weights": "check.weights"},
        ),
        Report(
            **dict.fromkeys(set(ROLES) - {"rows", "download", "select"}),
            name="report",
            model=None,
            checks="check",
            also=("claims", "repeats"),
        ),
    ]
    made = make_pool(rows, shard_rows=4)
    return made, made.run(*steps), judge


@pytest.mark.slow
def test_every_row_has_weights_and_every_fault_its_reason(pool):
    made, plan, judge = pool
    rows = made.columns(plan, "check", "*").to_pylist()
    alts = made.columns(plan, "rows", "uid", "caption").to_pylist()
    alt = {row["uid"]: row["caption"] for row in alts}
    assert len(rows) == len(CAPTIONS) and all(row["status"] == "success" for row in rows)
    by_alt: dict[str, dict[str, Any]] = {alt[row["uid"]]: row for row in rows}
    for row in rows:
        assert sum(row["weights"].values()) == pytest.approx(1, abs=1e-6)

    def reasons(caption: str, text: str) -> set[str]:
        return {one["reason"] for one in by_alt[caption]["reasons"] if one["text"] == text}

    assert WRONG_COLOUR in reasons("circle on a green background", "short") or CONTRADICTS in reasons(
        "circle on a green background", "short"
    )
    assert by_alt["circle on a green background"]["caught"]
    assert not reasons("circle on a white background", "short")
    assert REFUTED in reasons("circle on a blue background", "long")
    assert CONTRADICTS in reasons("two circles", "medium")
    assert reasons("circle on a black background", "short") == {MISSING}
    assert reasons("circle on a black background", "alt") == {FALLBACK}
    assert by_alt["circle on a black background"]["weights"]["caption_alt"] == 1
    assert by_alt["circle on a red background"]["repeats"]["caption_short"] == 3
    assert REPEATS in reasons("two circles", "short")
    assert any("Statements: 1. there is: circle; 2." in texts(body) for body in judge.bodies)

    claims = made.columns(plan, "claims", "claims", "statements").to_pylist()
    for row in claims:
        if row["claims"] is not None:
            assert row["statements"] == statements(asked(row["claims"], ("short", "medium", "long")))

    check_shards(made, plan)
    check_page(made, plan, sum(row["caught"] for row in rows))


def check_page(made: Any, plan: Plan, caught: int) -> None:
    """What was caught is counted and pictured."""
    files = plan.parts(plan.by_name["report"], POOL)[-1].files
    told = json.loads(made.store.fetch(files["report.json"][0]).read_text("utf-8"))["checks"]
    assert (told["rows"], told["caught"]) == (len(CAPTIONS), caught)
    assert sum(told["weights"].values()) == pytest.approx(1, abs=1e-3)
    assert {line["kind"] for line in told["claims"]} == {"object", "colour", "count"}
    assert {group["reason"] for group in told["groups"]} & {WRONG_COLOUR, CONTRADICTS}
    page = made.store.fetch(files["report.html"][0]).read_text("utf-8")
    assert "Checks of captions" in page and "purple background" in page


def check_shards(made: Any, plan: Plan) -> None:
    """What was exported draws as the trainer draws, and by the row's own weights."""
    files = plan.parts(plan.by_name["shards"], POOL)[-1].files
    folder = made.store.fetch(files["00000000.tar"][0]).parent
    shards = Shards.of(folder)
    policy = Weighted({"caption_alt": 1.0}, "caption_weights")
    for sample in range(shards.sizes[0]):
        raw = shards.read(0, sample)
        weights = raw.fields["caption_weights"]
        assert list(weights) == ["caption_alt", "caption_short", "caption_medium", "caption_long"]
        drawn = {policy.choose(raw.texts, 0, epoch, raw.key, raw.fields)[0][0] for epoch in range(200)}
        assert drawn <= {name for name, weight in weights.items() if weight > 0}
        assert {name for name, weight in weights.items() if weight > 0.1} <= drawn
