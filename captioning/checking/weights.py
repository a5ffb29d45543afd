"""The mixing weights of a sample: how often training should show its alt-text and each of its captions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from captioning.checking.reading import ALT
from captioning.checking.verdicts import Verdict
from pipeline.errors import ConfigError
from pipeline.recipe import recipe

MISSING, POOR_FIT, REPEATS = "no text", "fits worse than another text", "repeats"
MISFIT = "does not fit the picture"
UNGROUNDED, FALLBACK = "too many claims fail", "no caption holds: alt-text alone"


@recipe
class Mixing:
    """The formula of the weights.

    With texts t (the alt-text and the captions), the weight of t is

        w(t) = b(t) fit(t) truth(t) rare(t) / (the same summed over all texts),

    - b(t), the base: the mixture that training should have where all texts are good. Recap-DataComp-1B (arXiv 2406.08478) found
      .8 of the original best for classification, VeCLIP (2310.07699) takes .5, TIPSv2 (2604.12012) draws evenly among captions.
    - fit(t) = 2 ** (-(s* - s(t)) / half), where s(t) is the CLIP score of t and s* the highest of the row's texts: a text that
      lies `half` below the best one counts half. 1 where t has no score.
    - truth(t) = (1 - n/m) ** severity, where m claims of t were checked and n of them failed; 0 if n/m exceeds `tolerance`;
      1 where none was checked, and for the alt-text, which is not judged claim by claim. A caption that scores below the
      limit of `Limits.score` has truth 0 whatever it claims.
    - rare(t) = min(1, room / k(t)), where k(t) rows of the pool have a near-identical caption in that field: all of them
      together count as `room`. 1 for the alt-text.

    A text that is not there has weight 0. Where no caption has any weight, or nothing has, the alt-text has all of it.

    Attributes:
        base: text -> b(t); `alt` for the alt-text. Texts that it does not name have none.
        half: in cosines of the model that scores; null leaves fit out.
        severity, tolerance: of truth.
        room: rows that may share a caption at full weight; null leaves repeats out.
    """

    base: Mapping[str, float] = field(default_factory=lambda: {ALT: 0.6, "short": 0.2, "medium": 0.1, "long": 0.1})
    half: float | None = 0.15
    severity: float = 2.0
    tolerance: float = 0.5
    room: int | None = 4

    def __post_init__(self) -> None:
        if ALT not in self.base or min(self.base.values()) < 0 or self.base[ALT] <= 0:
            raise ConfigError(f"base {dict(self.base)} must give {ALT!r} a positive weight, and none a negative one.")
        if (self.half is not None and self.half <= 0) or self.severity < 0 or not 0 <= self.tolerance <= 1:
            raise ConfigError("half must be above 0, severity 0 or more, and tolerance in [0, 1].")
        if self.room is not None and self.room < 1:
            raise ConfigError("room must be 1 or more.")


@dataclass(frozen=True)
class Text:
    """What is known of one text of a row.

    Attributes:
        there: whether it has a word.
        score: its CLIP score.
        verdicts: on its claims.
        repeats: rows of the pool with a near-identical one, itself among them.
        misfit: whether its score says that it is another picture's.
    """

    there: bool
    score: float | None = None
    verdicts: Sequence[Verdict] = ()
    repeats: int = 1
    misfit: bool = False


@dataclass(frozen=True)
class Reason:
    """Why a text weighs less than its base: the name of the text, the reason that is counted, the evidence."""

    text: str
    reason: str
    detail: str = ""


def weigh(texts: Mapping[str, Text], mixing: Mixing) -> tuple[dict[str, float], list[Reason]]:
    """The weights of a row, which add up to 1, and why texts weigh less than their base; see `Mixing`.

    A fit is named as a reason where it halves the weight at least.

    Args:
        texts: by name, `alt` among them.
    """
    best = max((text.score for text in texts.values() if text.there and text.score is not None), default=None)
    parts, reasons = {}, list[Reason]()
    for name, text in texts.items():
        factor, why = _factor(name, text, best, mixing)
        parts[name] = mixing.base.get(name, 0.0) * factor
        reasons += why
    captions = sum(part for name, part in parts.items() if name != ALT)
    if captions <= 0:
        reasons.append(Reason(ALT, FALLBACK))
        return {name: float(name == ALT) for name in texts}, reasons
    whole = sum(parts.values())
    return {name: part / whole for name, part in parts.items()}, reasons


def _factor(name: str, text: Text, best: float | None, mixing: Mixing) -> tuple[float, list[Reason]]:
    """fit x truth x rare of a text, with what lowered it."""
    if not text.there:
        return 0.0, [Reason(name, MISSING)]
    fit, truth, rare = _fit(text, best, mixing), _truth(text, mixing), _rare(text, mixing)
    why = [Reason(name, verdict.reason, verdict.detail) for verdict in text.verdicts if verdict.holds is False]
    if text.misfit:
        why.append(Reason(name, MISFIT, "" if text.score is None else f"CLIP score {text.score:.2f}"))
    elif truth == 0:
        why.append(Reason(name, UNGROUNDED))
    if fit < 0.5 and not text.misfit and best is not None and text.score is not None:
        why.append(Reason(name, POOR_FIT, f"{text.score:.2f}, the best text {best:.2f}"))
    if rare < 1:
        why.append(Reason(name, REPEATS, f"{text.repeats} rows"))
    return fit * truth * rare, why


def _fit(text: Text, best: float | None, mixing: Mixing) -> float:
    if mixing.half is None or best is None or text.score is None:
        return 1.0
    return float(2.0 ** (-(best - text.score) / mixing.half))


def _truth(text: Text, mixing: Mixing) -> float:
    checked = [verdict for verdict in text.verdicts if verdict.holds is not None]
    failed = sum(verdict.holds is False for verdict in checked)
    if text.misfit or not checked:
        return 0.0 if text.misfit else 1.0
    share = failed / len(checked)
    return 0.0 if share > mixing.tolerance else float((1 - share) ** mixing.severity)


def _rare(text: Text, mixing: Mixing) -> float:
    return 1.0 if mixing.room is None else min(1.0, mixing.room / max(text.repeats, 1))
