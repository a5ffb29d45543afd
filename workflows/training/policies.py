"""Text policies: which K texts a sample shows at one visit. All draws are hashes of (seed, epoch, uid).

Every policy has a rule for texts that are missing or blank, and gives the name of the text that it shows, so that the
batch's account says how often a rule was needed. A sample without a single text raises Unreadable.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from pipeline.rows import uniform
from workflows.training.captions import choose
from workflows.training.options import TextOptions
from workflows.training.shards import Unreadable

Texts = Mapping[str, str]
Chosen = tuple[tuple[str, str], ...]  #: (name, text), K of them
NOTHING: Mapping[str, Any] = {}


class TextPolicy(Protocol):
    """Chooses texts. It shows as many at every visit."""

    def choose(self, texts: Texts, seed: int, epoch: int, uid: str, fields: Mapping[str, Any] = NOTHING) -> Chosen:
        """The texts of one visit.

        Args:
            texts: name -> text.
            seed, epoch, uid: the key of the draw.
            fields: the sample's whole json.

        Raises:
            Unreadable: if the sample has no text.
        """
        ...


@dataclass(frozen=True)
class Weighted:
    """One text, drawn by weights: the config's, or the sample's own in `field`. Blank texts give way as `captions` says."""

    weights: Mapping[str, float]
    field: str | None = None

    def choose(self, texts: Texts, seed: int, epoch: int, uid: str, fields: Mapping[str, Any] = NOTHING) -> Chosen:
        """A sample without weights of its own takes the config's."""
        own = fields.get(self.field) if self.field else None
        weights = self.weights if own is None else dict.fromkeys(self.weights, 0.0) | sample_weights(own)
        return (choose(texts, weights, seed, epoch, uid),)


def sample_weights(found: Any) -> dict[str, float]:
    """A sample's own weights, checked.

    Raises:
        Unreadable: if they do not map names to numbers of which none is negative and one is positive.
    """
    numbers = list(found.values()) if isinstance(found, dict) else []
    if not all(isinstance(n, int | float) and not isinstance(n, bool) and 0 <= n < float("inf") for n in numbers):
        raise Unreadable("its caption weights are not numbers of 0 or more")
    if not sum(numbers) > 0:
        raise Unreadable("its caption weights map no text to a positive number")
    return {str(name): float(weight) for name, weight in found.items()}


@dataclass(frozen=True)
class LaClip:
    """One text, uniform over the original and its R rewrites: each has 1/(1 + R) (LaCLIP, arXiv 2305.20088).

    A drawn text of less than two words, split at single spaces as published, gives way to the original.
    """

    original: str
    rewrites: tuple[str, ...]

    def choose(self, texts: Texts, seed: int, epoch: int, uid: str, fields: Mapping[str, Any] = NOTHING) -> Chosen:
        """A missing rewrite has less than two words."""
        drawn = pick((self.original, *self.rewrites), seed, uid, f"caption {epoch}")
        long_enough = has(texts, drawn) and len(texts[drawn].split(" ")) >= 2
        return (first(texts, ((drawn,) if long_enough else ()) + (self.original, "txt", *self.rewrites)),)


@dataclass(frozen=True)
class Mixed:
    """One text: the original with probability `share`, else one of the synthetic ones, uniformly.

    VeCLIP's coin is a share of .5 (arXiv 2310.07699), Recap-DataComp-1B's p is .8 (2406.08478), and MetaCLIP v1.2 replaces the
    alt-text with syn_ratio .15, a share of .85. A blank caption gives way to the original, a blank original to a caption.
    """

    original: str
    synthetic: tuple[str, ...]
    share: float

    def choose(self, texts: Texts, seed: int, epoch: int, uid: str, fields: Mapping[str, Any] = NOTHING) -> Chosen:
        """See the class."""
        as_written = uniform(seed, uid, f"original {epoch}") < self.share
        drawn = self.original if as_written else pick(self.synthetic, seed, uid, f"caption {epoch}")
        return (first(texts, (drawn, self.original, "txt", *self.synthetic)),)


@dataclass(frozen=True)
class TwoClassTokens:
    """Two texts (TIPSv2, arXiv 2604.12012): the original for the first class token, always; for the second one of the
    synthetic ones, uniformly. A blank caption gives way to another caption, then to the original; a blank original to a caption.
    """

    original: str
    synthetic: tuple[str, ...]

    def choose(self, texts: Texts, seed: int, epoch: int, uid: str, fields: Mapping[str, Any] = NOTHING) -> Chosen:
        """(for the first token, for the second)."""
        drawn = pick(self.synthetic, seed, uid, f"caption {epoch}")
        written = first(texts, (self.original, "txt", *self.synthetic))
        return written, first(texts, (drawn, *self.synthetic, self.original, "txt"))


@dataclass(frozen=True)
class DreamLip:
    """1 + `count` texts (DreamLIP, arXiv 2403.17007): the original, and sentences of all the captions.

    Sentences are drawn without replacement, each as likely as any other: the published code never draws the last one. Of
    fewer than `count` sentences each is shown equally often, give or take one; without any, the original stands in.
    """

    original: str
    captions: tuple[str, ...]
    count: int

    def choose(self, texts: Texts, seed: int, epoch: int, uid: str, fields: Mapping[str, Any] = NOTHING) -> Chosen:
        """The original, then the sentences under the names of their captions."""
        written = first(texts, (self.original, "txt", *self.captions))
        found = [(name, part) for name in self.captions for part in sentences(texts.get(name, ""))] or [written]
        order = sorted(range(len(found)), key=lambda place: uniform(seed, uid, f"sentence {epoch} {place}"))
        return (written, *(found[order[place % len(order)]] for place in range(self.count)))


@dataclass(frozen=True)
class LongClip:
    """Two texts (Long-CLIP, arXiv 2403.15378): the long caption, and of it what comes before the first ". ".

    The long one is the first caption that is not blank, else the original.
    """

    original: str
    captions: tuple[str, ...]

    def choose(self, texts: Texts, seed: int, epoch: int, uid: str, fields: Mapping[str, Any] = NOTHING) -> Chosen:
        """(long, short); the short one's name ends in `[0]`."""
        name, text = first(texts, (*self.captions, self.original, "txt"))
        opening = text.partition(". ")[0]
        return (name, text), (f"{name}[0]", opening if opening.strip() else text)


def text_policy(options: TextOptions, captions: Mapping[str, float]) -> TextPolicy:
    """The policy of that name; `captions` are the weights of `weights`."""
    original, synthetic = options.original, options.synthetic
    shares = {"veclip": 0.5, "recap": options.share, "metaclip": 0.85}
    if options.policy in shares:
        return Mixed(original, synthetic, shares[options.policy])
    if options.policy == "laclip":
        return LaClip(original, synthetic)
    if options.policy == "tipsv2":
        return TwoClassTokens(original, synthetic)
    if options.policy == "dreamlip":
        return DreamLip(original, synthetic, options.sub_captions)
    return LongClip(original, synthetic) if options.policy == "longclip" else Weighted(captions, options.weights)


def sentences(text: str) -> list[str]:
    """A caption's sentences: DreamLIP's split at line ends, `</s>` and full stops, but a stop within a number is none."""
    parts = (part.strip() for part in re.split(r"\n|</s>|\.(?=\s|$|</s>)", text))
    return [part for part in parts if part]


def has(texts: Texts, name: str) -> bool:
    """Whether there is such a text, and it is not blank."""
    return bool(texts.get(name, "").strip())


def pick(names: Sequence[str], seed: int, uid: str, purpose: str) -> str:
    """One of the names, each as likely."""
    return names[int(uniform(seed, uid, purpose) * len(names))]


def first(texts: Texts, names: Sequence[str]) -> tuple[str, str]:
    """The first text that is not blank, with its name.

    Raises:
        Unreadable: if all are.
    """
    for name in names:
        if has(texts, name):
            return name, texts[name]
    raise Unreadable("the sample has no text")
