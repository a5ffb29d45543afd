"""Train the demonstration captioner and write the folder that vLLM serves.

    python -m workflows.demo.captioner.train --art build/demo/art.parquet --out captioning/demo_model

Captioning and distillation are learnt together: the decoder learns the JSON answers, and the mean of the vision tower's patches
over each object learns to point where a frozen EfficientNet-Lite0 points. Runs on one CPU thread; a training that was cut off
goes on from its last checkpoint in --work.
"""

import argparse
import itertools
import time
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from workflows.demo.captioner import tokens
from workflows.demo.captioner.captions import Sight, Thing, describe
from workflows.demo.captioner.data import Art, Easel, Sample, load_art
from workflows.demo.captioner.model import WIDTH, build, decode, export, patch_order, patchify, see
from workflows.demo.captioner.shape import Grid
from workflows.demo.captioner.teacher import DIMENSIONS, features

VOCABULARY = 4096
SHORT_WEIGHT = 2.0  # the short field is where the object is first named; the others copy
DISTIL_WEIGHT = 1.0
WARMUP, FALL = 100, 0.35  # steps of rising rate; share of the steps over which it falls to zero at the end
EMA = 0.995
LONG_SHARE = 0.4  # of the steps that teach all three fields; the others stop after the medium one
Drawn = tuple[Grid, list[Sample]]


@dataclass
class Learner:
    """Everything that a checkpoint holds."""

    model: Any
    head: nn.Linear
    average: Any
    optimizer: torch.optim.Optimizer
    step: int = 0

    def parameters(self) -> Iterator[nn.Parameter]:
        """Of the captioner and of the head that only training needs."""
        return itertools.chain(self.model.parameters(), self.head.parameters())

    def save(self, path: Path) -> None:
        """Write a checkpoint, whole or not at all."""
        parts = {name: getattr(self, name).state_dict() for name in ("model", "head", "average", "optimizer")}
        torch.save({**parts, "step": self.step}, path.with_suffix(".part"))
        path.with_suffix(".part").replace(path)

    def load(self, path: Path) -> None:
        """Take up a checkpoint."""
        saved = torch.load(path, weights_only=True)
        for name in ("model", "head", "average", "optimizer"):
            getattr(self, name).load_state_dict(saved[name])
        self.step = saved["step"]


@dataclass(frozen=True)
class Asked:
    """How a step asks: the prompt, and how many fields of the answer it teaches."""

    prompt: str
    fields: int


def learner(tokenizer: Any, rate: float, seed: int) -> Learner:
    """An untrained captioner with its optimizer."""
    torch.manual_seed(seed)
    model, head = build(tokenizer), nn.Linear(WIDTH, DIMENSIONS)
    optimizer = torch.optim.AdamW(
        [*model.parameters(), *head.parameters()], lr=rate, betas=(0.9, 0.98), weight_decay=0.05
    )
    return Learner(model, head, deepcopy(model), optimizer)


def spoken(art: list[Art], easel: Easel, drawn: int = 100) -> Iterator[str]:
    """Texts for the tokenizer: the prompts, every name once, and the captions of some drawn batches."""
    for prompt in (tokens.PROMPT, *tokens.OTHER_PROMPTS):
        # Often enough that each of the prompt's words becomes one token.
        yield from itertools.repeat(tokens.before_image(prompt) + tokens.AFTER_IMAGE, 100)
    for piece in art:
        yield from describe(Sight(piece.kind, (Thing(piece.name, piece.colours),), "white"))
    for step in range(drawn):
        for sample in easel.batch(step, 16)[1]:
            yield from sample.captions


def targets(tokenizer: Any, samples: list[Sample], fields: int = 3) -> tuple[Tensor, Tensor, int]:
    """(tail ids (B, L), weight of each as a target (B, L), number of tokens before the answer).

    With `fields` below three, answers are cut after so many: the long field repeats what stands before it and costs half a step.
    """
    after = tokenizer.encode(tokens.AFTER_IMAGE)
    opening = tokenizer.convert_tokens_to_ids(tokens.SKELETON[1])
    answers = [tokenizer.encode(tokens.answer(*sample.captions) + tokens.END) for sample in samples]
    if fields < len(tokens.FIELDS):
        closing = tokenizer.convert_tokens_to_ids(tokens.SKELETON[fields])
        answers = [answer[: answer.index(closing) + 1] for answer in answers]
    length = max(map(len, answers))
    ids = torch.full((len(samples), len(after) + length), tokenizer.pad_token_id)
    weights = torch.zeros(ids.shape)
    for row, answer in enumerate(answers):
        ids[row, : len(after) + len(answer)] = torch.tensor(after + answer)
        weights[row, len(after) : len(after) + len(answer)] = 1.0
        weights[row, len(after) : len(after) + answer.index(opening)] = SHORT_WEIGHT
    return ids, weights, len(after)


def boxes(samples: list[Sample], grid: Grid) -> tuple[Tensor, Tensor, Tensor]:
    """Per placed object: sample index (M,), art index (M,), weights over the patches (M, N) that sum to one."""
    rows, columns = patch_order(grid)
    placed = [(i, index, box) for i, sample in enumerate(samples) for index, box in sample.placed]
    inside = [
        (rows >= top) & (rows < down) & (columns >= left) & (columns < right)
        for _, _, (top, left, down, right) in placed
    ]
    masks = torch.stack(inside).float()
    return (
        torch.tensor([i for i, _, _ in placed]),
        torch.tensor([index for _, index, _ in placed]),
        masks / masks.sum(1, keepdim=True),
    )


def losses(who: Learner, tokenizer: Any, drawn: Drawn, taught: Tensor, asked: Asked) -> tuple[Tensor, Tensor]:
    """(weighted cross-entropy of the answers, 1 - cosine to the teacher over the objects)."""
    grid, samples = drawn
    pixels = torch.from_numpy(np.stack([sample.pixels for sample in samples]))
    prefix = torch.tensor(tokenizer.encode(tokens.before_image(asked.prompt)))
    ids, weights, before = targets(tokenizer, samples, asked.fields)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        seen, hidden = see(who.model.model.visual, patchify(pixels), grid)
        out = decode(who.model, seen, prefix, ids, grid)[:, before - 1 : -1]
        logits = who.model.lm_head(out).float()
        which, index, over = boxes(samples, grid)
        looked = who.head(torch.einsum("mn,mnd->md", over, hidden.float()[which])).float()
    told = functional.cross_entropy(logits.flatten(0, 1), ids[:, before:].flatten(), reduction="none")
    weight = weights[:, before:].flatten()
    return (told * weight).sum() / weight.sum(), 1 - functional.cosine_similarity(looked, taught[index]).mean()


def rate_at(step: int, progress: float) -> float:
    """Factor on the learning rate: up over WARMUP steps, level, then linearly to zero over the last FALL of the progress."""
    return min(1.0, (step + 1) / WARMUP, max(0.0, (1 - progress) / FALL))


def learn(who: Learner, tokenizer: Any, easel: Easel, taught: Tensor, args: argparse.Namespace) -> None:
    """Step until `args.steps`, or until `args.minutes` are over, with a checkpoint every `args.every` steps."""
    began, from_step = time.perf_counter(), who.step
    progress = who.step / args.steps
    while progress < 1:
        for group in who.optimizer.param_groups:
            group["lr"] = args.rate * rate_at(who.step, progress)
        told, looked = one_step(who, tokenizer, easel, taught, args)
        seconds = time.perf_counter() - began
        progress = max(who.step / args.steps, seconds / (60 * args.minutes))
        if who.step % 20 == 0:
            pace = (who.step - from_step) * args.batch / seconds
            print(f"step {who.step} answers {told:.3f} teacher {looked:.3f} pictures/s {pace:.1f}", flush=True)
        if who.step % args.every == 0 or progress >= 1:
            who.save(args.work / "checkpoint.pt")


def one_step(
    who: Learner, tokenizer: Any, easel: Easel, taught: Tensor, args: argparse.Namespace
) -> tuple[float, float]:
    """Draw, look, learn; gives the two losses."""
    drawn = easel.batch(who.step, args.batch)
    rng = np.random.default_rng([args.seed, who.step, 1])
    prompt = str(rng.choice(tokens.OTHER_PROMPTS)) if rng.random() < 0.1 else tokens.PROMPT
    fields = len(tokens.FIELDS) if rng.random() < LONG_SHARE else 2
    told, looked = losses(who, tokenizer, drawn, taught, Asked(prompt, fields))
    (told + DISTIL_WEIGHT * looked).backward()  # type: ignore[no-untyped-call]
    nn.utils.clip_grad_norm_(who.parameters(), 1.0)
    who.optimizer.step()
    who.optimizer.zero_grad(set_to_none=True)
    who.step += 1
    follow(who)
    return float(told.detach()), float(looked.detach())


@torch.no_grad()
def follow(who: Learner) -> None:
    """Move the averaged weights, which are the ones exported, towards the current ones."""
    keep = min(EMA, (1 + who.step) / (10 + who.step))
    for mean, now in zip(who.average.parameters(), who.model.parameters(), strict=True):
        mean.lerp_(now, 1 - keep)


def prepared(args: argparse.Namespace, art: list[Art], easel: Easel) -> tuple[Any, Tensor]:
    """Tokenizer and teacher features, made once per work folder."""
    from transformers import PreTrainedTokenizerFast

    args.work.mkdir(parents=True, exist_ok=True)
    folder, cached = args.work / "tokenizer", args.work / "teacher.npy"
    if not folder.exists():
        tokens.train_tokenizer(spoken(art, easel), VOCABULARY).save_pretrained(folder)
    if not cached.exists():
        np.save(cached, features(art))
    return PreTrainedTokenizerFast.from_pretrained(folder), torch.from_numpy(np.load(cached))


def main(argv: list[str] | None = None) -> None:
    """Train, or go on training, then export the averaged weights to --out."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument(
        "--art", type=Path, required=True, help="art.parquet of the demo data; only its split `model` is read"
    )
    parser.add_argument("--out", type=Path, required=True, help="folder of the finished model")
    parser.add_argument(
        "--work", type=Path, default=Path("build/captioner"), help="checkpoint, tokenizer, teacher features"
    )
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--minutes", type=float, default=float("inf"), help="end earlier, when these are over")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--rate", type=float, default=1.5e-3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--every", type=int, default=100, help="steps between checkpoints")
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args(argv)
    torch.set_num_threads(args.threads)
    art = load_art(args.art, "model")
    easel = Easel(art, args.seed)
    tokenizer, taught = prepared(args, art, easel)
    who = learner(tokenizer, args.rate, args.seed)
    if (args.work / "checkpoint.pt").exists():
        who.load(args.work / "checkpoint.pt")
        print(f"going on from step {who.step}", flush=True)
    learn(who, tokenizer, easel, taught, args)
    export(who.average, tokenizer, args.out)


if __name__ == "__main__":
    main()
