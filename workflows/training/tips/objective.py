"""L = L_CLIP + alpha L_DINO + beta L_iBOT of TIPS (arXiv 2410.16512) and TIPSv2 (2604.12012).

L_CLIP is the mean of the first class token's contrast with the text that people wrote and the second's with a synthetic one.
Where the papers are silent, and what is chosen: the contrast is of the clean global view, which is also what the teacher sees,
so that with head-only averaging one pass serves both; L_DINO is of the first class token; both class tokens share the tower's
projection; sums over crops and tokens are means; the tower runs clean, masked, and on local crops.
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812 - as everyone calls it

from pipeline.errors import ConfigError
from workflows.training.contrastive import Contrastive
from workflows.training.losses import contrast
from workflows.training.model import Built
from workflows.training.options import TipsOptions
from workflows.training.tips.heads import Centre, Head, follow, over_crops, over_tokens, target
from workflows.training.tips.views import global_view, local_crops, random_mask
from workflows.training.towers import Mask, Seen, check, is_timm, patch_side, project, see, width

LOCAL = 98 / 224  #: of the global view (TIPS, section 4)


class Tips(Contrastive):
    """The objective with all that it trains: an open_clip model, two heads, a mask token; and the teacher, which it does not."""

    def __init__(self, built: Built, options: TipsOptions, seed: int = 0) -> None:
        super().__init__(built)
        self.options = options
        visual = self._visual
        check(visual, classes=2)
        wide, device = width(visual), next(visual.parameters()).device
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.heads = nn.ModuleDict({"image": Head(wide, options), "patch": Head(wide, options)})
            second = torch.randn(wide) * wide**-0.5
        self.mask_token = nn.Parameter(torch.zeros(wide))
        self.second = None if is_timm(visual) else nn.Parameter(second)
        self.teacher = nn.ModuleDict({"heads": deepcopy(self.heads)})
        if options.teacher == "full":
            self.teacher["visual"] = deepcopy(visual)
            self.teacher["second"] = nn.ParameterList([] if self.second is None else [self.second.detach().clone()])
        self.teacher.requires_grad_(False)
        centres = {name: Centre(options.prototypes, options.centre_momentum) for name in self.heads}
        self.centres = nn.ModuleDict(centres)
        self.to(device)
        self._local = self._local_size(built.size)

    @property
    def _visual(self) -> Any:
        return self.model.visual

    def encode(self, images: torch.Tensor, tokens: torch.Tensor) -> dict[str, torch.Tensor]:
        """Rows of the two contrasts, and of the two other losses, which need no other sample.

        Args:
            images: uint8, samples x 3 x size x size.
            tokens: samples x 2 x context length: for the first class token, for the second.
        """
        visual, pixels = self._visual, self.built.prepare(images)
        view = global_view(pixels, self.options.global_size)
        clean = see(visual, view, self.second)
        wanted, wanted_patches = self._targets(view, clean)
        return {
            "images": F.normalize(project(visual, clean.classes), dim=-1),
            "texts": self.texts(tokens),
            "logit_scale": self.scale,
            "distillation": self._distillation(pixels, wanted),
            "masked": self._masked(view, wanted_patches),
        }

    def loss(self, features: dict[str, torch.Tensor]) -> Mapping[str, torch.Tensor]:
        """`loss` and its parts."""
        images, texts, scale = features["images"], features["texts"], features["logit_scale"]
        both = [contrast(images[:, place], texts[:, place], scale) for place in (0, 1)]
        parts = {
            "contrast": (both[0] + both[1]) / 2,
            "distillation": features["distillation"].mean(),
            "masked": features["masked"].mean(),
        }
        total = parts["contrast"] + self.options.alpha * parts["distillation"] + self.options.beta * parts["masked"]
        return {"loss": total, **parts}

    def after_step(self) -> None:
        """Move teacher and centres, once the optimizer has stepped."""
        momentum = self.options.momentum
        follow(self.teacher["heads"], self.heads, momentum)
        if self.options.teacher == "full":
            follow(self.teacher["visual"], self._visual, momentum)
            if self.second is not None:
                follow(self.teacher["second"], nn.ParameterList([self.second]), momentum)
        for centre in self.centres.values():
            centre.move()  # type: ignore[operator]

    @torch.no_grad()
    def _targets(self, view: torch.Tensor, clean: Seen) -> tuple[torch.Tensor, torch.Tensor]:
        """What the teacher says of the first class token and of each patch; no gradient passes."""
        seen = clean
        if self.options.teacher == "full":
            second: Any = self.teacher["second"]
            seen = see(self.teacher["visual"], view, next(iter(second), None))
        heads: Any = self.teacher["heads"]
        return self._target("image", heads["image"](seen.classes[:, 0])), self._target(
            "patch", heads["patch"](seen.patches)
        )

    def _target(self, name: str, logits: torch.Tensor) -> torch.Tensor:
        centre: Any = self.centres[name]
        if self.training:
            centre.saw(logits)
        return target(logits, centre.value, self.options.teacher_temperature)

    def _distillation(self, images: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
        crops = local_crops(images, self._local, self.options)
        seen = see(self._visual, crops, self.second)
        logits = self.heads["image"](seen.classes[:, 0]).view(len(images), self.options.local_crops, -1)
        return over_crops(wanted, logits, self.options.student_temperature)

    def _masked(self, view: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
        places = random_mask(len(wanted), wanted.shape[1], self.options.masked, view.device)
        seen = see(self._visual, view, self.second, Mask(places, self.mask_token))
        logits, student = self.heads["patch"](seen.patches), self.options.student_temperature
        return over_tokens(wanted, logits, places, student, every_token=self.options.every_token)

    def _local_size(self, size: int) -> int:
        """The side of local crops, for pictures of a size.

        Raises:
            ConfigError: if whole patches do not fill a view.
        """
        patch, whole = patch_side(self._visual), self.options.global_size or size
        local = self.options.local_size or max(1, round(whole * LOCAL / patch)) * patch
        if whole % patch or local % patch:
            raise ConfigError(f"Views of {whole} and {local} pixels must be multiples of the patch, {patch} pixels.")
        return local
