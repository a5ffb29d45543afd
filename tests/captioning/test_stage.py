"""The caption stage in the engine: what is identity, what a row gets, what a failed row keeps."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from captioning.model import resolve
from captioning.prompts import load
from captioning.stage import Caption
from captioning.vllm_command import ServerOptions, arguments
from pipeline.errors import ConfigError
from tests.captioning.drawn import Pictures
from tests.captioning.helpers import batches, picture
from tests.captioning.loopback import GOOD, Loopback, texts

Serve = Callable[..., Loopback]


def rows(count: int) -> list[dict[str, Any]]:
    return [{"url": f"http://x.example/{n}.jpg", "caption": f"picture {n}"} for n in range(count)]


def stage(url: str, **changes: Any) -> Caption:
    return Caption(**{"model": "tiny", "endpoints": (url,), "prompt": "multi-alt", "concurrency": 4, **changes})


def test_every_row_gets_captions_and_their_provenance(make_pool: Callable[..., Any], loopback: Serve) -> None:
    server = loopback()
    pool = make_pool(rows(23), shard_rows=8)
    plan = pool.run(Pictures(), stage(server.url))
    found = pool.columns(plan, "captions", "*")
    assert found.num_rows == 23
    assert found["status"].to_pylist() == ["success"] * 23
    assert set(found["medium"].to_pylist()) == {GOOD["medium"]}
    assert len(set(found["seed"].to_pylist())) == 23
    told = found.select(["model", "revision", "prompt_id", "prompt_hash", "server", "attempts", "prompt_tokens"])
    assert set(map(tuple, (row.values() for row in told.to_pylist()))) == {
        ("tiny", None, "multi-alt", load("multi-alt").hash, "loopback 0.1", 1, 11)
    }
    assert sorted(texts(body).rpartition(": ")[2] for body in server.bodies) == sorted(
        f"picture {n}" for n in range(23)
    )


def test_a_faulty_answer_is_asked_for_again_hotter_and_with_another_seed(loopback: Serve) -> None:
    server = loopback(lambda number, _: ["length", "no JSON", "ok"][number - 1])
    (row,) = caption(stage(server.url, prompt="plain"), 1)
    assert (row["short"], row["attempts"], row["temperature"]) == (GOOD["short"], 3, 1.1)
    assert [body["temperature"] for body in server.bodies] == [0.7, 0.9, 1.1]
    assert len({body["seed"] for body in server.bodies}) == 3
    assert row["seed"] == server.bodies[-1]["seed"]


def test_what_stays_faulty_is_a_reason_and_never_a_caption(loopback: Serve) -> None:
    server = loopback(lambda number, _: "length")
    (row,) = caption(stage(server.url, prompt="plain", retries=1), 1)
    assert (row["short"], row["medium"], row["long"]) == (None, None, None)
    assert row["error_message"].splitlines()[0] == "answer cut at max_tokens"
    assert (row["attempts"], row["finish_reason"], row["completion_tokens"]) == (2, "length", 14)


def test_rows_without_an_image_or_with_a_broken_one_cost_no_request(loopback: Serve) -> None:
    server = loopback()
    images = pa.array([None, b"no image", picture()], pa.large_binary())
    batch = pa.record_batch({"uid": ["a", "b", "c"], "download.image": images})
    with stage(server.url, prompt="plain").open({}) as annotate:
        (made,) = annotate(iter([batch]))
    assert [str(text).splitlines()[0] for text in made["error_message"].to_pylist()] == [
        "image is missing from its shard",
        "image cannot be decoded",
        "None",
    ]
    assert len(server.bodies) == 1


def test_the_request_is_held_to_the_schema_and_sends_no_address(loopback: Serve) -> None:
    server = loopback()
    caption(stage(server.url, lengths={"short": (3, 30)}, sampling={"top_k": 20}, seed=5), 1)
    (body,) = server.bodies
    schema = body["response_format"]["json_schema"]["schema"]
    assert schema["properties"]["short"] == {"type": "string", "minLength": 3, "maxLength": 30}
    assert body["top_k"] == 20
    urls = [part["image_url"]["url"] for part in body["messages"][-1]["content"] if part["type"] == "image_url"]
    assert [url.partition(",")[0] for url in urls] == ["data:image/jpeg;base64"]


def caption(found: Caption, count: int) -> list[dict[str, Any]]:
    reads = {name: pa.array(["a square"]) for name in found.reads if name != found.image}
    with found.open({}) as annotate:
        given = (
            pa.record_batch({**dict(zip(b.schema.names, b.columns, strict=True)), **reads}) for b in batches(count)
        )
        return [row for batch in annotate(given) for row in batch.to_pylist()]


def test_identity_is_what_is_said_not_where(tmp_path: Path) -> None:
    for name in ("here", "there"):
        (tmp_path / name / "m").mkdir(parents=True)
        (tmp_path / name / "m" / "weights").write_text("1")
    here = Caption(model=str(tmp_path / "here" / "m"))
    there = Caption(model=str(tmp_path / "there" / "m"), concurrency=99, server=ServerOptions(dtype="float16"))
    assert here.identity({}) == there.identity({})
    assert here.identity({}) != Caption(model=here.model, prompt="plain").identity({})
    assert here.identity({}) != Caption(model=here.model, temperature=0.1).identity({})
    before = here.identity({})
    (tmp_path / "here" / "m" / "MODEL_CARD.md").write_text("about")
    assert here.identity({}) == before
    (tmp_path / "here" / "m" / "weights").write_text("other")
    assert here.identity({}) != before


def test_alt_text_is_read_only_if_the_prompt_wants_it() -> None:
    assert stage("http://x").reads == ("download.image", "rows.caption")
    assert stage("http://x", prompt="multi").reads == ("download.image",)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"prompt": "nope"}, "There is no prompt 'nope'"),
        ({"alt_text": None}, "wants the alt-text"),
        ({"model": "./nowhere"}, "There is no model folder nowhere"),
        ({"model": "owner/name", "endpoints": ()}, "revision: <commit>"),
        ({"api_key_env": "NO_SUCH_VARIABLE"}, "NO_SUCH_VARIABLE is not set"),
        ({"lengths": {"short": (9, 3)}}, "bounds of the caption field 'short'"),
    ],
)
def test_mistakes_of_the_config_say_what_to_do(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigError, match=says), stage("http://127.0.0.1:9", **changes).open({}):
        pass


def test_the_server_is_told_to_fetch_nothing_and_options_come_last(tmp_path: Path) -> None:
    shutil.copytree(Path(__file__).parent, tmp_path / "m", ignore=shutil.ignore_patterns("*.py"))
    (tmp_path / "m" / "config.json").write_text('{"text_config": {"max_position_embeddings": 2048}}')
    model = resolve(str(tmp_path / "m"), None, served=False)
    argv = arguments(model, ServerOptions(args=("--max-num-seqs", "8")), cpu=True, port=1)
    assert argv[argv.index("--allowed-media-domains") + 1] == "none.invalid"
    assert argv[argv.index("--max-model-len") + 1] == "2048"
    assert argv[argv.index("--dtype") + 1] == "float32"
    assert argv[-2:] == ["--max-num-seqs", "8"]
