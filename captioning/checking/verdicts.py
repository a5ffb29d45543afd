"""From evidence to a verdict on each claim: by pixels, by CLIP, by a trusted alt-text, by the model. Every no has a name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from captioning.checking.claims import BACKGROUND, COLOUR, OBJECT, Claim
from captioning.checking.contradictions import contradictions
from captioning.checking.probes import Scored
from pipeline.recipe import recipe

NOT_SEEN, WRONG_COLOUR, CONTRADICTS = "object not seen", "wrong colour", "contradicts alt-text"
REFUTED, UNKNOWN = "refuted by the model", "unknown words"


@recipe
class Limits:
    """Where evidence becomes a no. Defaults are for the mini-CLIP: near what `make bench-checking` chooses.

    Attributes:
        object_standing: standard deviations above the distractors' mean that an object's phrase must reach; null asks nothing.
        score: CLIP score below which a caption is taken for another picture's; null asks nothing.
        colour_share: share of the figure's pixels that the colour of a thing must have; null leaves colours of things alone.
        ground_share: share of the border that the background's colour must have; null leaves it alone.
        unknown_words: whether an object whose words the vocabulary does not know counts as not seen. For captioners that make
            words up; brands and people are unknown words too.
    """

    object_standing: float | None = 0.8
    score: float | None = 0.05
    colour_share: float | None = 0.05
    ground_share: float | None = 0.5
    unknown_words: bool = False


@dataclass(frozen=True)
class Verdict:
    """What was found about one claim.

    Attributes:
        claim: of a caption.
        holds: None where nothing could check it.
        reason: the name of the fault; empty unless it does not hold.
        detail: the evidence in words.
    """

    claim: Claim
    holds: bool | None
    reason: str = ""
    detail: str = ""


def judge(
    told: Sequence[Mapping[str, Any]],
    scores: Scored | None,
    trusted: Sequence[Claim],
    answers: Mapping[Claim, bool],
    limits: Limits,
) -> list[Verdict]:
    """The verdicts on the claims of one caption.

    The model's answer comes first, where there is one: it sees the claim and the picture. Then pixels or CLIP are asked. A claim
    that passes, or that nothing checks, is held against the alt-text at last.

    Args:
        told: the claims as rows of `CaptionClaims`.
        scores: of the row's probes; None where the row was not scored.
        trusted: the claims of an alt-text that is trusted; none if it is not.
        answers: of the model, by claim.
    """
    found = {Claim(one["kind"], one["value"], one["about"]): one for one in told}
    denied = dict(contradictions(found, trusted))
    verdicts = []
    for claim, one in found.items():
        verdict = _asked(claim, answers) or _measured(claim, one, scores, limits)
        if verdict.holds is not False and claim in denied:
            verdict = Verdict(claim, False, CONTRADICTS, f"{_said(claim)}; the alt-text says {denied[claim]}")
        verdicts.append(verdict)
    return verdicts


def _asked(claim: Claim, answers: Mapping[Claim, bool]) -> Verdict | None:
    if claim not in answers:
        return None
    return Verdict(claim, True) if answers[claim] else Verdict(claim, False, REFUTED, _said(claim))


def _measured(claim: Claim, one: Mapping[str, Any], scores: Scored | None, limits: Limits) -> Verdict:
    if claim.kind == OBJECT:
        return _object(claim, one, scores, limits)
    if claim.kind == COLOUR:
        return _colour(claim, one.get("share"), limits)
    return Verdict(claim, None)


def _object(claim: Claim, one: Mapping[str, Any], scores: Scored | None, limits: Limits) -> Verdict:
    if limits.unknown_words and one.get("known") is False:
        return Verdict(claim, False, UNKNOWN, claim.value)
    standing = scores.standing(claim.value) if scores else None
    if standing is None or limits.object_standing is None:
        return Verdict(claim, None)
    if standing >= limits.object_standing:
        return Verdict(claim, True)
    return Verdict(claim, False, NOT_SEEN, f"{claim.value}: {standing:+.1f} standard deviations above chance")


def _colour(claim: Claim, share: float | None, limits: Limits) -> Verdict:
    least = limits.ground_share if claim.about == BACKGROUND else limits.colour_share
    if share is None or least is None:
        return Verdict(claim, None)
    if share >= least:
        return Verdict(claim, True)
    return Verdict(claim, False, WRONG_COLOUR, f"{_said(claim)}: {100 * share:.0f} % of the pixels")


def _said(claim: Claim) -> str:
    """A claim in words."""
    if claim.kind in (COLOUR, OBJECT):
        return f"{claim.value} {claim.about}" if claim.kind == COLOUR else claim.value
    return f"{claim.kind} {claim.value} of {claim.about}"
