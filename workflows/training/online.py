"""Balancing as the training goes: each visit draws one of a sample's texts and keeps it with the text's own probability.

MetaCLIP v1.2's online curation (arXiv 2309.16671, its repository's data loader): nothing is thrown away for good, and another
part of the head is seen every epoch. The draws are hashes of (seed, epoch, uid), so they are equal for any number of workers.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch

from pipeline.errors import DataError
from pipeline.rows import uniform
from workflows.training.batch import Batch
from workflows.training.shards import Raw, Unreadable


def drawn(raw: Raw, seed: int, epoch: int, uid: str) -> str | None:
    """The text that this visit shows in place of the txt; None if the visit is skipped.

    A sample has `texts` and `probabilities`, two lists of its json about the same texts, of which one is drawn evenly; or one
    `probability`, for its txt.

    Raises:
        Unreadable: if it has neither, or they are no probabilities of texts.
    """
    texts, chances = _choices(raw)
    place = int(uniform(seed, uid, f"text {epoch}") * len(texts))
    return texts[place] if uniform(seed, uid, f"online {epoch}") < chances[place] else None


def _choices(raw: Raw) -> tuple[list[str], list[float]]:
    fields = raw.fields
    if "texts" in fields or "probabilities" in fields:
        texts, chances = fields.get("texts"), fields.get("probabilities")
    else:
        texts, chances = [raw.texts["txt"]], [fields.get("probability")]
    if not (isinstance(texts, list) and isinstance(chances, list) and len(texts) == len(chances) > 0):
        raise Unreadable("its texts and probabilities are not two lists of equal length")
    if not all(isinstance(text, str) for text in texts) or not all(_is_chance(chance) for chance in chances):
        raise Unreadable("it has no probability in [0, 1] for a text")
    return texts, chances


def _is_chance(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1


def refill(parts: Iterator[Batch], batch: int, samples: int) -> Iterator[Batch]:
    """Full batches from those that visits were skipped in: a step always contrasts as many samples.

    Each batch has the visits from the one after the last batch's last sample on, up to its own last sample.

    Args:
        parts: batches in the order of the visits.
        batch: samples a full one has.
        samples: of the data set.

    Raises:
        DataError: if not one sample was shown in a whole epoch.
    """
    held: Batch | None = None
    for part in parts:
        held = part if held is None else _joined(held, part)
        while len(held.images) >= batch:
            full, held = _split(held, batch)
            yield full
        if not len(held.images) and len(held.visits) >= samples:
            reasons = sorted({visit.reason for visit in held.visits if visit.reason})
            raise DataError(
                f"Not one of {samples} samples was shown in a whole epoch: {len(held.visits)} visits were skipped by their "
                f"probabilities or failed ({'; '.join(reasons) or 'none failed'}). Look at the export's probabilities."
            )


def _joined(first: Batch, second: Batch) -> Batch:
    visits = (*first.visits, *second.visits)
    if not len(first.images) or not len(second.images):
        full = first if len(first.images) else second
        return Batch(full.images, full.tokens, visits)
    return Batch(torch.cat([first.images, second.images]), torch.cat([first.tokens, second.tokens]), visits)


def _split(whole: Batch, samples: int) -> tuple[Batch, Batch]:
    shown = [place for place, visit in enumerate(whole.visits) if visit.shown]
    end = shown[samples - 1] + 1
    return (
        Batch(whole.images[:samples], whole.tokens[:samples], whole.visits[:end]),
        Batch(whole.images[samples:], whole.tokens[samples:], whole.visits[end:]),
    )
