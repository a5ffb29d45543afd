"""Judging answers: which colours and things an answer claims, whether they are true, and how sure the rates are."""

import json
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from workflows.demo.captioner.captions import head_noun
from workflows.demo.captioner.colours import COLOURS
from workflows.demo.captioner.tokens import FIELDS

Rate = tuple[float, float, float]


@dataclass(frozen=True)
class Truth:
    """What a picture shows, measured or known: main colour and name of each thing, and the plain background or None.

    `held` are all colours that make up a fifth or more (`colours.SECOND`) of a thing.
    """

    main: tuple[str, ...]
    names: tuple[str, ...]
    background: str | None
    held: tuple[str, ...] = ()


@dataclass(frozen=True)
class Answer:
    """The three captions of a valid answer."""

    short: str
    medium: str
    long: str

    @property
    def colour(self) -> str | None:
        """The first colour word of the short caption: the object's main colour."""
        return next((word for word in words(self.short) if word in COLOURS), None)

    @property
    def background(self) -> str | None:
        """The colour before `background` in the medium caption."""
        found = re.search(r"(\w+) background", self.medium)
        return found[1] if found and found[1] in COLOURS else None

    @property
    def differs(self) -> bool:
        """Whether the three captions are three texts, each longer than the one before."""
        return len(self.short) < len(self.medium) < len(self.long)


def words(text: str) -> list[str]:
    """Lower-case words, with hyphens and apostrophes inside them."""
    return re.findall(r"[\w'-]+", text.lower())


def parse(text: str) -> Answer | None:
    """The answer in `text` if it is a JSON object of exactly the three fields, each a text that is not empty; else None."""
    try:
        found = json.loads(text)
    except ValueError:
        return None
    if not isinstance(found, dict) or set(found) != set(FIELDS):
        return None
    if not all(isinstance(value, str) and value.strip() for value in found.values()):
        return None
    return Answer(**found)


def colour_right(answer: Answer, truth: Truth) -> bool:
    """Whether the claimed main colour is the largest measured colour of a thing that is shown."""
    return answer.colour in truth.main


def colour_true(answer: Answer, truth: Truth) -> bool:
    """Whether the claimed main colour makes up a fifth or more of a thing that is shown: what is said is true, if not the most
    that could be said. Where two colours are nearly equal, the largest is a matter of the resolution."""
    return answer.colour in truth.main or answer.colour in truth.held


def background_right(answer: Answer, truth: Truth) -> bool:
    """Whether the claimed background is the measured one; no claim is right where no background is plain."""
    return answer.background == truth.background


def named(answer: Answer, truth: Truth) -> bool:
    """Whether the short caption holds the head noun of the first thing's name, in singular or plural."""
    nouns = {head_noun(word) for word in words(answer.short)}
    return head_noun(truth.names[0]) in nouns


Verdict = Callable[[Answer, Truth], bool]


def true_scores(answers: Sequence[Answer | None], truths: Sequence[Truth], verdict: Verdict) -> NDArray[np.float64]:
    """1 where an answer is right about its own picture; an invalid answer is wrong."""
    return np.array([float(a is not None and verdict(a, t)) for a, t in zip(answers, truths, strict=True)])


def shuffled_scores(answers: Sequence[Answer | None], truths: Sequence[Truth], verdict: Verdict) -> NDArray[np.float64]:
    """Per answer, the share of all *other* pictures about which it would be right: chance with the same habits of speech."""
    matrix = np.array([[float(a is not None and verdict(a, t)) for t in truths] for a in answers])
    others: NDArray[np.float64] = (matrix.sum(1) - matrix.diagonal()) / max(1, len(truths) - 1)
    return others


def constant_naming(truths: Sequence[Truth]) -> NDArray[np.float64]:
    """Scores of always answering the head noun that is most frequent in this very set: the best that a constant can do."""
    nouns = [head_noun(truth.names[0]) for truth in truths]
    best = Counter(nouns).most_common(1)[0][0]
    return np.array([float(noun == best) for noun in nouns])


def with_interval(scores: NDArray[np.float64], draws: int = 2000, seed: int = 0) -> Rate:
    """Mean and 95 % percentile bootstrap interval over pictures (Efron & Tibshirani 1993, section 13.3)."""
    rng = np.random.default_rng(seed)
    means = scores[rng.integers(0, len(scores), (draws, len(scores)))].mean(1)
    low, high = np.percentile(means, [2.5, 97.5])
    return float(scores.mean()), float(low), float(high)
