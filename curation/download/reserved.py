"""What the owner of an image says in its HTTP headers: X-Robots-Tag directives, and `tdm-reservation` (W3C TDMRep)."""

from __future__ import annotations

from collections.abc import Collection
from http.client import HTTPMessage

#: Directives that have a value after a colon; img2dataset takes them for the names of crawlers, and misses what follows.
VALUED = frozenset({"max-snippet", "max-image-preview", "max-video-preview", "unavailable_after"})


def reservation(
    headers: HTTPMessage, user_agent: str, disallowed: Collection[str], refuse_tdm_reservation: bool
) -> str | None:
    """The directive by which the owner keeps the image out, or None.

    Args:
        headers: of the final answer.
        user_agent: ours; tags that are meant for another crawler do not count.
        disallowed: the directives that keep an image out, in any case of letters.
        refuse_tdm_reservation: whether `tdm-reservation: 1` does.
    """
    token = user_agent.partition("/")[0].strip().lower()
    unwanted = [directive.strip().lower() for directive in disallowed]
    for value in headers.get_all("X-Robots-Tag", []):
        crawler, directives = _parse(value.lower())
        found = [directive for directive in unwanted if directive in directives]
        if crawler in {"", token} and found:
            return found[0]
    if refuse_tdm_reservation and headers.get("tdm-reservation", "").strip() == "1":
        return "tdm-reservation"
    return None


def _parse(value: str) -> tuple[str, list[str]]:
    """The crawler that a tag is for ("" for all) and its directives."""
    before, colon, after = value.partition(":")
    named = colon and "," not in before and before.strip() not in VALUED
    crawler, directives = (before.strip(), after) if named else ("", value)
    return crawler, [directive.strip() for directive in directives.split(",")]
