"""Against a real vLLM server: what it is held to, what it refuses, and what a row gets when it dies."""

from __future__ import annotations

import http.client
import json
import os
import signal
from collections.abc import Callable, Iterator
from typing import Any

import pyarrow as pa
import pytest

from captioning.exchange import Sampling
from captioning.images import data_url
from captioning.prompts import load
from captioning.schema import json_schema
from captioning.stage import Caption
from tests.captioning.conftest import Live
from tests.captioning.helpers import batches, message, picture
from tests.captioning.test_stage import Pictures, rows

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
        for field in live.stage.fields:
            assert field.minimum <= len(row[field.name]) <= field.maximum
    assert len({row["long"] for row in good}) > len(good) // 2
    assert all(row["error_message"] for row in found if row["long"] is None)


def test_a_row_is_captioned_alike_whatever_is_asked_beside_it(live: Live) -> None:
    together = captions(live, 6)
    alone = [row for batch in batches(6, size=1) for made in live.annotate(iter([batch])) for row in made.to_pylist()]
    assert together == alone


def test_guided_decoding_makes_every_answer_valid_however_hot(live: Live) -> None:
    fields = live.stage.fields
    for seed in range(12):
        sampling = Sampling(seed, 2.0, 1.0, 600)
        messages = load("plain").messages(data_url(picture(seed), 64), None)
        form = {"type": "json_schema", "json_schema": {"name": "c", "schema": json_schema(fields), "strict": True}}
        drawn = {"seed": seed, "temperature": sampling.temperature, "max_tokens": sampling.max_tokens}
        status, data = post(live, {"model": "tiny", "messages": messages, "response_format": form, **drawn})
        assert status == 200, data
        assert data["choices"][0]["finish_reason"] == "stop"
        answer = json.loads(data["choices"][0]["message"]["content"], strict=False)
        assert list(answer) == ["short", "medium", "long"]
        for field in fields:  # bytes that are no UTF-8 count three times, as replacement characters
            assert field.minimum <= len(answer[field.name].replace("\ufffd", "")) <= field.maximum


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


def test_a_request_that_does_not_fit_is_the_rows_reason(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PAIRPOOL_TEST_KEY", live.server.key)
    stage = Caption(
        model="tiny", prompt="plain", endpoints=(live.server.url,), api_key_env="PAIRPOOL_TEST_KEY", max_tokens=5000
    )
    with stage.open({}) as annotate:
        (made,) = annotate(batches(1))
    assert made["error_message"][0].as_py().startswith("server refused the request (400)\n")
    assert "5000" in made["error_message"][0].as_py()


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


def test_a_killed_server_comes_back_and_every_row_is_answered(live: Live) -> None:
    """Last, since the server starts anew."""
    starts = live.server.starts

    def interrupted() -> Iterator[pa.RecordBatch]:
        for number, batch in enumerate(batches(160)):
            if number == 12:  # asked for when rows of earlier batches are in flight
                os.killpg(live.server.group, signal.SIGKILL)
            yield batch

    found = [row for batch in live.annotate(interrupted()) for row in batch.to_pylist()]
    assert live.server.starts == starts + 1
    assert len(found) == 160
    assert sum(row["error_message"] is None for row in found) >= 140
    assert not [row for row in found if "server" in (row["error_message"] or "")]
