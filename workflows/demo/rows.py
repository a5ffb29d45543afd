"""A row of the demo pool while it is made, and the two tables that it ends in: what a user sees, and the truth."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import pyarrow as pa

from pipeline.rows import TEXT, uid_of

#: Where the list says the server is. Fixed, because a URL list holds whole URLs.
HOST, PORT = "127.0.0.1", 8913
#: The discard port of a machine that has none: whoever knocks is refused.
CLOSED_PORT = 9

URLS = pa.schema([("url", pa.string()), ("caption", pa.string()), ("texts", pa.list_(TEXT)), ("title", pa.string())])
TRUTH = pa.schema(
    [
        ("line", pa.int32()),
        ("url", pa.string()),
        ("uid", pa.string()),
        ("source", pa.string()),
        ("fault", pa.string()),
        ("detail", pa.string()),
        ("expected", pa.string()),
        ("true_name", pa.string()),
        ("langs", pa.list_(pa.string())),
        ("path", pa.string()),
        ("art_uid", pa.string()),
        ("group", pa.string()),
        ("same_as", pa.string()),
        ("objects", pa.list_(pa.string())),
        ("positions", pa.list_(pa.string())),
        ("colour", pa.string()),
    ]
)


@dataclass
class Row:
    """One line of the list. `where` is the path on the server; `url`, where set, stands in its stead.

    `image` is the true picture, relative to the demo's folder; `langs` are the languages of the texts, in their order;
    `expected` is what a download must come to; `same_as` is the `where` of the row that this one copies.
    """

    where: str
    texts: list[tuple[str, str, str]]
    source: str
    true_name: str
    image: str
    art_uid: str | None = None
    group: str | None = None
    title: str | None = None
    fault: str | None = None
    detail: str | None = None
    expected: str = "success"
    url: str | None = None
    same_as: str | None = None
    objects: list[str] = field(default_factory=list)
    positions: list[str] = field(default_factory=list)
    colour: str | None = None

    def say(self, text: str, lang: str) -> None:
        """Replace all texts by one."""
        self.texts, self.title = [(text, "alt", lang)], None

    def address(self, port: int) -> str:
        """The URL as the list gives it."""
        return self.url if self.url is not None else url_of(self.where, port)


def url_of(where: str, port: int) -> str:
    """The URL of a path on the demo's server."""
    return f"http://{HOST}:{port}{quote(where)}"


def public_row(row: Row, port: int) -> dict[str, Any]:
    """The row as a list of the field has it: nothing of the truth."""
    texts = [{"text": text, "kind": kind} for text, kind, _ in row.texts]
    return {
        "url": row.address(port) or None,
        "caption": texts[0]["text"] if texts else None,
        "texts": texts if len(texts) > 1 else None,
        "title": row.title,
    }


def truth_row(line: int, row: Row, port: int) -> dict[str, Any]:
    """What is true of line number `line`."""
    same = {
        name: getattr(row, name)
        for name in TRUTH.names
        if name not in {"line", "url", "uid", "langs", "path", "same_as"}
    }
    url = row.address(port) or None
    return {
        **same,
        "line": line,
        "url": url,
        "uid": uid_of(url) if row.expected != "no pair" and url else None,
        "langs": [lang for _, _, lang in row.texts],
        "path": row.image,
        "same_as": uid_of(url_of(row.same_as, port)) if row.same_as else None,
    }


def tables(rows: Sequence[Row], port: int) -> tuple[pa.Table, pa.Table]:
    """The list and the truth, line for line."""
    return (
        pa.Table.from_pylist([public_row(row, port) for row in rows], schema=URLS),
        pa.Table.from_pylist([truth_row(line, row, port) for line, row in enumerate(rows)], schema=TRUTH),
    )
