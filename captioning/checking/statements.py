"""Claims as numbered statements for a model that sees the picture, and its answer back to claims."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from captioning.checking.claims import ABSENCE, ATTRIBUTE, COLOUR, COUNT, Claim

MOST = 40  # statements a row: what the prompt's answer has room for
_NUMBER = re.compile(r"\s*(\d+)")


def asked(told: Sequence[Mapping[str, Any]], captions: Sequence[str]) -> list[Claim]:
    """The claims of the captions that a model is asked about, each once, in their order."""
    mine = (one for one in told if one["text"] in captions)
    return list(dict.fromkeys(Claim(one["kind"], one["value"], one["about"]) for one in mine))[:MOST]


def statements(claims: Sequence[Claim]) -> str:
    """`1. there is a cat; 2. the cat is red`; empty without a claim."""
    return "; ".join(f"{number}. {said(claim)}" for number, claim in enumerate(claims, 1))


def said(claim: Claim) -> str:
    """A claim as a plain sentence."""
    forms = {
        COLOUR: f"the {claim.about} is {claim.value}",
        COUNT: f"the number of {claim.about} is {claim.value}",
        ATTRIBUTE: f"the {claim.about} is {claim.value}",
        ABSENCE: f"there is no {claim.value}",
    }
    return forms.get(claim.kind, f"there is: {claim.value}")


def answers(claims: Sequence[Claim], wrong: Sequence[str] | None, unsure: Sequence[str] | None) -> dict[Claim, bool]:
    """Claim -> whether it holds, for those that the model was sure of; nothing where it did not answer.

    A number that no statement has is left aside, and one that is called both wrong and unsure is unsure.
    """
    if wrong is None:
        return {}
    denied, open_ = _numbers(wrong), _numbers(unsure or ())
    return {claim: place not in denied for place, claim in enumerate(claims, 1) if place not in open_}


def _numbers(texts: Sequence[str]) -> set[int]:
    found = (_NUMBER.match(text) for text in texts)
    return {int(match[1]) for match in found if match}
