"""Answers that follow whatever JSON schema a request brings, as a server with guided decoding gives them."""

from __future__ import annotations

import json
from typing import Any

from pipeline.rows import uniform

COLOURS = ["red", "green", "blue", "golden", "white", "dark", "pale", "brown"]
THINGS = ["boat", "house", "tree", "lamp", "bird", "road", "wheel", "apple", "hat", "fish"]
PLACES = ["on grey sand", "under a low sky", "beside a river", "near a stone wall", "in tall grass", "behind a fence"]


def follow(number: int, body: dict[str, Any]) -> str:
    """A JSON object of the schema, whose texts differ from request to request and from field to field."""
    schema = body["response_format"]["json_schema"]["schema"]
    return json.dumps({name: _fill(of, f"{body['seed']} {name}") for name, of in schema["properties"].items()})


def _fill(schema: dict[str, Any], key: str) -> Any:
    if schema["type"] == "array":
        return [_fill(schema["items"], f"{key} {place}") for place in range(max(1, schema["minItems"]))]
    return say(schema["minLength"], schema["maxLength"], key)


def say(minimum: int, maximum: int, key: str) -> str:
    """A text of one sentence or as many as it takes; of very short bounds a word."""
    said = _sentence(key)
    while len(said) < minimum:
        said = f"{said} {_sentence(key + said)}"
    return said if len(said) <= maximum else _pick(THINGS, key)[:maximum]


def _sentence(key: str) -> str:
    return f"A {_pick(COLOURS, key)} {_pick(THINGS, key)} stands {_pick(PLACES, key)} with {int(uniform(0, key, 'n') * 900)} leaves."


def _pick(words: list[str], key: str) -> str:
    return words[int(uniform(0, key, words[0]) * len(words))]


def asked(body: dict[str, Any]) -> list[str]:
    """The fields that a request asks for."""
    return list(body["response_format"]["json_schema"]["schema"]["properties"])


def pictures(body: dict[str, Any]) -> int:
    """How many images a request brings."""
    content = body["messages"][-1]["content"]
    return sum(part["type"] == "image_url" for part in content)
