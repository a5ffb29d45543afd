"""Names and randomness of rows."""

import re
from collections import Counter
from statistics import NormalDist
from urllib.parse import urlsplit, urlunsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.rows import PLAIN_URL, canonical_url, digest128, key_of, shard_of, uid_of, uniform


def test_one_address_has_one_uid_however_it_is_spelled():
    spellings = ["http://A.org/x?q=1", " HTTP://a.ORG:80/x?q=1 ", "http://a.org/x?q=1#top"]
    assert len({uid_of(url) for url in spellings}) == 1
    assert uid_of("http://a.org/X?q=1") != uid_of(spellings[0]), "paths are case-sensitive"
    assert canonical_url("https://a.org:443") == "https://a.org/"


@given(st.text())
def test_a_digest_is_the_32_hex_digits_that_subset_files_hold(text):
    assert re.fullmatch("[0-9a-f]{32}", digest128(text))


@given(st.integers(0, 10**8 - 1), st.integers(0, 10**6 - 1))
def test_keys_have_no_dot_and_stand_in_the_order_of_shard_and_row(shard, row):
    assert re.fullmatch(r"[A-Za-z0-9_-]{14}", key_of(shard, row))
    assert key_of(shard, row) < key_of(shard, row + 1) if row < 999_999 else True


def test_shards_are_fair():
    counts = Counter(shard_of(digest128(str(k)), 10) for k in range(10_000))
    assert all(abs(counts[shard] - 1000) < 5 * 30 for shard in range(10)), counts


def test_a_draw_belongs_to_its_row_purpose_and_text_and_is_uniform():
    draws = [uniform(0, digest128(str(k)), "balance") for k in range(10_000)]
    assert all(0 <= u < 1 for u in draws)
    bound = NormalDist().inv_cdf(1 - 1e-6) / 12**0.5 / len(draws) ** 0.5
    assert abs(sum(draws) / len(draws) - 0.5) < bound
    assert len({uniform(s, u, p, t) for s in (0, 1) for u in "ab" for p in "cd" for t in ("", "x")}) == 16
    assert draws[7] == uniform(0, digest128("7"), "balance")


@given(st.from_regex(PLAIN_URL, fullmatch=True))
def test_a_plain_url_is_what_taking_it_apart_gives(url):
    parts = urlsplit(url)
    assert urlunsplit((parts.scheme, parts.netloc, parts.path, parts.query, "")) == url == canonical_url(url)
    assert parts.port is None and parts.hostname == parts.netloc


@pytest.mark.parametrize(
    "url", ["http://a.org", "http://A.org/", "http://a.org:80/", "http://a.org/?", "http://a.org/#b", "http://u@a.org/"]
)
def test_other_spellings_are_not_plain(url):
    assert not PLAIN_URL.fullmatch(url)
    assert PLAIN_URL.fullmatch(canonical_url(url)) or "@" in url
