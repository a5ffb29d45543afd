"""The choices of a training that have names of their own: which texts a sample shows, which objective, which samples."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pipeline.errors import ConfigError
from pipeline.recipe import content, recipe

Policy = Literal["weights", "laclip", "veclip", "recap", "metaclip", "tipsv2", "dreamlip", "longclip"]
TWO_TEXTS = ("tipsv2", "longclip")


@recipe
class TextOptions:
    """How a visit chooses among the texts of a sample; `policies` has the formula of each.

    Attributes:
        policy: its name.
        original: the text that people wrote: `txt`, or a top-level string of the json such as caption_alt.
        synthetic: the texts that a model wrote: rewrites, captions.
        share: `recap` alone: the probability of the original. Recap-DataComp-1B found .8 best.
        sub_captions: `dreamlip` alone: sentences that a visit shows beside the original. Its gain ends at about 8.
        weights: `weights` alone: a field of the json that maps names of texts to this sample's own weights.
    """

    policy: Policy = "weights"
    original: str = "txt"
    synthetic: tuple[str, ...] = ()
    share: float = 0.8
    sub_captions: int = 8
    weights: str | None = None

    def __post_init__(self) -> None:
        if self.policy != "weights" and not self.synthetic:
            raise ConfigError(
                f"The text policy {self.policy} needs `synthetic`: name the captions of the json to show."
            )
        if not 0 <= self.share <= 1 or self.sub_captions < 1:
            raise ConfigError("share must lie in [0, 1], and sub_captions be 1 or more.")

    @property
    def count(self) -> int:
        """Texts that one visit of one sample shows."""
        if self.policy == "dreamlip":
            return 1 + self.sub_captions
        return 2 if self.policy in TWO_TEXTS else 1


@recipe
class TipsOptions:
    """The objective of TIPS (arXiv 2410.16512) and TIPSv2 (2604.12012), as `tips` writes it down.

    The papers leave out heads, temperatures and momentum: those here are DINOv2's (2304.07193), and DINO's (2104.14294).

    Attributes:
        alpha, beta: weights of self-distillation and of masked prediction.
        every_token: iBOT++, whose loss counts every token; False is iBOT, which counts those that were masked.
        teacher: `heads` averages the heads alone over time (TIPSv2); `full` the picture tower too (TIPS v1).
        masked: share of the student's patches that are masked.
        global_size: side of the global view in pixels; None is the model's own.
        local_size: side of a local crop; None is 98/224 of the global view, to the nearest whole patch.
        local_crops: how many a picture.
        local_area: least and greatest share of the picture's area in a local crop.
        flip: whether every other local crop is mirrored.
        prototypes, hidden, bottleneck: of each head: outputs, width of the hidden layers, and the width before the outputs.
        momentum: of the teacher's average.
        student_temperature, teacher_temperature, centre_momentum: sharpening and centring.
    """

    alpha: float = 1.0
    beta: float = 2.0
    every_token: bool = True
    teacher: Literal["heads", "full"] = "heads"
    masked: float = 0.75
    global_size: int | None = None
    local_size: int | None = None
    local_crops: int = 6
    local_area: tuple[float, float] = (0.05, 0.4)
    flip: bool = True
    prototypes: int = 32768
    hidden: int = 2048
    bottleneck: int = 256
    momentum: float = 0.996
    student_temperature: float = 0.1
    teacher_temperature: float = 0.07
    centre_momentum: float = 0.9

    def __post_init__(self) -> None:
        if not (0 < self.masked <= 1 and 0 <= self.momentum < 1 and 0 <= self.centre_momentum < 1):
            raise ConfigError("masked must lie in (0, 1], momentum and centre_momentum in [0, 1).")
        if self.local_crops < 1 or not 0 < self.local_area[0] <= self.local_area[1] <= 1:
            raise ConfigError("local_crops must be 1 or more, and local_area two shares in (0, 1], the smaller first.")


@recipe
class SelectionOptions:
    """Which samples of a super-batch are trained on; `selection` has the rule.

    Attributes:
        reference: a folder that `save` wrote: the model that says what can be learned. It is not trained.
        dropped: share of each super-batch that is not trained on. SigLIP 2 drops .5, JEST .8.
        chunks: 1 scores each sample by itself (the most learnable are kept); more draw as JEST does, each chunk given the
            chunks before. JEST uses 16.
    """

    reference: Path | None = content(default=None)
    dropped: float = 0.5
    chunks: int = 1

    def __post_init__(self) -> None:
        if self.reference is None:
            raise ConfigError("The selection needs `reference`: the folder of a trained model.")
        if not 0 < self.dropped < 1 or self.chunks < 1:
            raise ConfigError("dropped must lie in (0, 1), and chunks be 1 or more.")


def check_pairing(loss: str, texts: TextOptions, selection: SelectionOptions | None) -> None:
    """See that a loss gets as many texts a sample as it takes, and that samples can be chosen by it.

    Raises:
        ConfigError: if not.
    """
    wanted = {"tips": "tipsv2", "longclip": "longclip", "dreamlip": "dreamlip"}.get(loss)
    if texts.count != 1 if wanted is None else texts.policy != wanted:
        fitting = f"texts: {{policy: {wanted}, ...}}" if wanted else "a text policy that shows one text"
        raise ConfigError(f"The loss {loss} does not fit the text policy {texts.policy}. Give it {fitting}.")
    if selection and wanted:
        raise ConfigError(
            f"A selection scores samples by the loss clip or siglip, not {loss}. Leave it out, or change loss."
        )
    if selection and selection.chunks > 1 and loss != "siglip":
        raise ConfigError("A selection in chunks scores pairs by the loss siglip. Change loss, or leave out chunks.")
