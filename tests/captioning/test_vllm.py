"""Against a real vLLM server: what it is held to, what it refuses, and what a row gets when it dies."""

from __future__ import annotations

import http.client
import json
import os
import signal
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pyarrow as pa
import pytest

from captioning.exchange import Sampling
from captioning.images import data_url
from captioning.prompts import load
from captioning.schema import json_schema
from captioning.stage import Caption
from pipeline.errors import ConfigError
from tests.captioning.conftest import Live
from tests.captioning.drawn import Pictures
from tests.captioning.helpers import batches, message, picture
from tests.captioning.test_stage import rows

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


def post(live: Live, body: dict[str, Any], key: str | None = None) -> tuple[int, dict[str, Any]]:
    port = int(live.server.url.rpartition(":")[2])
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {key or live.server.key}"}
    connection.request("POST", "/v1/chat/completions", json.dumps(body), headers)
    response = connection.getresponse()
    return response.status, json.loads(response.read())


def captions(live: Live, count: int, **changes: Any) -> list[dict[str, Any]]:
    return [row for batch in live.annotate(batches(count)) for row in batch.to_pylist()]


def test_rows_get_captions_of_the_asked_form(live: Live) -> None:
    found = captions(live, 24)
    good = [row for row in found if row["error_message"] is None]
    assert len(good) >= 20  # a bigram model loops or runs into a bound now and then
    for row in good:
        assert (row["model"], row["finish_reason"], row["prompt_id"]) == ("tiny", "stop", "plain")
        assert row["server"].startswith("vllm 0.")
        assert row["completion_tokens"] > 10
        for name, (least, most) in live.stage.lengths.items():
            assert least <= len(row[name]) <= most
    assert len({row["long"] for row in good}) > len(good) // 2
    assert all(row["error_message"] for row in found if row["long"] is None)


def test_a_row_is_captioned_alike_whatever_is_asked_beside_it(live: Live) -> None:
    together = captions(live, 6)
    alone = [row for batch in batches(6, size=1) for made in live.annotate(iter([batch])) for row in made.to_pylist()]
    assert together == alone


def test_guided_decoding_makes_every_answer_valid_however_hot(live: Live) -> None:
    (fields,) = live.stage.fields
    for seed in range(6):
        sampling = Sampling(seed, 2.0, 1.0, 600)
        messages = load("plain").messages(data_url(picture(seed), 64), None)
        form = {"type": "json_schema", "json_schema": {"name": "c", "schema": json_schema(fields), "strict": True}}
        drawn = {"seed": seed, "temperature": sampling.temperature, "max_tokens": sampling.max_tokens}
        status, data = post(live, {"model": "tiny", "messages": messages, "response_format": form, **drawn})
        assert status == 200, data
        assert data["choices"][0]["finish_reason"] == "stop"
        answer = json.loads(data["choices"][0]["message"]["content"], strict=False)
        assert list(answer) == ["short", "medium", "long"]
        for name, (
            least,
            most,
        ) in live.stage.lengths.items():  # bytes that are no UTF-8 count three times, as replacements
            assert least <= len(answer[name].replace("\ufffd", "")) <= most


def test_it_fetches_nothing_and_answers_only_us(live: Live) -> None:
    address = {"type": "image_url", "image_url": {"url": "http://127.0.0.1:9/x.jpg"}}
    body = message()
    body["messages"][0]["content"].append(address)
    status, data = post(live, body)
    assert status == 400
    assert "allowed domains" in data["error"]["message"]
    assert post(live, message(), key="guessed")[0] == 401


def test_constant_text_before_the_image_is_in_the_prefix_cache(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    def hits() -> float:
        connection = http.client.HTTPConnection("127.0.0.1", int(live.server.url.rpartition(":")[2]), timeout=60)
        connection.request("GET", "/metrics")
        lines = connection.getresponse().read().decode().splitlines()
        return sum(float(line.split()[-1]) for line in lines if line.startswith("vllm:prefix_cache_hits_total"))

    url = live.server.url
    monkeypatch.setenv("PAIRPOOL_TEST_KEY", live.server.key)
    stage = Caption(
        model="tiny", prompt="multi", endpoints=(url,), api_key_env="PAIRPOOL_TEST_KEY", max_tokens=8, retries=0
    )
    with stage.open({}) as annotate:
        list(annotate(batches(1)))
        before = hits()
        list(annotate(batches(5)))
    assert hits() - before >= 5 * 64


def asked(live: Live, monkeypatch: pytest.MonkeyPatch, images: pa.Array, **changes: Any) -> list[dict[str, Any]]:
    """What a stage that is given this server makes of some images."""
    monkeypatch.setenv("PAIRPOOL_TEST_KEY", live.server.key)
    terms: dict[str, Any] = {"model": "tiny", "prompt": "plain", "lengths": live.stage.lengths, "retries": 0} | changes
    uids = pa.array([f"{row:032x}" for row in range(len(images))])
    with Caption(endpoints=(live.server.url,), api_key_env="PAIRPOOL_TEST_KEY", **terms).open({}) as annotate:
        batch = pa.record_batch({"uid": uids, "download.image": images})
        return [row for made in annotate(iter([batch])) for row in made.to_pylist()]


def test_a_request_that_does_not_fit_is_the_rows_reason(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    (made,) = asked(live, monkeypatch, pa.array([picture()], pa.large_binary()), max_tokens=5000)
    assert made["error_message"].startswith("server refused the request (400)\n")
    assert "5000" in made["error_message"]


def test_a_context_that_overflows_is_the_rows_reason(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    """The prompt, the image and `max_tokens` each fit; together they do not."""
    (made,) = asked(live, monkeypatch, pa.array([picture()], pa.large_binary()), max_tokens=1000)
    assert made["error_message"].startswith("server refused the request (400)\n")
    assert "1024" in made["error_message"]


def test_an_image_that_the_server_refuses_costs_its_row_alone(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    """The header reads well, so it travels as it is stored; the server finds that it ends in the middle."""
    whole, cut = picture(1), picture(2, size=(200, 200))[:-120]
    good, bad, well = asked(live, monkeypatch, pa.array([whole, cut, picture(3)], pa.large_binary()), max_tokens=500)
    assert bad["error_message"].startswith("server refused the request (400)\n")
    assert bad["long"] is None
    assert not [row for row in (good, well) if "server" in (row["error_message"] or "")]


def test_a_wrong_model_name_is_a_mistake_of_the_config(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match=r"does not serve 'nobody'\. It serves: tiny"):
        asked(live, monkeypatch, pa.array([picture()], pa.large_binary()), model="nobody")


def test_a_server_that_stands_still_for_a_while_costs_no_row(live: Live) -> None:
    """Slow first tokens, a busy machine: as long as a request has time left, nothing is done."""
    starts = live.server.starts

    def paused() -> Iterator[pa.RecordBatch]:
        for number, batch in enumerate(batches(64)):
            if number == 3:
                os.killpg(live.server.group, signal.SIGSTOP)
                threading.Timer(3, os.killpg, (live.server.group, signal.SIGCONT)).start()
            yield batch

    found = [row for batch in live.annotate(paused()) for row in batch.to_pylist()]
    assert len(found) == 64
    assert live.server.starts == starts
    assert not [row for row in found if "server" in (row["error_message"] or "")]


def test_a_pool_is_captioned_by_a_server_that_is_given(
    live: Live, make_pool: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PAIRPOOL_TEST_KEY", live.server.key)
    given = Caption(
        model="tiny",
        prompt="plain",
        endpoints=(live.server.url + "/v1",),
        api_key_env="PAIRPOOL_TEST_KEY",
        lengths=live.stage.lengths,
    )
    pool = make_pool(rows(10), shard_rows=4)
    found = pool.columns(pool.run(Pictures(), given), "captions", "*")
    assert found.num_rows == 10
    assert set(found["status"].to_pylist()) <= {"success", "failed"}
    assert found["status"].to_pylist().count("success") >= 8


@pytest.mark.parametrize("blow", [signal.SIGKILL, signal.SIGSTOP], ids=["killed", "hangs"])
def test_a_server_that_is_lost_comes_back_and_every_row_is_answered(live: Live, blow: signal.Signals) -> None:
    """Last, since the server starts anew. One that hangs is told from a slow one by its silence."""
    starts = live.server.starts
    live.annotate.args[1].client.timeout = 20.0  # type: ignore[attr-defined]

    def interrupted() -> Iterator[pa.RecordBatch]:
        for number, batch in enumerate(batches(160)):
            if number == 12:  # asked for when rows of earlier batches are in flight
                os.killpg(live.server.group, blow)
            yield batch

    found = [row for batch in live.annotate(interrupted()) for row in batch.to_pylist()]
    assert live.server.starts == starts + 1
    assert len(found) == 160
    assert sum(row["error_message"] is None for row in found) >= 140
    assert not [row for row in found if "server" in (row["error_message"] or "")]
