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

from workflows.demo.captioner import tokens
from workflows.demo.captioner.captions import Sight, Thing, describe
from workflows.demo.captioner.data import Easel
from workflows.demo.captioner.losses import Asked, Heads, Losses, losses
from workflows.demo.captioner.model import build, export
from workflows.demo.captioner.pieces import Art, load_art
from workflows.demo.captioner.teacher import features
from workflows.demo.captioner.validate import set_apart_samples, validate

VOCABULARY = 4096
WARMUP, FALL = 100, 0.35  # steps of rising rate; share of the steps over which it falls to zero at the end
EMA = 0.995
FIELD_SHARES = (0.50, 0.25, 0.25)  # of the steps that teach the short field, two fields, and all three


@dataclass
class Learner:
    """Everything that a checkpoint holds."""

    model: Any
    heads: Heads
    average: Any
    optimizer: torch.optim.Optimizer
    step: int = 0

    def parameters(self) -> Iterator[nn.Parameter]:
        """Of the captioner and of the heads that only training needs."""
        return itertools.chain(self.model.parameters(), self.heads.parameters())

    def save(self, path: Path) -> None:
        """Write a checkpoint, whole or not at all."""
        parts = {name: getattr(self, name).state_dict() for name in ("model", "heads", "average", "optimizer")}
        torch.save({**parts, "step": self.step}, path.with_suffix(".part"))
        path.with_suffix(".part").replace(path)

    def load(self, path: Path) -> None:
        """Take up a checkpoint."""
        saved = torch.load(path, weights_only=True)
        for name in ("model", "heads", "average", "optimizer"):
            getattr(self, name).load_state_dict(saved[name])
        self.step = saved["step"]


def learner(tokenizer: Any, taught: Tensor, args: argparse.Namespace) -> Learner:
    """A captioner with its optimizer: untrained, or with the weights of the folder `args.start`."""
    torch.manual_seed(args.seed)
    model, heads = build(tokenizer), Heads(taught)
    if args.start:
        from transformers import Qwen2VLForConditionalGeneration

        model.load_state_dict(
            Qwen2VLForConditionalGeneration.from_pretrained(args.start, dtype=torch.float32).state_dict()
        )
    optimizer = torch.optim.AdamW(
        [*model.parameters(), *heads.parameters()], lr=args.rate, betas=(0.9, 0.98), weight_decay=0.05, fused=True
    )
    return Learner(model, heads, deepcopy(model), optimizer)


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


def rate_at(step: int, progress: float) -> float:
    """Factor on the learning rate: up over WARMUP steps, level, then linearly to zero over the last FALL of the progress."""
    return min(1.0, (step + 1) / WARMUP, max(0.0, (1 - progress) / FALL))


def learn(who: Learner, tokenizer: Any, easel: Easel, args: argparse.Namespace) -> None:
    """Step until `args.steps`, or until `args.minutes` are over, with a checkpoint every `args.every` steps."""
    began, from_step = time.perf_counter(), who.step
    progress, apart = who.step / args.steps, set_apart_samples(easel.art)
    while progress < 1:
        for group in who.optimizer.param_groups:
            group["lr"] = args.rate * rate_at(who.step, progress)
        lost = one_step(who, tokenizer, easel, args)
        seconds = time.perf_counter() - began
        progress = max(who.step / args.steps, seconds / (60 * args.minutes))
        if who.step % 20 == 0:
            pace = (who.step - from_step) * args.batch / seconds
            print(
                f"step {who.step} answers {lost.told:.3f} teacher {lost.looked:.3f} shares {lost.shares:.3f}"
                f" ground {lost.ground:.3f} patch {lost.patch:.3f} pictures/s {pace:.1f} cpu {time.process_time():.0f} s",
                flush=True,
            )
        if who.step % args.every == 0 or progress >= 1:
            who.save(args.work / "checkpoint.pt")
            print(f"step {who.step} validation {validate(who.average, tokenizer, apart)}", flush=True)


def one_step(who: Learner, tokenizer: Any, easel: Easel, args: argparse.Namespace) -> Losses:
    """Draw, look, learn; gives the losses."""
    drawn = easel.batch(who.step, args.batch)
    rng = np.random.default_rng([args.seed, who.step, 1])
    prompt = str(rng.choice(tokens.OTHER_PROMPTS)) if rng.random() < 0.1 else tokens.PROMPT
    fields = 1 + int(rng.choice(len(tokens.FIELDS), p=FIELD_SHARES))
    lost = losses(who.model, who.heads, tokenizer, drawn, Asked(prompt, fields))
    lost.total.backward()  # type: ignore[no-untyped-call]
    nn.utils.clip_grad_norm_(who.parameters(), 1.0)
    who.optimizer.step()
    who.optimizer.zero_grad(set_to_none=True)
    who.step += 1
    follow(who)
    return lost


@torch.no_grad()
def follow(who: Learner) -> None:
    """Move the averaged weights, which are the ones exported, towards the current ones."""
    keep = min(EMA, (1 + who.step) / (10 + who.step))
    for mean, now in zip(who.average.parameters(), who.model.parameters(), strict=True):
        mean.lerp_(now, 1 - keep)


def prepared(args: argparse.Namespace, art: list[Art], easel: Easel) -> tuple[Any, Tensor]:
    """Tokenizer (of --start where given) and teacher features, made once per work folder."""
    from transformers import PreTrainedTokenizerFast

    args.work.mkdir(parents=True, exist_ok=True)
    folder, cached = args.work / "tokenizer", args.work / "teacher.npy"
    if args.start:
        PreTrainedTokenizerFast.from_pretrained(args.start).save_pretrained(folder)
    elif not folder.exists():
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
    parser.add_argument("--start", type=Path, help="a finished model to go on from, with its tokenizer")
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--minutes", type=float, default=float("inf"), help="end earlier, when these are over")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--rate", type=float, default=1.5e-3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--scenes", type=float, default=0.5, help="share of the samples that are composed scenes")
    parser.add_argument("--every", type=int, default=100, help="steps between checkpoints")
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args(argv)
    torch.set_num_threads(args.threads)
    art = load_art(args.art, "model")
    easel = Easel(art, args.seed, args.scenes)
    tokenizer, taught = prepared(args, art, easel)
    who = learner(tokenizer, taught, args)
    if (args.work / "checkpoint.pt").exists():
        who.load(args.work / "checkpoint.pt")
        print(f"going on from step {who.step}", flush=True)
    learn(who, tokenizer, easel, args)
    export(who.average, tokenizer, args.out)


if __name__ == "__main__":
    main()
