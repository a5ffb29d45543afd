"""Asking a real vLLM server about pictures, greedily, as the caption stage's `plain` prompt asks."""

import base64
import contextlib
import json
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from captioning.exchange import Answer, answer_of
from captioning.model import resolve
from captioning.prompts import load
from captioning.schema import TextField, json_schema
from captioning.vllm_command import ServerOptions, vllm_server
from workflows.demo.captioner.exhibits import Exhibit
from workflows.demo.captioner.tokens import FIELDS

# Characters of each field, and tokens that even an answer of one token per character keeps within: guidance can only promise
# valid JSON where the bounds end an answer that loops.
LENGTHS = {"short": 80, "medium": 160, "long": 240}
BOUNDS = [TextField(name, 1, LENGTHS[name]) for name in FIELDS]
MOST_TOKENS = 512


@dataclass(frozen=True)
class Endpoint:
    """Where to ask, under which name, with which key."""

    url: str
    model: str
    key: str = ""


def ask(endpoint: Endpoint, exhibit: Exhibit, guided: bool) -> Answer:
    """The server's answer about one picture."""
    url = "data:image/jpeg;base64," + base64.b64encode(exhibit.jpeg).decode()
    body: dict[str, Any] = {
        "model": endpoint.model,
        "messages": load("plain").messages(url, None),
        "temperature": 0,
        "max_tokens": MOST_TOKENS,
    }
    if guided:
        form = {"name": "captions", "schema": json_schema(BOUNDS), "strict": True}
        body["response_format"] = {"type": "json_schema", "json_schema": form}
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {endpoint.key}"}
    request = urllib.request.Request(f"{endpoint.url}/v1/chat/completions", json.dumps(body).encode(), headers)
    with urllib.request.urlopen(request, timeout=300) as response:
        return answer_of(json.load(response), "")


def ask_all(endpoint: Endpoint, exhibits: list[Exhibit], guided: bool) -> list[Answer]:
    """Answers in the order of the exhibits."""
    with ThreadPoolExecutor(16) as pool:
        return list(pool.map(lambda exhibit: ask(endpoint, exhibit, guided), exhibits))


@contextlib.contextmanager
def serving(model: Path, endpoint: str | None = None) -> Iterator[Endpoint]:
    """The given endpoint, or a server of our own for as long as the context lasts."""
    if endpoint:
        with urllib.request.urlopen(f"{endpoint}/v1/models", timeout=30) as response:
            yield Endpoint(endpoint, json.load(response)["data"][0]["id"])
        return
    resolved = replace(resolve(str(model), None, served=False), name="captioner")
    server = vllm_server(resolved, ServerOptions(max_model_len=1024))
    try:
        server.start()
        yield Endpoint(server.url, resolved.name, server.key)
    finally:
        server.close()
