"""From a line of a list to a row: checked URL, uid, texts; and from the pairs of a shard to its rows."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import urlsplit

import pyarrow as pa

from curation.lists import Line
from pipeline.rows import FAILED, PLAIN_URL, ROWS, SUCCESS, TEXT, digest128, key_of, uid_of

#: What travels between the two passes of intake.
PAIR = pa.schema(
    [
        pa.field("uid", pa.string()),
        pa.field("url", pa.string()),
        pa.field("texts", pa.list_(TEXT)),
        pa.field("source", pa.string()),
        pa.field("sha256", pa.string()),
        pa.field("error_message", pa.string()),
    ]
)
SURROGATE = re.compile("[\ud800-\udfff]")
HEX128 = re.compile(r"[0-9a-f]{32}")
Pair = dict[str, Any]


def pair_of(line: Line, source: str) -> Pair:
    """The pair of a line; a line that is none becomes a pair with an `error_message` and a uid of its own."""
    url = _clean(line.fields.get("url"))
    error = line.error or _url_error(url)
    given = line.fields.get("uid")
    if error:
        uid = digest128(f"{line.place}\0{url}")
    else:  # a given uid is kept where it has DataComp's form; any other form could not be written to its subset files
        uid = given if isinstance(given, str) and HEX128.fullmatch(given) else uid_of(url or "")
    return {
        "uid": uid,
        "url": url,
        "texts": _texts(line.fields),
        "source": _clean(line.fields.get("source")) or source or line.place.rpartition(":")[0],
        "sha256": _clean(line.fields.get("sha256")),
        "error_message": error and f"{error}\n{line.place}",  # the first line is countable
    }


def again(pair: Pair, known: Mapping[str, str]) -> Pair:
    """The pair, or, where the pool has its uid already under a key, a failed one that says so, with a uid of its own."""
    key = known.get(pair["uid"])
    if key is None:
        return pair
    uid = digest128(f"{key}\0{pair['source']}\0{pair['texts']}")
    return {**pair, "uid": uid, "error_message": f"the pool has this URL already\n{key}"}


def _url_error(url: str | None) -> str | None:
    if not url or not url.strip():
        return "no URL"
    if PLAIN_URL.fullmatch(url):
        return None
    try:
        parts = urlsplit(url.strip())
        parts.port  # noqa: B018 - raises for a port that is no number
    except ValueError:
        return "not a URL"
    if not parts.scheme or not parts.hostname:
        return "not a URL"
    return None if parts.scheme.lower() in {"http", "https"} else f"unsupported scheme {parts.scheme.lower()[:20]}"


def _texts(fields: Mapping[str, Any]) -> list[dict[str, str]]:
    """All texts of a line, the caption first, without repeats."""
    found = [{"text": _clean(fields.get("caption")), "kind": "alt"}]
    for item in fields.get("texts") or []:
        text, kind = (item.get("text"), item.get("kind")) if isinstance(item, dict) else (item, None)
        found.append({"text": _clean(text), "kind": _clean(kind) or "alt"})
    return _distinct(item for item in found if item["text"])


def _distinct(texts: Iterable[Mapping[str, str | None]]) -> list[dict[str, str]]:
    seen: dict[str, dict[str, str]] = {}
    for item in texts:
        seen.setdefault(item["text"] or "", {"text": item["text"] or "", "kind": item["kind"] or "alt"})
    return list(seen.values())


def _clean(value: object) -> str | None:
    """A text that Arrow can hold: lone surrogates become U+FFFD; what is no text is written as one."""
    if value is None or (isinstance(value, float) and value != value):  # noqa: PLR0124 - NaN: pandas' missing text
        return None
    return SURROGATE.sub("\N{REPLACEMENT CHARACTER}", str(value))


def rows_of_shard(shard: int, pairs: list[Pair]) -> pa.Table:
    """The rows of one shard, in the order of uid; pairs of one uid become one row with all their texts."""
    grouped: dict[str, list[Pair]] = {}
    for pair in sorted(pairs, key=lambda pair: (pair["uid"], pair["url"] or "", str(pair["texts"]))):
        grouped.setdefault(pair["uid"], []).append(pair)
    rows = [_row(key_of(shard, k), group) for k, group in enumerate(grouped.values())]
    return pa.Table.from_pylist(rows, ROWS)


def _row(key: str, group: list[Pair]) -> dict[str, Any]:
    texts = _distinct(text for pair in group for text in pair["texts"])
    first = group[0]
    return {
        "uid": first["uid"],
        "key": key,
        "url": first["url"],
        "caption": texts[0]["text"] if texts else None,
        "texts": texts,
        "source": first["source"],
        "sha256": next((pair["sha256"] for pair in group if pair["sha256"]), None),
        "status": FAILED if first["error_message"] else SUCCESS,
        "error_message": first["error_message"],
    }
