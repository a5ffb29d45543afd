"""Scores of answers, picture by picture: what is right, whether three granularities really differ, and what went wrong."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from captioning.exchange import Answer as Reply
from captioning.faults import Judge
from captioning.loops import loops
from captioning.parse import Fault, read
from captioning.schema import TextField
from workflows.demo.captioner import judge
from workflows.demo.captioner.judge import Answer, Rate, Truth
from workflows.demo.captioner.tokens import FIELDS, PROMPT

Scores = NDArray[np.float64]
#: Rows of numbers that are no shares of pictures.
COUNTS = ("words in short", "words in medium", "words in long", "words that medium adds", "words that long adds")


def scores(
    guided: Sequence[Reply], free: Sequence[Reply], truths: Sequence[Truth], bounds: Sequence[TextField]
) -> dict[str, Scores]:
    """Every measure of one set, each a number per picture."""
    answers = [judge.parse(reply.text) for reply in guided]
    own, other = judge.true_scores, judge.shuffled_scores
    named, constant = own(answers, truths, judge.named), judge.constant_naming(truths)
    return {
        "valid JSON": _share(answers, lambda _: True),
        "taken by the caption stage at once": np.array([float(not faulty(reply, bounds)) for reply in guided]),
        "main colour right": own(answers, truths, judge.colour_right),
        "the same on shuffled pictures": other(answers, truths, judge.colour_right),
        "colour true": own(answers, truths, judge.colour_true),
        "true of shuffled pictures": other(answers, truths, judge.colour_true),
        "background right": own(answers, truths, judge.background_right),
        "background on shuffled pictures": other(answers, truths, judge.background_right),
        "head noun right": named,
        "best constant noun": constant,
        "head noun above the constant": named - constant,
        **granularities(answers),
        "unguided: valid JSON": _share([judge.parse(reply.text) for reply in free], lambda _: True),
        "unguided: repetition loop or cut": np.array([float(broken(reply)) for reply in free]),
    }


def granularities(answers: Sequence[Answer | None]) -> dict[str, Scores]:
    """How the three captions of an answer differ. Word counts are of distinct words, articles left out; those of no answer are 0."""
    found = {
        "each caption longer": _share(answers, lambda answer: answer.differs),
        "each adds two words or more": _share(answers, lambda answer: min(_added(answer)) >= 2),
        "medium holds the words of short": _share(answers, lambda answer: contained(answer.short, answer.medium)),
        "long holds the words of short": _share(answers, lambda answer: contained(answer.short, answer.long)),
    }
    told = [(answer.short, answer.medium, answer.long) if answer else ("", "", "") for answer in answers]
    lengths = np.array([[len(said(text)) for text in texts] for texts in told], dtype=float)
    added = np.array([_added(answer) if answer else (0, 0) for answer in answers], dtype=float)
    columns = [lengths[:, 0], lengths[:, 1], lengths[:, 2], added[:, 0], added[:, 1]]
    return found | dict(zip(COUNTS, columns, strict=True))


def said(text: str) -> set[str]:
    """The distinct words of a text but its articles."""
    return set(judge.words(text)) - {"a", "an", "the"}


def contained(inner: str, outer: str) -> float:
    """The share of `inner`'s distinct words that stand in `outer` too."""
    return len(said(inner) & said(outer)) / max(1, len(said(inner)))


def _added(answer: Answer) -> tuple[int, int]:
    """Distinct words of medium that short lacks, and of long that short and medium lack."""
    short, medium, long = said(answer.short), said(answer.medium), said(answer.long)
    return len(medium - short), len(long - medium - short)


def faulty(reply: Reply, bounds: Sequence[TextField]) -> bool:
    """Whether the caption stage would ask again: cut, looping, at its bound, two captions alike, and so on."""
    return isinstance(read(reply, bounds, Judge(PROMPT, differ=FIELDS)), Fault)


def broken(reply: Reply) -> bool:
    """Whether an answer was cut or loops."""
    return reply.finish_reason != "stop" or loops(reply.text)


def _share(answers: Sequence[Answer | None], measure: Callable[[Answer], float]) -> Scores:
    return np.array([float(measure(answer)) if answer else 0.0 for answer in answers])


def rates(found: Mapping[str, Scores]) -> dict[str, Rate]:
    """The mean of every measure with its interval."""
    return {name: judge.with_interval(values) for name, values in found.items()}


def gains(after: Mapping[str, Scores], before: Mapping[str, Scores]) -> dict[str, Rate]:
    """The mean of every measure less that of another model on the same pictures, with a paired bootstrap interval.

    Measures that `before` was not scored by are left out.
    """
    return {name: judge.with_interval(values - before[name]) for name, values in after.items() if name in before}
