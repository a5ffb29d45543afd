"""Which samples of a super-batch are worth a step: those that the learner finds hard and a reference model finds easy.

Learnability is loss(learner) - loss(reference), as in JEST (Evans et al. 2024, arXiv 2406.17711) and SigLIP 2's ACID (2502.14786).
Every rank chooses among its own share of the super-batch.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import torch
from torch.nn import functional as F  # noqa: N812 - as everyone calls it

from pipeline.errors import ConfigError
from workflows.training.model import Built, load
from workflows.training.options import SelectionOptions
from workflows.training.step import Features


def softmax_losses(found: Features) -> torch.Tensor:
    """Each sample's own term of CLIP's loss within the super-batch: the mean of both ways."""
    logits = found["logit_scale"] * found["image_features"] @ found["text_features"].T
    labels = torch.arange(len(logits), device=logits.device)
    return (F.cross_entropy(logits, labels, reduction="none") + F.cross_entropy(logits.T, labels, reduction="none")) / 2


def sigmoid_losses(found: Features) -> torch.Tensor:
    """SigLIP's loss of each pair, pictures x texts: -log sigmoid(z (t x.y + b)), z = 1 on the diagonal and -1 elsewhere."""
    logits = found["logit_scale"] * found["image_features"] @ found["text_features"].T + found["logit_bias"]
    signs = 2 * torch.eye(len(logits), device=logits.device) - 1
    return -F.logsigmoid(signs * logits)


def by_itself(scores: torch.Tensor, count: int) -> torch.Tensor:
    """The places of the `count` highest scores, in their order; scores of pairs count for both their samples."""
    single = scores if scores.ndim == 1 else (scores.sum(dim=0) + scores.sum(dim=1)) / 2
    return single.argsort(descending=True, stable=True)[:count].sort().values


def jointly(scores: torch.Tensor, count: int, chunks: int, generator: torch.Generator) -> torch.Tensor:
    """JEST's Algorithm 1: places drawn in chunks, each by a softmax of the scores given the chunks before.

    A sample's score is its own pair's, and that of its pairs with the samples already drawn, both ways.

    Args:
        scores: learnability of pairs, samples x samples.
        count: how many to draw, none twice.
        chunks: in how many turns.
        generator: of a CPU.

    Returns:
        places in their order.
    """
    scores = scores.double().cpu()
    drawn = torch.zeros(len(scores), dtype=torch.bool)
    for turn in range(chunks):
        size = count * (turn + 1) // chunks - int(drawn.sum())
        given = scores.diagonal() + scores[drawn].sum(dim=0) + scores[:, drawn].sum(dim=1)
        # The greatest sums of a logit and a Gumbel number are a draw without replacement by their softmax.
        noise = -torch.empty_like(given).exponential_(generator=generator).log()
        drawn[(given + noise).masked_fill(drawn, float("-inf")).topk(size).indices] = True
    return drawn.nonzero()[:, 0]


@dataclass(frozen=True)
class Selector:
    """Chooses the samples of a step.

    Attributes:
        learner: the model that is trained.
        reference: the model that says what can be learned.
        options: how.
        sigmoid: score by SigLIP's loss; else by CLIP's.
        seed: of the draws.
    """

    learner: Built
    reference: Built
    options: SelectionOptions
    sigmoid: bool
    seed: int = 0

    def kept(self, samples: int) -> int:
        """How many of so many samples are trained on: at least one, if there is one."""
        return max(min(samples, 1), round(samples * (1 - self.options.dropped)))

    def __call__(
        self, images: torch.Tensor, tokens: torch.Tensor, key: tuple[int, ...], *, autocast: bool = False
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """The samples to train on, in their order.

        Args:
            images: uint8, samples x 3 x size x size.
            tokens: samples x context length.
            key: of the draws: the step and the rank.
            autocast: score under bfloat16.
        """
        with torch.no_grad(), torch.autocast(images.device.type, torch.bfloat16, enabled=autocast):
            places = self._places(images, tokens, key)
        return images[places], tokens[places]

    def _places(self, images: torch.Tensor, tokens: torch.Tensor, key: tuple[int, ...]) -> torch.Tensor:
        count = self.kept(len(images))
        if not count:
            return torch.zeros(0, dtype=torch.long, device=images.device)
        losses = sigmoid_losses if self.sigmoid else softmax_losses
        learner, reference = (
            losses(_floats(built.model(built.prepare(images), tokens))) for built in (self.learner, self.reference)
        )
        scores = learner - reference
        if self.options.chunks == 1:
            return by_itself(scores, count)
        digest = hashlib.blake2b(repr((self.seed, "selection", *key)).encode(), digest_size=7).digest()
        generator = torch.Generator().manual_seed(int.from_bytes(digest, "big"))
        return jointly(scores, count, self.options.chunks, generator).to(images.device)


def selector(options: SelectionOptions | None, learner: Built, loss: str, seed: int, device: str) -> Selector | None:
    """The selector of a training; None if there are no options.

    Raises:
        ConfigError: if the reference reads other pictures or tokens than the learner, or was not trained with its loss.
    """
    if options is None or options.reference is None:
        return None
    reference = load(options.reference, device)
    reference.model.eval().requires_grad_(False)
    texts = ["a text", "another"]
    reads = [(built.size, built.mean, built.std, built.tokenizer(texts).tolist()) for built in (reference, learner)]
    if reads[0] != reads[1]:
        raise ConfigError(
            f"The reference {options.reference} and the model must read the same: tokens, size, mean and std of pictures."
        )
    if (getattr(reference.model, "logit_bias", None) is not None) != (loss == "siglip"):
        raise ConfigError(f"The reference {options.reference} was not trained with the loss {loss}. Give one that was.")
    return Selector(learner, reference, options, loss == "siglip", seed)


def _floats(found: Features) -> Features:
    return {name: value.float() for name, value in found.items()}
