"""The mini-CLIP on held-out pictures: retrieval, and matched pairs against shuffled ones, per language and source."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from curation.clip.auc import Auc, measure
from curation.clip.mini.model import Projections

Arrays = dict[str, npt.NDArray[Any]]
SEED = 0


def judge(arrays: Arrays, projections: Path) -> dict[str, Any]:
    """Figures of one set: for every (source, kind, language) with enough pairs the AUC, the cosines and the retrieval.

    A mismatched pair is a picture with the text of another group, drawn at random within the same source and language, so
    that no difference of style between sources helps.
    """
    model = Projections(projections)
    images, texts = model.images(arrays["image"]), model.texts(arrays["text"])
    found: dict[str, Any] = {}
    source = arrays["item_source"][arrays["link_item"]]
    for name in sorted({(s, k, g) for s, k, g in zip(source, arrays["link_kind"], arrays["link_lang"], strict=True)}):
        at = np.flatnonzero((source == name[0]) & (arrays["link_kind"] == name[1]) & (arrays["link_lang"] == name[2]))
        pictures, words = images[arrays["link_item"][at]], texts[arrays["link_text"][at]]
        found[" ".join(map(str, name))] = figures(pictures, words, arrays["item_group"][arrays["link_item"][at]])
    return found


def figures(pictures: npt.NDArray[Any], words: npt.NDArray[Any], groups: npt.NDArray[Any]) -> dict[str, Any]:
    """AUC with its interval, mean cosines, and recall in both directions of n aligned pairs."""
    cosines = pictures @ words.T
    matched, mismatched = np.diag(cosines), cosines[np.arange(len(cosines)), others(groups)]
    result: Auc = measure(matched, mismatched)
    return {
        "pairs": len(cosines),
        "auc": round(result.value, 4),
        "auc_interval": [round(result.low, 4), round(result.high, 4)],
        "matched": round(float(matched.mean()), 4),
        "mismatched": round(float(mismatched.mean()), 4),
        "image_to_text": recalls(cosines),
        "text_to_image": recalls(cosines.T),
    }


def others(groups: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    """For each pair another one, of another group, drawn with a fixed seed.

    Raises:
        ValueError: if there is only one group.
    """
    if len(set(groups.tolist())) < 2:
        raise ValueError("mismatched pairs need at least two groups")
    rng = np.random.default_rng(SEED)
    drawn = rng.permutation(len(groups))
    while (same := groups[drawn] == groups).any():
        drawn[same] = rng.integers(0, len(groups), int(same.sum()))
    return drawn


def recalls(cosines: npt.NDArray[Any]) -> dict[str, float]:
    """The share of rows whose own column is among the k best; ties count against."""
    own = np.diag(cosines)[:, None]
    rank = (cosines >= own).sum(1)
    return {f"R@{k}": round(float((rank <= k).mean()), 4) for k in (1, 10)}
