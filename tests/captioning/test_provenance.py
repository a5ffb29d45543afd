"""Where captions come from, and what happens to them when a pool is captioned again, otherwise or further."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from captioning.distinct import DistinctCaptions
from captioning.prompts import load
from captioning.provenance import PROVENANCE
from curation.rules import Rule
from curation.select import Select
from pipeline.step import Step
from tests.captioning.answers import follow
from tests.captioning.drawn import Pictures
from tests.captioning.loopback import Loopback, texts
from tests.captioning.test_stage import rows, stage
from workflows.kinds import step_class

Serve = Callable[..., Loopback]
Pools = Callable[..., Any]


def test_every_caption_says_where_it_comes_from(make_pool: Pools, loopback: Serve) -> None:
    server = loopback(lambda n, body: "length" if n == 1 else follow(n, body))
    pool = make_pool(rows(4))
    mine = stage(server.url, prompt="grounded", model="tiny", revision="r7", licence="MIT", concurrency=1)
    found = pool.columns(pool.run(Pictures(), mine), "captions", "*").to_pylist()
    again = max(found, key=lambda row: int(row["attempts"]))
    assert set(PROVENANCE.names) <= set(again)
    known = {
        "model": "tiny",
        "revision": "r7",
        "licence": "MIT",
        "prompt_id": "grounded",
        "prompt_hash": load("grounded").hash,
        "temperature": 0.9,
        "prompt_tokens": 22,
        "completion_tokens": 14,
        "finish_reason": "stop",
        "attempts": 2,
        "server": "loopback 0.1",
        "grounded": True,
        "asked_language": "en",
    }
    assert {name: again[name] for name in known} == known
    first, last = again["tries"]
    assert (first["fault"], first["finish_reason"], first["temperature"]) == ("answer cut at max_tokens", "length", 0.7)
    assert (last["fault"], last["seed"]) == (None, again["seed"])


def test_another_prompt_adds_an_instance_and_keeps_the_old(make_pool: Pools, loopback: Serve) -> None:
    server = loopback(follow)
    pool = make_pool(rows(12), shard_rows=5)
    first = stage(server.url, prompt="grounded")
    before = pool.columns(pool.run(Pictures(), first), "captions", "*")
    asked = len(server.bodies)
    second = stage(server.url, prompt="tips", name="tips")
    plan = pool.run(Pictures(), first, second)
    assert len(server.bodies) == asked + 12
    assert pool.columns(plan, "captions", "*").equals(before)
    assert None not in pool.columns(plan, "tips", "short")["short"].to_pylist()
    assert set(pool.columns(plan, "tips", "prompt_id")["prompt_id"].to_pylist()) == {"tips"}


def test_a_wider_selection_captions_the_new_rows_alone(make_pool: Pools, loopback: Serve) -> None:
    server = loopback(follow)
    pool = make_pool(rows(24), shard_rows=8)

    def steps(texts: list[str]) -> list[Step]:
        rule = Rule(column="rows.caption", one_of=tuple(texts), reason="not chosen")
        return [Pictures(), Select(name="select", version=str(len(texts)), rules=(rule,)), mine]

    mine = stage(server.url, prompt="grounded", only="select")
    some, more = [f"picture {n}" for n in range(7)], [f"picture {n}" for n in range(15)]
    before = pool.columns(pool.run(*steps(some)), "captions", "uid", "status", "long", "seed").to_pylist()
    assert len(server.bodies) == 7
    after = pool.columns(pool.run(*steps(more)), "captions", "uid", "status", "long", "seed").to_pylist()
    assert len(server.bodies) == 15
    done = [row for row in before if row["status"] == "success"]
    assert len(done) == 7
    assert [row for row in done if row not in after] == []
    assert sum(row["status"] == "success" for row in after) == 15


def test_the_same_caption_on_many_images_is_taken_out_with_the_reason(make_pool: Pools, loopback: Serve) -> None:
    same = '{"short": "A boat.", "medium": "A red boat on grey sand.", "long": "A red boat on sand under a grey sky."}'
    server = loopback(lambda n, body: same if int(texts(body).split()[-4]) % 2 else follow(n, body))
    pool = make_pool(rows(16), shard_rows=4)
    repeats = step_class("caption-repeats", "repeats")(name="repeats")
    distinct = DistinctCaptions(name="distinct", most={"medium": 7, "long": 8})
    plan = pool.run(Pictures(), stage(server.url, prompt="grounded"), repeats, distinct)
    captions = pool.columns(plan, "captions", "medium", "long").to_pylist()
    found = pool.columns(plan, "distinct", "*").to_pylist()
    shared = [row for row, was in zip(found, captions, strict=True) if was["medium"] == "A red boat on grey sand."]
    assert len(shared) == 8
    for row in shared:
        assert row["medium"] is None
        assert (row["short"], row["long"]) == ("A boat.", "A red boat on sand under a grey sky.")
        assert row["missing"] == [{"field": "medium", "reason": "same caption on many images: medium"}]
        assert (row["keep"], row["reject_reason"]) == (True, None)
    others = [row for row in found if row not in shared]
    assert all(row["medium"] and row["missing"] == [] for row in others)


def test_a_row_whose_captions_are_all_shared_is_rejected_by_name(make_pool: Pools, loopback: Serve) -> None:
    server = loopback()
    pool = make_pool(rows(6))
    repeats = step_class("caption-repeats", "repeats")(name="repeats")
    distinct = DistinctCaptions(name="distinct", most={"short": 5, "medium": 5, "long": 5})
    plan = pool.run(Pictures(), stage(server.url, prompt="plain", alt_text=None), repeats, distinct)
    found = pool.columns(plan, "distinct", "keep", "reject_reason", "long").to_pylist()
    assert {tuple(row.values()) for row in found} == {(False, "same caption on many images: short", None)}
