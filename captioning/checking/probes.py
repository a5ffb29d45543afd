"""What is asked of a two-tower model about a caption: the caption, each object in it, and distractors to calibrate by.

A cosine means little by itself: it depends on the model, on the picture and on the length of the text. So a phrase is judged by
how far it stands above phrases that have nothing to do with the picture, scored on the same picture (SIEVE, arXiv 2310.02110,
compares with other texts for the same reason). The distractors are the same for all pictures, so a batch encodes them once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, pstdev

from captioning.checking.words import singular

#: Everyday names from all over: animals, people, plants, food, vehicles, buildings, tools, clothes, signs, nature.
DISTRACTORS = (
    "dog", "bird", "fish", "horse", "insect", "elephant", "man", "woman", "child", "hand", "face", "tree", "flower", "leaf",
    "mushroom", "apple", "cake", "bread", "cup of coffee", "bottle", "car", "train", "ship", "airplane", "bicycle", "house",
    "tower", "bridge", "chair", "lamp", "clock", "key", "hammer", "scissors", "book", "pencil", "computer", "telephone",
    "camera", "shirt", "shoe", "hat", "flag", "arrow", "letter", "number", "heart", "star", "sun", "cloud", "mountain", "fire",
    "guitar", "ball", "trophy", "money", "map", "road sign",
)  # fmt: skip


@dataclass(frozen=True)
class Scored:
    """The cosines of a row's probes.

    Attributes:
        texts: caption field -> its cosine; None for a caption that is not there.
        phrases: phrase -> its cosine.
        distractors: distractor -> its cosine.
    """

    texts: dict[str, float | None]
    phrases: dict[str, float]
    distractors: dict[str, float]

    def standing(self, phrase: str) -> float | None:
        """How many standard deviations of the distractors a phrase stands above their mean, on this picture.

        Distractors that share a word with the phrase are left out. None where the phrase was not scored, or nothing to
        compare it with.
        """
        if phrase not in self.phrases:
            return None
        said = {singular(word) for word in phrase.casefold().split()}
        others = [score for name, score in self.distractors.items() if not said & set(map(singular, name.split()))]
        spread = pstdev(others) if len(others) > 1 else 0.0
        return (self.phrases[phrase] - fmean(others)) / spread if spread > 0 else None


def probes(texts: Sequence[str | None], phrases: Sequence[str], distractors: Sequence[str]) -> list[str]:
    """The list that a clip-score step is to score: captions (empty where there is none), phrases, distractors."""
    return [*(text or "" for text in texts), *phrases, *distractors]


def scored(
    names: Sequence[str], phrases: Sequence[str], distractors: Sequence[str], cosines: Sequence[float | None]
) -> Scored:
    """Read the scores of `probes` again.

    Args:
        names: of the caption fields, in their order.
        phrases, distractors: as they were given.
        cosines: one for each probe; None for an empty one.

    Raises:
        ValueError: if there are not as many cosines as probes.
    """
    start, end = len(names), len(names) + len(phrases)
    if len(cosines) != end + len(distractors):
        raise ValueError(f"{len(cosines)} scores for {end + len(distractors)} probes")
    known = {p: c for p, c in zip(phrases, cosines[start:end], strict=True) if c is not None}
    others = {d: c for d, c in zip(distractors, cosines[end:], strict=True) if c is not None}
    return Scored(dict(zip(names, cosines[:start], strict=True)), known, others)
