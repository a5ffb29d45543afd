"""What a row is called, where it lives, and its private source of randomness."""

import hashlib
import re
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import pyarrow as pa
import pyarrow.parquet as pq

TEXT = pa.struct([pa.field("text", pa.string()), pa.field("kind", pa.string())])

#: One row of `rows/<shard>.parquet`. `caption` is `texts[0].text`; `sha256` is the digest that the list gave, if any.
ROWS = pa.schema(
    [
        pa.field("uid", pa.string(), nullable=False),
        pa.field("key", pa.string(), nullable=False),
        pa.field("url", pa.string()),
        pa.field("caption", pa.string()),
        pa.field("texts", pa.list_(TEXT)),
        pa.field("source", pa.string()),
        pa.field("sha256", pa.string()),
        pa.field("status", pa.string(), nullable=False),
        pa.field("error_message", pa.string()),
    ]
)

DIFFERENT = frozenset({"uid", "key", "url", "sha256", "caption"})  #: columns whose values hardly ever repeat

#: What `status` may say. Only `success` and `failed` rows have been worked on: the others can still be.
SUCCESS, FAILED = "success", "failed"
NOT_SELECTED, FAILED_UPSTREAM, QUARANTINED = "not_selected", "failed_upstream", "quarantined"
REMOVED = "removed"  #: taken down: nothing of the row is left but its uid and key
#: Most URLs are one spelling already: lower-case host, no port, no user, no fragment. Taking them apart costs ten times as much.
PLAIN_URL = re.compile(r"https?://[a-z0-9.-]+/[!-\"$->@-~]*(\?[!-\"$-~]+)?")
DEFAULT_PORTS = {"http": ":80", "https": ":443"}


def write_parquet(table: pa.Table, path: Path) -> None:
    """Write rows as every part of a pool is written: small, and the same bytes for the same rows.

    A dictionary pays for text that repeats: that of reasons and labels, not that of names, which are all different.
    """
    repeating = [field.name for field in table.schema if field.type == pa.string() and field.name not in DIFFERENT]
    pq.write_table(table, path, compression="zstd", use_dictionary=repeating)


def canonical_url(url: str) -> str:
    """One spelling for one address: lower-case scheme and host, no default port, no fragment, no outer space."""
    if PLAIN_URL.fullmatch(url):
        return url
    parts = urlsplit(url.strip())
    scheme, host = parts.scheme.lower(), parts.netloc.lower()
    host = host.removesuffix(DEFAULT_PORTS.get(scheme, "\0"))
    return urlunsplit((scheme, host, parts.path or "/", parts.query, ""))


def digest128(text: str) -> str:
    """blake2b-128 of a text, as 32 hex digits; lone surrogates are kept apart from their replacement."""
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def uid_of(url: str) -> str:
    """The uid of a row: 32 hex digits (the form that DataComp's subset files hold), from its canonical URL."""
    return digest128(canonical_url(url))


def shard_of(uid: str, shards: int) -> int:
    """The shard of a row: a function of its uid alone, so that every shard is a random sample of the pool."""
    return int.from_bytes(hashlib.blake2b(uid.encode(), digest_size=8, person=b"shard").digest(), "big") % shards


def key_of(shard: int, row: int) -> str:
    """The key of a row: unique over the pool, without dots, of equal length, in the order of shard and row."""
    return f"{shard:08d}{row:06d}"


def uniform(seed: int, uid: str, purpose: str, text: str = "") -> float:
    """A number in [0, 1) that belongs to (seed, uid, purpose, text).

    Never a stream: the same row draws the same number whatever the order, the shards, the workers or the restarts.
    """
    message = "\0".join((str(seed), uid, purpose, text)).encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(message, digest_size=8).digest(), "big") / 2**64
