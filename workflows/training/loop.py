"""The training, from top to bottom: data, model, schedule, step, log, save. Read it in one go.

Expected of the default config: see the README's training section for what the demo reaches and on which machine.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from pipeline.errors import ConfigError, DataError
from workflows.training import checkpoint
from workflows.training.account import Trained
from workflows.training.batch import Batch
from workflows.training.clock import learning_rate
from workflows.training.config import TrainConfig
from workflows.training.data import evaluation_samples, training_batches
from workflows.training.distributed import joined
from workflows.training.evaluate import HeldOut, evaluate
from workflows.training.log import Log
from workflows.training.model import Built, save
from workflows.training.shards import Shards
from workflows.training.state import State
from workflows.training.step import Encoder, Gradient

__all__ = ["EVALUATION", "METRICS", "Trained", "learning_rate", "train"]

MAX_LOGIT_SCALE = math.log(100)  #: Radford et al. 2021, section 2.5
METRICS, EVALUATION, BOARD = "metrics.jsonl", "evaluation.json", "tensorboard"
PATIENCE = 3  #: steps in a row whose gradient is no number, before the training stops


def train(
    config: TrainConfig, shards: Shards, out: Path, held_out: Shards | None = None, checkpoints: Path | None = None
) -> Trained:
    """Train a model on shards, judge it before and after on held-out ones, and leave it in a folder.

    One of several processes, if torchrun or Ray Train started it: the first one judges and writes. Where checkpoints of the same
    training lie it goes on from the last one.

    Args:
        config: what to train and how.
        shards: what to train on.
        out: the folder for weights, config, metrics.jsonl and evaluation.json.
        held_out: what to judge it on; never part of what it is trained on.
        checkpoints: the folder for them; by default `checkpoints` in `out`.

    Raises:
        DataError: if the shards hold no sample, or the loss is not a number any more.
        ConfigError: if the checkpoints are of another training, or the processes do not divide the batch.
    """
    out.mkdir(parents=True, exist_ok=True)
    if not sum(shards.sizes):
        raise DataError("The shards hold no sample. Look at the export's account, or give another folder.")
    device = _device(config)
    with joined(device) as ranks, _threads(config.threads), torch.random.fork_rng():
        if config.visited % ranks.world:
            raise ConfigError(
                f"The {config.visited} samples that a step reads cannot be shared evenly by {ranks.world} processes. Change batch."
            )
        state = State(config, shards, device, ranks, checkpoints or out / checkpoint.FOLDER)
        resumed = state.resume()
        judged = _held_out(held_out, state.built) if held_out and ranks.first else None
        if judged and state.before is None:
            state.before = evaluate(state.built, judged)
        board = out / BOARD if config.tensorboard else None
        with Log(out / METRICS if ranks.first else None, resumed, board) as log:
            _run(state, log)
        done = state.trained(resumed)
        if ranks.first:
            done.files = save(state.built, out) | {METRICS: out / METRICS}
        if judged:
            done.evaluation = {"before": state.before, "after": evaluate(state.built, judged)}
            (out / EVALUATION).write_text(json.dumps(done.evaluation, indent=1) + "\n", encoding="utf-8")
            done.files[EVALUATION] = out / EVALUATION
        ranks.agree()  # nobody leaves while the first still writes
    return done


def _run(state: State, log: Log) -> None:
    """The steps themselves, from the present one to the end of the schedule.

    Raises:
        DataError: if no sample can be used, or the gradient is no number in several steps one after the other.
    """
    config, ranks, clock, built = state.config, state.ranks, state.clock, state.built
    encoder = ranks.wrap(Encoder(state.objective), state.device)
    bf16 = config.precision == "bf16"
    gradient = Gradient(state.objective, encoder, ranks, state.device, config.accumulate, bf16, config.seed)
    blank = no_tokens(built, config.texts.count)
    clock.begin()  # what went before, judging above all, is none of the schedule's seconds
    progress = ranks.agree(clock.progress(state.step))[0][0]
    for batch in clock.timed(_batches(state) if progress < 1 else ()):
        state.account.note(batch)
        said = ranks.agree(len(batch.images), len(batch.faults), clock.progress(state.step + 0.5), state.due)
        if any(faults for _, faults, _, _ in said):
            _fail(state, batch)
        counts = [int(count) for count, _, _, _ in said]
        if sum(counts) < 2:  # nothing to contrast
            continue
        rate = learning_rate(config, said[0][2])
        for group in state.optimizer.param_groups:
            group["lr"] = rate
        state.optimizer.zero_grad(set_to_none=True)
        images = batch.images.to(state.device, non_blocking=True)
        tokens = (batch.tokens if len(images) else blank).to(state.device, non_blocking=True)
        if state.selector:  # which lets every rank keep the same share of what it has
            images, tokens = state.selector(images, tokens, (state.step, ranks.rank), autocast=bf16)
            counts = [state.selector.kept(count) for count in counts]
        told = gradient(images, tokens, counts, state.step)
        norm = torch.nn.utils.clip_grad_norm_(state.weights, config.clip_norm)
        _update(state, norm)
        clock.samples += sum(counts)
        ends = ranks.agree(clock.progress(state.step))[0][0] >= 1
        if ends or state.step % config.log_every == 0:
            scale = state.model.logit_scale.exp()
            _log(state, log, {**told, "lr": torch.tensor(rate), "logit_scale": scale, "gradient_norm": norm})
        if ends:
            break
        if said[0][3]:  # the first rank's clock decides for all
            log.sync()
            state.save()


def _batches(state: State) -> Iterator[Batch]:
    built, ranks = state.built, state.ranks
    start = state.account.visits
    return training_batches(
        state.shards, state.config, built.size, built.tokenizer, start, rank=ranks.rank, world=ranks.world
    )


def no_tokens(built: Built, texts: int) -> torch.Tensor:
    """The tokens of no sample, for a rank that has none: 0 x context length, or 0 x texts x context length."""
    context = built.tokenizer([""]).shape[-1]
    return torch.zeros((0, texts, context) if texts > 1 else (0, context), dtype=torch.int64)


def _fail(state: State, batch: Batch) -> None:
    """Tell all ranks which samples could not be used: each knows when none is left."""
    mine = [((position.shard, position.sample), reason) for position, reason in batch.faults]
    state.account.fail([fault for rank in state.ranks.everyone(mine) for fault in rank])


def _update(state: State, norm: torch.Tensor) -> None:
    """Change the weights, unless the gradient is no number: decided where the optimizer is, so that no GPU is waited for."""
    found = (~torch.isfinite(norm)).float()
    state.bad = torch.stack([(state.bad[0] + 1) * found, state.bad[1] + found])
    state.optimizer.found_inf, state.optimizer.grad_scale = found, None  # as GradScaler tells a fused optimizer
    state.optimizer.step()
    with torch.no_grad():
        state.model.logit_scale.clamp_(0, MAX_LOGIT_SCALE)
    state.objective.after_step()
    state.step += 1


def _log(state: State, log: Log, numbers: dict[str, torch.Tensor]) -> None:
    """One line of metrics.jsonl.

    Raises:
        DataError: if the gradient was no number in the last steps. The weights are those from before.
    """
    clock, (row, unusable) = state.clock, (int(number) for number in state.bad.tolist())
    line: dict[str, float] = {"step": state.step, "samples": clock.samples, "faults": len(state.account.faults)}
    line |= {name: float(f"{value.item():.6g}") for name, value in numbers.items()}
    line |= {"unusable_steps": unusable} if unusable else {}
    line |= {"seconds": round(clock.elapsed, 3), "waiting_for_data": round(clock.waiting(), 4)}
    log.write(line)
    if row >= PATIENCE:
        _stop(state, log, row)


def _stop(state: State, log: Log, row: int) -> None:
    if all(bool(torch.isfinite(value).all()) for value in state.model.state_dict().values()):
        log.sync()
        state.save()
    newest = max(state.folder.glob(checkpoint.PATTERN), default=None)
    kept = f"{newest} has the weights from before" if newest else "No checkpoint has weights from before"
    raise DataError(
        f"The loss or its gradient is no number, {row} steps in a row up to step {state.step}. {kept}. Lower lr, or raise "
        "warmup, and train into another folder: from the start, or with that file as `weights`."
    )


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
