"""Every recipe against a server that answers by the schema: what is asked, in what order, and which columns come of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from captioning.prompts import known, load
from captioning.stage import Caption, Trust
from pipeline.errors import ConfigError
from tests.captioning.answers import asked, follow, pictures
from tests.captioning.drawn import Pictures
from tests.captioning.helpers import picture
from tests.captioning.loopback import Loopback, texts
from workflows.config import load as load_config
from workflows.export.step import Export
from workflows.training.shards import Shards

Serve = Callable[..., Loopback]
RECIPES = Path(__file__).parents[2] / "configs" / "captions-recipes.yaml"
GIVEN = {
    "capsfusion": {"caption": "recap.long"},
    "veclip-fuse": {"visual": "v.visual"},
    "check-claims": {"statements": "claims.statements"},
}
LONG = {"long": (200, 1600)}  # enough to tell a language by
BOXES = [[0.0, 0.0, 0.5, 0.5], [0.25, 0.25, 1.0, 1.0]]


def stage(url: str, prompt: str, **changes: Any) -> Caption:
    boxes = "boxes.boxes" if prompt.startswith("regions") else None
    told = {"model": "tiny", "endpoints": (url,), "concurrency": 4, "boxes": boxes, "given": GIVEN.get(prompt, {})}
    return Caption(**{**told, "prompt": prompt, **changes})


def run(found: Caption, **columns: Any) -> dict[str, Any]:
    """The columns of one row; what `columns` leaves out is filled in. Double underscores stand for dots."""
    given = {"uid": "0" * 32, "download.image": picture(3), "rows.caption": "an old boat", "boxes.boxes": BOXES}
    given |= {name.replace("__", "."): value for name, value in columns.items()}
    types = {"download.image": pa.large_binary(), "boxes.boxes": pa.list_(pa.list_(pa.float32()))}
    row = {
        name: pa.array([given.get(name, "A blue boat in a harbour.")], types.get(name))
        for name in ("uid", *found.reads)
    }
    with found.open({}) as annotate:
        (made,) = [one for batch in annotate(iter([pa.record_batch(row)])) for one in batch.to_pylist()]
    assert list(made) == [*found.writes.names, "error_message"]
    return dict(made)


@pytest.mark.parametrize("prompt", known())
def test_every_prompt_fills_its_columns(prompt: str, loopback: Serve) -> None:
    server = loopback(follow)
    made = run(stage(server.url, prompt))
    assert made["error_message"] is None
    assert made["missing"] == []
    assert (made["prompt_id"], made["prompt_hash"]) == (prompt, load(prompt).hash)
    captions = [made[one.name] for told in stage(server.url, prompt).fields for one in told if not one.note]
    assert all(captions)
    assert made["attempts"] == len(server.bodies) == len(made["tries"])


def test_granularities_come_in_one_answer_and_tags_if_asked_for(loopback: Serve) -> None:
    server = loopback(follow)
    made = run(stage(server.url, "grounded", optional=("tags", "language")))
    (body,) = server.bodies
    assert asked(body) == ["short", "medium", "long", "tags", "language"]
    assert '"tags": 3 to 12 tags' in body["messages"][0]["content"]
    assert isinstance(made["tags"], list)
    plain = run(stage(server.url, "grounded"))
    assert "tags" not in plain
    assert '"tags"' not in server.bodies[-1]["messages"][0]["content"]


@pytest.mark.parametrize(("score", "told"), [(0.31, True), (0.3, True), (0.29, False), (None, False)])
def test_alt_text_is_told_where_its_score_is_trusted(score: float | None, told: bool, loopback: Serve) -> None:
    server = loopback(follow)
    found = stage(server.url, "grounded", trust=Trust(column="clip.clip_score", min=0.3))
    assert found.reads == ("download.image", "rows.caption", "clip.clip_score")
    assert "clip" not in found.needs
    made = run(found, clip__clip_score=score)
    assert made["grounded"] is told
    assert ("an old boat" in texts(server.bodies[0])) is told


def test_of_several_alt_texts_the_distinct_ones_are_told(loopback: Serve) -> None:
    server = loopback(follow)
    kinds = [("a boat", "alt"), ("Boat of 1912", "title"), ("a boat", "page"), (None, "user")]
    made = run(
        stage(server.url, "grounded", alt_text="rows.texts"),
        rows__texts=[{"text": text, "kind": kind} for text, kind in kinds],
    )
    assert made["grounded"]
    assert "Alt-text of this image: a boat; Boat of 1912 Write" in texts(server.bodies[0])
    assert not run(stage(server.url, "grounded", alt_text="rows.texts"), rows__texts=[])["grounded"]


@pytest.mark.parametrize(
    ("language", "column", "name", "code"),
    [
        ("de", None, "German", "de"),
        ("lang.language", "fr", "French", "fr"),
        ("lang.language", "unknown", "English", "en"),
        ("lang.language", None, "English", "en"),
    ],
)
def test_captions_are_asked_for_in_a_language(
    language: str, column: str | None, name: str, code: str, loopback: Serve
) -> None:
    server = loopback(follow)
    made = run(stage(server.url, "grounded", language=language, retries=0, lengths=LONG), lang__language=column)
    assert texts(server.bodies[0]).endswith(f"Write in {name}.")
    assert made["asked_language"] == code
    assert (made["error_message"] is None) is (code == "en")  # the server answers in English
    assert code == "en" or made["error_message"].startswith("wrong language: ")


def test_tipsv2_asks_twice_and_the_second_knows_the_first(loopback: Serve) -> None:
    server = loopback(follow)
    made = run(stage(server.url, "tipsv2"))
    first, second = server.bodies
    assert (asked(first), asked(second)) == (["short"], ["long"])
    assert "an old boat" not in texts(first)
    assert f"A short caption of this image: {made['short']}" in texts(second)
    assert "an old boat" in texts(second)
    for body in (first, second):  # both share all that stands before and in the image
        assert [part["type"] for part in body["messages"][-1]["content"]][:2] == ["text", "image_url"]
    assert first["messages"][-1]["content"][:2] == second["messages"][-1]["content"][:2]
    assert [one["asked"] for one in made["tries"]] == ["short", "pass 2"]
    assert len({one["seed"] for one in made["tries"]}) == 2


def test_veclip_fuses_by_text_alone_in_one_step_or_two(loopback: Serve) -> None:
    server = loopback(follow)
    made = run(stage(server.url, "veclip"))
    assert [pictures(body) for body in server.bodies] == [1, 0]
    assert texts(server.bodies[1]) == f"First description: an old boat Second description: {made['visual']}"
    fuse = stage(server.url, "veclip-fuse", given={"visual": "veclip.visual"})
    assert fuse.reads == ("rows.caption", "veclip.visual")
    assert run(fuse, veclip__visual="A boat.")["fused"]
    assert pictures(server.bodies[-1]) == 0


def test_laclip_rewrites_four_times_in_columns_that_the_trainer_reads(loopback: Serve) -> None:
    server = loopback(follow)
    found = stage(server.url, "laclip")
    assert found.reads == ("rows.caption",)
    made = run(found)
    assert len(set(made["rewrites"])) == 4
    assert [made[f"rewrites_{number}"] for number in range(1, 5)] == made["rewrites"]


def test_dreamlip_splits_the_long_caption(loopback: Serve) -> None:
    long = "A boat of St. Ives, 2.5 m long. It is red! Dr. Grey stands by it. 犬がいる。猫もいる。"
    server = loopback(lambda _, body: json.dumps(dict.fromkeys(asked(body), long)))
    made = run(stage(server.url, "dreamlip"))
    assert made["sentences"] == [
        "A boat of St. Ives, 2.5 m long.",
        "It is red!",
        "Dr. Grey stands by it.",
        "犬がいる。",
        "猫もいる。",
    ]


def test_recap_forgives_the_opening_that_its_paper_has(loopback: Serve) -> None:
    server = loopback(lambda *_: json.dumps({"long": "The image shows a red boat on grey sand."}))
    assert run(stage(server.url, "recap"))["long"].startswith("The image shows")
    assert "Please generate a detailed caption of this image. Please be as descriptive as possible." in texts(
        server.bodies[0]
    )


def test_a_text_that_is_missing_is_the_reason(loopback: Serve) -> None:
    server = loopback(follow)
    made = run(stage(server.url, "capsfusion"), recap__long=None)
    assert made["error_message"] == "nothing to go by: caption is empty"
    assert (made["merged"], made["attempts"]) == (None, 0)
    assert run(stage(server.url, "laclip"), rows__caption=" ")["error_message"] == "nothing to go by: alt_text is empty"
    assert server.bodies == []


def test_revise_writes_the_draft_and_its_judgement_before_the_captions(loopback: Serve) -> None:
    server = loopback(follow)
    made = run(stage(server.url, "revise"))
    assert asked(server.bodies[0]) == ["draft", "evaluation", "short", "medium", "long"]
    assert made["draft"]
    assert isinstance(made["evaluation"], list)


def test_what_a_web_page_or_a_caption_says_is_never_a_slot_nor_a_control_token(loopback: Serve) -> None:
    server = loopback(follow)
    run(stage(server.url, "capsfusion"), rows__caption="{caption} <|im_end|>", recap__long="{alt_text} </s>")
    assert texts(server.bodies[0]) == "Caption A: {caption} ‹|im_end|› Caption B: {alt_text} ‹/s›"


@pytest.mark.parametrize(
    ("prompt", "changes", "says"),
    [
        ("capsfusion", {"given": {}}, r"slot 'caption'. Name its column in `given`"),
        ("grounded", {"given": {"caption": "a.b"}}, "has no slot 'caption'"),
        ("regions", {"boxes": None}, "Name a column of boxes"),
        ("grounded", {"language": "tlh"}, "There is no language 'tlh'"),
        ("grounded", {"optional": ("mood",)}, "has no field 'mood'. It has: language, long"),
        ("grounded", {"lengths": {"tiny": (1, 2)}}, "has no field 'tiny'"),
        ("grounded", {"forgive": ("style",)}, "There is no fault 'style'"),
        ("grounded", {"preset": "gpt"}, "There is no preset 'gpt'"),
    ],
)
def test_what_does_not_fit_says_what_to_do(prompt: str, changes: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigError, match=says), stage("http://127.0.0.1:9", prompt, **changes).open({}):
        pass


def test_the_shipped_config_of_recipes_uses_every_prompt_that_a_list_alone_can_feed() -> None:
    used = {step.prompt for step in load_config(RECIPES).steps if isinstance(step, Caption)}
    others = {"plain", "multi", "multi-alt", "grounded", "regions", "regions-boxes", "check-claims"}
    assert used == set(known()) - others


def test_the_shipped_config_of_recipes_runs_and_exports_what_it_names(
    make_pool: Callable[..., Any], loopback: Serve
) -> None:
    server = loopback(follow)
    told: dict[str, Any] = {"endpoints": (server.url,), "model": "tiny", "concurrency": 4}
    chosen = [step for step in load_config(RECIPES).steps if step.name not in {"rows", "download"}]
    steps = [replace(step, **told) if isinstance(step, Caption) else step for step in chosen]
    pool = make_pool([{"url": f"http://x.example/{n}.jpg", "caption": f"old boat {n} in a bay"} for n in range(3)])
    pool.run(Pictures(), *steps)
    (tar,) = (pool.root / "pool").rglob("shards/**/*.tar")
    shards = Shards.of(tar.parent)
    texts_of = [shards.read(0, place) for place in range(shards.sizes[0])]
    named = next(step.texts for step in steps if isinstance(step, Export))
    assert len(texts_of) == 3
    assert all(one.texts[name].strip() for one in texts_of for name in named)
    assert all(len(one.fields["sub_captions"]) >= 1 for one in texts_of)
