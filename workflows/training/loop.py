"""The training, from top to bottom: data, model, schedule, step, log, save. Read it in one go.

Expected of the default config: see the README's training section for what the demo reaches and on which machine.
"""

from __future__ import annotations

import json
import math
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import torch

from pipeline.errors import ConfigError, DataError
from workflows.training.batch import Batch
from workflows.training.config import TrainConfig
from workflows.training.data import evaluation_samples, training_batches
from workflows.training.evaluate import HeldOut, evaluate
from workflows.training.model import Built, build, criterion, parameter_groups, save
from workflows.training.shards import Shards

MAX_LOGIT_SCALE = math.log(100)  #: Radford et al. 2021, section 2.5
METRICS, EVALUATION = "metrics.jsonl", "evaluation.json"


@dataclass
class Trained:
    """What a training left.

    Attributes:
        files: name -> file: weights, config, metrics and evaluation.
        samples: of the data set.
        visited: how many of them were shown, or could not be, at least once.
        shown: visits that were shown.
        skipped: visits that their probability left out; the trainer balances as it goes.
        steps: taken.
        faults: (shard, sample) -> why it could not be used.
        fields: which text was shown -> times.
        evaluation: retrieval before and after, if there was a held-out set.
        rate: samples a second, training alone.
    """

    files: dict[str, Path]
    samples: int
    visited: int = 0
    shown: int = 0
    skipped: int = 0
    steps: int = 0
    faults: dict[tuple[int, int], str] = field(default_factory=dict)
    fields: Counter[str] = field(default_factory=Counter)
    evaluation: dict[str, Any] = field(default_factory=dict)
    rate: float = 0.0


def train(config: TrainConfig, shards: Shards, out: Path, held_out: Shards | None = None) -> Trained:
    """Train a model on shards, judge it before and after on held-out ones, and leave it in a folder.

    Args:
        config: what to train and how.
        shards: what to train on.
        out: the folder for weights, config, metrics.jsonl and evaluation.json.
        held_out: what to judge it on; never part of what it is trained on.

    Raises:
        DataError: if the shards hold no sample, or the loss is not a number any more.
    """
    out.mkdir(parents=True, exist_ok=True)
    samples = sum(shards.sizes)
    if not samples:
        raise DataError("The shards hold no sample. Look at the export's account, or give another folder.")
    device = _device(config)
    with _threads(config.threads):
        built = build(config, device)
        judged = _held_out(held_out, built) if held_out else None
        before = evaluate(built, judged) if judged else None
        with (out / METRICS).open("w", encoding="utf-8") as log:
            done = _train(config, shards, built, device, log)
        files = save(built, out) | {METRICS: out / METRICS}
        if judged:
            done.evaluation = {"before": before, "after": evaluate(built, judged)}
            (out / EVALUATION).write_text(json.dumps(done.evaluation, indent=1) + "\n", encoding="utf-8")
            files[EVALUATION] = out / EVALUATION
    done.files = files
    return done


def _train(config: TrainConfig, shards: Shards, built: Built, device: str, log: IO[str]) -> Trained:
    """The steps themselves."""
    model, loss_of = built.model.train(), criterion(config.loss)
    groups = parameter_groups(model, config.weight_decay)
    optimizer = torch.optim.AdamW(groups, lr=config.lr, betas=(0.9, 0.98), eps=1e-6, fused=True)
    done, clock = Trained({}, sum(shards.sizes)), Clock(config)
    met = [bytearray(size) for size in shards.sizes]
    for batch in training_batches(shards, config, built.size, built.tokenizer):
        clock.loaded()
        _note(done, batch, met)
        if len(batch.images) < 2:  # nothing to contrast
            continue
        rate = learning_rate(config, clock.progress(done.steps + 0.5))
        for group in optimizer.param_groups:
            group["lr"] = rate
        with torch.autocast(device, torch.bfloat16, enabled=config.precision == "bf16"):
            loss = loss_of(**model(built.prepare(batch.images), batch.tokens.to(device, non_blocking=True)))
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(model.parameters(), config.clip_norm)
        optimizer.step()
        with torch.no_grad():
            model.logit_scale.clamp_(0, MAX_LOGIT_SCALE)  # type: ignore[operator]
        done.steps += 1
        clock.worked(len(batch.images))
        ends = clock.progress(done.steps) >= 1
        if ends or done.steps % config.log_every == 0:
            scale = model.logit_scale.exp()  # type: ignore[operator]
            _log(log, done, clock, {"loss": loss, "lr": rate, "logit_scale": scale, "gradient_norm": norm})
        if ends:
            break
    done.rate = clock.rate
    return done


def learning_rate(config: TrainConfig, progress: float) -> float:
    """Linear warm-up from 0, then half a cosine to 0, over the progress in [0, 1]."""
    if progress < config.warmup:
        return config.lr * progress / config.warmup
    rest = (min(progress, 1.0) - config.warmup) / (1 - config.warmup)
    return config.lr * 0.5 * (1 + math.cos(math.pi * rest))


@dataclass
class Clock:
    """How far the training is, and how much of its time it waits for data."""

    config: TrainConfig
    begun: float = field(default_factory=time.perf_counter)
    since: float = field(default_factory=time.perf_counter)
    waited: float = 0.0
    samples: int = 0

    def loaded(self) -> None:
        """A batch has come."""
        self.waited += time.perf_counter() - self.since

    def worked(self, samples: int) -> None:
        """A step is done."""
        self.samples += samples
        self.since = time.perf_counter()

    def progress(self, steps: float) -> float:
        """Share of the schedule: of the steps or of the seconds, whichever is nearer its end."""
        elapsed = (time.perf_counter() - self.begun) / self.config.seconds if self.config.seconds else 0.0
        return max(steps / self.config.steps, elapsed)

    @property
    def rate(self) -> float:
        """Samples a second since the beginning."""
        return self.samples / max(time.perf_counter() - self.begun, 1e-9)


def _note(done: Trained, batch: Batch, met: list[bytearray]) -> None:
    """Count what was asked for and what could not be used.

    Args:
        met: a byte for each sample of each shard: 1 once it was shown or could not be.

    Raises:
        DataError: after a whole epoch without one sample that could be.
    """
    for visit in batch.visits:
        if not visit.skipped:
            place = visit.position
            done.visited += not met[place.shard][place.sample]
            met[place.shard][place.sample] = 1
    done.skipped += batch.skipped
    done.shown += len(batch.images)
    done.fields += batch.fields
    done.faults |= {(position.shard, position.sample): reason for position, reason in batch.faults}
    if len(done.faults) == done.samples:
        reasons = Counter(done.faults.values()).most_common(3)
        raise DataError(f"Not one of {done.samples} samples can be used: {reasons}. Look at the shards.")


def _log(log: IO[str], done: Trained, clock: Clock, numbers: dict[str, Any]) -> None:
    """One line of metrics.jsonl.

    Raises:
        DataError: if the loss is not a finite number any more.
    """
    line: dict[str, float] = {"step": done.steps, "samples": clock.samples, "faults": len(done.faults)}
    line |= {name: float(f"{torch.as_tensor(value).item():.6g}") for name, value in numbers.items()}
    elapsed = time.perf_counter() - clock.begun
    line |= {"seconds": round(elapsed, 3), "waiting_for_data": round(clock.waited / elapsed, 4)}
    log.write(json.dumps(line) + "\n")
    log.flush()
    if not math.isfinite(line["loss"]):
        raise DataError(f"The loss is {line['loss']} at step {done.steps}. Lower lr, or raise warmup, and train again.")


def _held_out(shards: Shards, built: Built) -> HeldOut:
    images, texts, _ = evaluation_samples(shards, built.size)
    if not texts:
        raise DataError("The held-out shards have no readable sample. Make them again, or train without.")
    return HeldOut(images, texts)


def _device(config: TrainConfig) -> str:
    available = torch.cuda.is_available()
    if config.device == "cuda" and not available:
        raise ConfigError("The config asks for cuda, but torch sees no GPU. Set device to cpu or auto.")
    return "cuda" if available and config.device != "cpu" else "cpu"


@contextmanager
def _threads(number: int) -> Iterator[None]:
    """Give torch so many threads, and take them back."""
    before = torch.get_num_threads()
    torch.set_num_threads(number or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)
