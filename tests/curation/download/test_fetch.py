import socket
import time
from dataclasses import replace

import pytest
from faulty import FILES, FaultyServer

from curation.download.address import is_public
from curation.download.failure import Failure
from curation.download.fetch import fetch
from curation.download.job import Limits

LIMITS = Limits(timeout=1.0, retries=0, max_bytes=1_000_000)


def reason(url: str, limits: Limits) -> str:
    with pytest.raises(Failure) as caught:
        fetch(url, limits)
    return caught.value.reason


def allowed(server: FaultyServer, **more: object) -> Limits:
    return replace(LIMITS, allow_hosts=(server.host,), **more)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["good.jpg", "good.png", "good.gif", "good.webp", "bomb.png"])
def test_a_good_answer_comes_back_as_it_was_sent(server: FaultyServer, name: str) -> None:
    assert fetch(server.url(name), allowed(server)) == FILES[name]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("missing", "http 404"),
        ("gone", "http 410"),
        ("broken", "http 500"),
        ("stall", "timeout"),
        ("drip", "timeout"),
        ("drip-headers", "timeout"),
        ("loop", "too many redirects"),
        ("to-file", "scheme not allowed"),
        ("to-private", "private address"),
        ("to-metadata", "private address"),
        ("short", "connection closed early"),
        ("hang-up", "connection closed early"),
        ("garbage", "malformed answer"),
        ("empty.png", "empty answer"),
        ("endless", "body larger than 1 megabytes"),
        ("huge", "body larger than 1 megabytes"),
        ("noai.png", "noai"),
        ("noindex.png", "noindex"),
        ("ours.png", "noimageai"),
        ("snippet.png", "noai"),
        ("reserved.png", "tdm-reservation"),
    ],
)
def test_every_fault_has_its_reason_and_ends_in_time(server: FaultyServer, name: str, expected: str) -> None:
    begun = time.monotonic()
    assert reason(server.url(name), allowed(server)) == expected
    assert time.monotonic() - begun < LIMITS.timeout + 0.5


def test_a_redirect_and_a_tag_for_another_crawler_are_followed(server: FaultyServer) -> None:
    assert fetch(server.url("hop"), allowed(server)) == FILES["good.jpg"]
    assert fetch(server.url("theirs.png"), allowed(server)) == FILES["good.png"]
    assert server.agents == {"pairpool"}


def test_letters_beyond_ascii_are_quoted(server: FaultyServer) -> None:
    assert reason(server.url("bild größe.png?q=日本"), allowed(server)) == "http 404"
    assert list(server.hits) == ["bild%20gr%C3%B6%C3%9Fe.png"]


def test_what_may_pass_is_tried_again_after_the_time_asked_for(server: FaultyServer) -> None:
    begun = time.monotonic()
    assert fetch(server.url("busy.jpg"), allowed(server, retries=2)) == FILES["good.jpg"]
    assert 1.0 <= time.monotonic() - begun < 3.0
    assert reason(server.url("missing"), allowed(server, retries=2)) == "http 404"
    assert (server.hits["busy.jpg"], server.hits["missing"]) == (2, 1)


def test_private_addresses_are_refused_however_they_are_written(server: FaultyServer) -> None:
    port = server.server_address[1]
    for host in (
        "127.0.0.1",
        "localhost",
        "2130706433",
        "0x7f000001",
        "127.1",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "0.0.0.0",
    ):
        assert reason(f"http://{host}:{port}/good.jpg", LIMITS) == "private address", host
    assert reason(f"http://user@127.0.0.1:{port}@localhost:{port}/good.jpg", allowed(server)) == "private address"
    assert not server.hits


def test_addresses_that_are_no_web_address_are_reasons() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, not listening
        closed = f"127.0.0.1:{taken.getsockname()[1]}"
        assert reason(f"http://{closed}/x", replace(LIMITS, allow_hosts=(closed,))) == "connection refused"
    assert reason("http://no-such-host.invalid/x", LIMITS) == "host not found"
    for url in ("file:///etc/passwd", "data:image/png;base64,AAAA", "ftp://example.org/x.png"):
        assert reason(url, LIMITS) == "scheme not allowed"
    for url in ("http:///x", "http://x:99999/", "http://[::1/x", "http://" + "a" * 70 + ".org/"):
        assert reason(url, LIMITS) in {"malformed url", "host not found"}


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("8.8.8.8", True),
        ("2606:4700:4700::1111", True),
        ("10.0.0.1", False),
        ("172.16.9.9", False),
        ("192.168.1.1", False),
        ("127.8.8.8", False),
        ("169.254.169.254", False),
        ("100.64.0.1", False),
        ("0.0.0.0", False),
        ("224.0.0.1", False),
        ("240.0.0.1", False),
        ("255.255.255.255", False),
        ("::", False),
        ("::1", False),
        ("fe80::1%eth0", False),
        ("fec0::1", False),
        ("fd00::1", False),
        ("ff0e::1", False),
        ("::ffff:10.0.0.1", False),
        ("2002:7f00:1::", False),
        ("64:ff9b::7f00:1", False),
        ("64:ff9b::808:808", True),
    ],
)
def test_only_the_open_internet_is_public(address: str, expected: bool) -> None:
    assert is_public(address) is expected
