"""One guarded GET. It takes the place of img2dataset's `download_image`, which reads file:// URLs and private addresses,
buffers bodies of any size, and bounds each socket operation instead of the whole.
"""

from __future__ import annotations

import http.client
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar
from urllib.parse import quote, urljoin, urlsplit

from curation.download.connection import Connection
from curation.download.failure import Failure
from curation.download.job import Limits
from curation.download.reserved import reservation
from pipeline.rows import uniform

T = TypeVar("T")
REDIRECTS = frozenset({301, 302, 303, 307, 308})
PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})  #: statuses that another attempt may not meet
FIRST_WAIT, LONGEST_WAIT = 0.5, 30.0
CHUNK = 1 << 16
SAFE = "/:?#[]@!$&'()*+,;=%~-._"  #: of a URL that is left as it is


def fetch(url: str, limits: Limits) -> bytes:
    """The body behind a URL.

    Raises:
        Failure: with a countable reason, after `limits.retries` further attempts where one may help.
    """
    attempt = 0
    while True:
        try:
            return _attempt(url, limits, time.monotonic() + limits.timeout)
        except Failure as failure:
            if not failure.again or attempt == limits.retries:
                raise
            time.sleep(_pause(url, attempt, failure.wait))
        attempt += 1


def longest(limits: Limits) -> float:
    """Seconds that one row can take at most."""
    return (limits.retries + 1) * limits.timeout + limits.retries * LONGEST_WAIT


def _pause(url: str, attempt: int, asked: float) -> float:
    """Exponential back-off with a jitter that belongs to the row, or what the server asks for if that is longer."""
    own = FIRST_WAIT * 2.0**attempt * (0.5 + uniform(attempt, url, "back-off"))
    return min(max(own, asked), LONGEST_WAIT)


def _attempt(url: str, limits: Limits, deadline: float) -> bytes:
    for _ in range(limits.max_redirects + 1):
        with _reasons(), _answer(url, limits, deadline) as answer:
            target = answer.headers.get("Location") if answer.status in REDIRECTS else None
            if target is None:
                return _body(answer, limits)
            url = urljoin(url, target)
    raise Failure("too many redirects")


@contextmanager
def _answer(url: str, limits: Limits, deadline: float) -> Iterator[http.client.HTTPResponse]:
    """Send the request and give the answer with its headers read; the connection is closed behind it."""
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"}:
        raise Failure("scheme not allowed", parts.scheme[:20])
    if not parts.hostname:
        raise Failure("malformed url")
    connection = Connection(parts.scheme, parts.hostname, parts.port, limits.allow_hosts, deadline)
    try:
        path = quote(parts.path or "/", safe=SAFE) + (f"?{quote(parts.query, safe=SAFE)}" if parts.query else "")
        connection.request("GET", path, headers=_headers(limits))
        yield connection.getresponse()
    finally:
        connection.close()


def _headers(limits: Limits) -> dict[str, str]:
    return {"User-Agent": limits.user_agent, "Accept": "image/*", "Accept-Encoding": "identity", "Connection": "close"}


def _body(answer: http.client.HTTPResponse, limits: Limits) -> bytes:
    """Read the body of a final answer, chunk by chunk, and stop where it is refused."""
    if answer.status != 200:
        again = answer.status in PASSING
        raise Failure(f"http {answer.status}", again=again, wait=_retry_after(answer) if again else 0)
    directives, tdm = limits.disallowed_header_directives, limits.refuse_tdm_reservation
    if kept_out := reservation(answer.headers, limits.user_agent, directives, tdm):
        raise Failure(kept_out)
    promised = answer.length
    if promised is not None and promised > limits.max_bytes:
        raise _too_large(limits)
    parts: list[bytes] = []
    size = 0
    while chunk := answer.read(CHUNK):
        parts.append(chunk)
        size += len(chunk)
        if size > limits.max_bytes:
            raise _too_large(limits)
    if promised is not None and size < promised:
        raise Failure("connection closed early", f"{size} of {promised} bytes came", again=True)
    if not size:
        raise Failure("empty answer")
    return b"".join(parts)


def _too_large(limits: Limits) -> Failure:
    return Failure(f"body larger than {limits.max_bytes / 1e6:g} megabytes")


def _retry_after(answer: http.client.HTTPResponse) -> float:
    """Seconds that a Retry-After header asks for; its date form is left to the back-off."""
    text = answer.headers.get("Retry-After", "").strip()
    return float(text) if text.isascii() and text.isdigit() else 0.0


@contextmanager
def _reasons() -> Iterator[None]:
    """Turn what the network does into countable reasons."""
    try:
        yield
    except Failure:
        raise
    except TimeoutError as error:
        raise Failure("timeout", again=True) from error
    except ConnectionRefusedError as error:
        raise Failure("connection refused", again=True) from error
    except (ConnectionError, http.client.RemoteDisconnected, http.client.IncompleteRead) as error:
        raise Failure("connection closed early", again=True) from error
    except ssl.SSLError as error:
        raise Failure("tls failure", error.reason or type(error).__name__) from error
    except OSError as error:
        raise Failure("connection failed", error.strerror or type(error).__name__, again=True) from error
    except (http.client.InvalidURL, ValueError) as error:
        raise Failure("malformed url") from error
    except http.client.HTTPException as error:
        raise Failure("malformed answer", type(error).__name__) from error
