"""What a training is: its model, its diet and its schedule."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from pathlib import Path
from typing import Any, Literal

from pipeline.errors import ConfigError
from pipeline.recipe import content, execution, recipe
from workflows.training.options import SelectionOptions, TextOptions, TipsOptions, check_pairing


@recipe
class TrainConfig:
    """The recipe of one training. On a CPU, at float32 and a fixed number of threads, it decides every bit of the weights.

    Attributes:
        model: an open_clip name such as ViT-B-32, or `pairpool-tiny`; the name under which `architecture` is kept, if given.
        architecture: a model of one's own, as open_clip's JSON: embed_dim, vision_cfg, text_cfg.
        model_file: the same in a JSON file of one's own.
        pretrained: a tag of open_clip's whose weights the model starts from; they are downloaded.
        weights: a file of weights to start from, or a folder that a training left. Without these two weights are drawn.
        frozen: towers that are not trained: `image` is LiT (Zhai et al. 2022). Give `pretrained` or `weights` with it.
        long_texts: stretch the text tower's positions as Long-CLIP does, 77 to 248, before training.
        loss: `clip` (softmax over the batch, Radford et al. 2021), `siglip` (sigmoid of pairs, Zhai et al. 2023), `dreamlip` (many
            positives and grouping), `longclip` (long and short texts), or `tips` (two class tokens, self-distillation, iBOT++).
            The latter three need the text policy of their number of texts.
        grouping: `dreamlip` alone: weight of the grouping loss.
        tips: `tips` alone: its parts.
        selection: train on the most learnable samples of super-batches alone, each batch / (1 - dropped) samples.
        captions: weight of each text of a sample: `txt`, or a top-level string of its json such as caption_short.
            A field of weight 0 is read only where the one that was drawn is empty.
        texts: the policy by which a visit chooses its texts; `captions` are the weights of the policy `weights`.
        online: `probability` balances as it goes (MetaCLIP v1.2): each visit draws one of the sample's `texts`, which takes the
            place of its txt, and is skipped unless its entry in `probabilities` is above the visit's own number. A sample
            without these lists needs a `probability` of its txt. The export's `lists` and `columns` write them.
        batch: samples a step.
        steps: how many; with `seconds`, whichever ends first. The learning rate follows the nearer end.
        seconds: of training. A training that a clock ends is not reproducible.
        lr, weight_decay, warmup, clip_norm: AdamW's rate and decay, the share of the schedule that warms up, the gradient's bound.
        crop: a training picture is a random crop of at least this share of the area (open_clip's default .9).
        mix: how many shards are shuffled together.
        precision: `bf16` computes under autocast.
        accumulate: micro-batches that a rank's share of a batch is computed in, one after the other: less memory, the same
            gradient (`step`), one more forward pass.
        recompute: activations are computed again in the backward pass instead of kept (gradient checkpointing).
        workers: processes that decode; 0 decodes in the trainer's own.
        threads: of torch on a CPU; 0 leaves them as they are.
        cache_mb: decoded pictures kept by each worker, so that a small data set is decoded once.
        log_every: steps between lines of metrics.jsonl.
        tensorboard: write the same numbers as TensorBoard's events.
        checkpoint_steps, checkpoint_minutes: how often the training is saved as a whole; 0 never. A training that is run again
            with its checkpoints goes on from the last: to the bit on a CPU, if its schedule has no `seconds`.
        keep: the last so many checkpoints stay.
    """

    model: str = "pairpool-tiny"
    architecture: Mapping[str, Any] | None = None
    model_file: Path | None = content(default=None)
    pretrained: str | None = None
    weights: Path | None = content(default=None)
    frozen: tuple[Literal["image", "text"], ...] = ()
    long_texts: bool = False
    loss: Literal["clip", "siglip", "dreamlip", "longclip", "tips"] = "clip"
    grouping: float = 1.0
    tips: TipsOptions = TipsOptions()
    selection: SelectionOptions | None = None
    captions: Mapping[str, float] = field(default_factory=lambda: {"txt": 1.0})
    texts: TextOptions = TextOptions()
    online: Literal["probability"] | None = None
    batch: int = 128
    steps: int = 1000
    seconds: float | None = None
    lr: float = 1e-3
    weight_decay: float = 0.2
    warmup: float = 0.05
    clip_norm: float = 1.0
    crop: float = 0.9
    mix: int = 8
    seed: int = 0
    precision: Literal["fp32", "bf16"] = "fp32"
    device: Literal["auto", "cpu", "cuda"] = execution(default="auto")
    workers: int = execution(default=0)
    threads: int = execution(default=0)
    cache_mb: int = execution(default=256)
    log_every: int = execution(default=10)
    accumulate: int = execution(default=1)
    recompute: bool = execution(default=False)
    tensorboard: bool = execution(default=False)
    checkpoint_steps: int = execution(default=0)
    checkpoint_minutes: float = execution(default=10.0)
    keep: int = execution(default=2)

    def __post_init__(self) -> None:
        if min(self.captions.values(), default=-1.0) < 0 or sum(self.captions.values()) <= 0:
            raise ConfigError(f"Caption weights {dict(self.captions)} must not be negative, and one must be positive.")
        if self.batch < 2 or self.steps < 1 or self.mix < 1 or self.log_every < 1:
            raise ConfigError("A training needs a batch of 2 or more, and steps, mix and log_every of 1 or more.")
        if self.accumulate < 1 or self.keep < 1 or min(self.checkpoint_steps, self.checkpoint_minutes) < 0:
            raise ConfigError(
                "accumulate and keep must be 1 or more, checkpoint_steps and checkpoint_minutes 0 or more."
            )
        check_pairing(self.loss, self.texts, self.selection)
        if self.pretrained and self.weights:
            raise ConfigError("Give `pretrained` or `weights`, not both: a model starts from one set of weights.")
        if len(set(self.frozen)) > 1:
            raise ConfigError("`frozen` names both towers, which leaves nothing to train. Name one.")
        if not (0 <= self.warmup < 1 and 0 < self.crop <= 1 and self.lr > 0):
            raise ConfigError("warmup must lie in [0, 1), crop in (0, 1], and lr above 0.")

    @property
    def visited(self) -> int:
        """Samples that are read for one step: its batch, or the super-batch that it is chosen from."""
        return self.batch if self.selection is None else round(self.batch / (1 - self.selection.dropped))
