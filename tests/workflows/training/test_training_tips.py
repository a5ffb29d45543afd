"""TIPS and TIPSv2, formula by formula, on worked examples; and the towers from the inside against the towers as they are."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from pipeline.errors import ConfigError
from workflows.training.config import TrainConfig
from workflows.training.loop import train
from workflows.training.losses import contrast
from workflows.training.model import Built, build
from workflows.training.options import TipsOptions
from workflows.training.shards import Shards
from workflows.training.tips.heads import Centre, Head, cross_entropy, follow, over_crops, over_tokens, target
from workflows.training.tips.objective import Tips
from workflows.training.tips.views import global_view, local_crops, random_mask
from workflows.training.towers import Mask, project, see

Make = Callable[..., Shards]
Micro = Callable[..., TrainConfig]
SMALL = {"prototypes": 16, "hidden": 8, "bottleneck": 4, "local_crops": 2}
TEXTS = {"policy": "tipsv2", "original": "caption_alt", "synthetic": ("caption_short",)}

#: A tower of timm with a register, as TIPSv2's own.
TIMM: dict[str, Any] = {
    "embed_dim": 32,
    "vision_cfg": {
        "image_size": 28,
        "timm_model_name": "vit_tiny_patch16_224",
        "timm_model_pretrained": False,
        "timm_pool": "token",
        "timm_proj": "linear",
    },
    "text_cfg": {"context_length": 12, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 1},
}


def tips_config(micro: Micro, **options: Any) -> TrainConfig:
    return micro(loss="tips", texts=TEXTS, tips=TipsOptions(**(SMALL | options)))


def some(built: Built, samples: int = 4) -> tuple[torch.Tensor, torch.Tensor]:
    """Pictures, and two texts each."""
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (samples, 3, built.size, built.size), generator=generator, dtype=torch.uint8)
    tokens = built.tokenizer([f"{number} {kind}" for number in range(samples) for kind in ("web", "said")])
    return images, tokens.view(samples, 2, -1)


def test_the_teacher_is_centred_and_sharpened() -> None:
    # softmax((2 - 1, 0 - 1) / .5) = softmax(2, -2) = 1 / (1 + e^-4).
    found = target(torch.tensor([2.0, 0.0]), torch.tensor([1.0, 1.0]), 0.5)
    assert found[0].item() == pytest.approx(1 / (1 + math.exp(-4)))
    assert target(torch.tensor([2.0, 0.0]), torch.tensor([2.0, 0.0]), 0.07).tolist() == [0.5, 0.5]


def test_cross_entropy_of_a_worked_example() -> None:
    # h_t = (.75, .25), h_s = softmax(ln 3, 0) = (.75, .25) at temperature 1: the entropy of (.75, .25).
    found = cross_entropy(torch.tensor([0.75, 0.25]), torch.tensor([math.log(3), 0.0]), 1.0)
    assert found.item() == pytest.approx(-(0.75 * math.log(0.75) + 0.25 * math.log(0.25)))


def test_dino_is_the_mean_over_local_crops() -> None:
    wanted = torch.tensor([[1.0, 0.0]])
    crops = torch.tensor([[[math.log(3), 0.0], [0.0, 0.0]]])  # -log .75 and -log .5
    assert over_crops(wanted, crops, 1.0).tolist() == pytest.approx([(-math.log(0.75) - math.log(0.5)) / 2])


def test_ibot_counts_masked_tokens_and_ibot_plus_plus_every_token() -> None:
    wanted = torch.tensor([[[1.0, 0.0]] * 3])
    logits = torch.tensor([[[math.log(3), 0.0], [0.0, 0.0], [0.0, math.log(3)]]])  # -log .75, -log .5, -log .25
    masked = torch.tensor([[True, False, True]])
    ibot = over_tokens(wanted, logits, masked, 1.0, every_token=False)
    ibot_plus_plus = over_tokens(wanted, logits, masked, 1.0, every_token=True)
    assert ibot.tolist() == pytest.approx([(-math.log(0.75) - math.log(0.25)) / 2])
    assert ibot_plus_plus.tolist() == pytest.approx([(-math.log(0.75) - math.log(0.5) - math.log(0.25)) / 3])


def test_heads_give_cosines() -> None:
    head = Head(8, TipsOptions(**SMALL))
    found = head(torch.randn(5, 3, 8, generator=torch.Generator().manual_seed(0)))
    assert found.shape == (5, 3, 16)
    assert found.abs().max() <= 1 + 1e-6


def test_the_centre_moves_once_a_step_however_often_it_looked() -> None:
    centre = Centre(2, momentum=0.9)
    centre.saw(torch.tensor([[1.0, 3.0]]))
    centre.saw(torch.tensor([[3.0, 5.0]]))
    assert centre.value.tolist() == [0, 0]
    centre.move()
    assert centre.value.tolist() == pytest.approx([0.2, 0.4])  # .9 * 0 + .1 * (2, 4)
    centre.move()  # nothing was seen since
    assert centre.value.tolist() == pytest.approx([0.2, 0.4])
    centre.saw(torch.tensor([[math.nan, 1.0]]))
    centre.move()
    assert centre.value.isfinite().all()


def test_a_teacher_follows_slowly() -> None:
    slow, fast = torch.nn.Linear(1, 1), torch.nn.Linear(1, 1)
    torch.nn.init.constant_(slow.weight, 1.0)
    torch.nn.init.constant_(fast.weight, 3.0)
    follow(slow, fast, 0.75)
    assert slow.weight.item() == pytest.approx(0.75 * 1 + 0.25 * 3)


@pytest.mark.parametrize("share", [0.0001, 0.5, 0.75, 1.0])
def test_so_many_patches_are_masked(share: float) -> None:
    masked = random_mask(6, 16, share, torch.device("cpu"))
    assert masked.sum(dim=1).tolist() == [max(1, round(16 * share))] * 6


def test_views() -> None:
    images = torch.rand(3, 3, 32, 32)
    assert global_view(images, None) is images
    assert global_view(images, 16).shape == (3, 3, 16, 16)
    crops = local_crops(images, 8, TipsOptions(**SMALL))
    assert crops.shape == (6, 3, 8, 8)
    assert 0 <= crops.min() <= crops.max() <= 1
    flat = torch.arange(3.0).view(3, 1, 1, 1).expand(3, 3, 32, 32)
    assert local_crops(flat, 8, TipsOptions(**SMALL)).mean(dim=(1, 2, 3)).tolist() == pytest.approx([0, 0, 1, 1, 2, 2])
    whole = TipsOptions(**(SMALL | {"local_area": (1.0, 1.0), "flip": False}))
    assert torch.allclose(local_crops(images, 32, whole)[::2], images, atol=1e-5)


def test_the_tower_from_the_inside_is_the_tower(micro: Micro) -> None:
    built = build(micro(), "cpu")
    model: Any = built.model.eval()
    pixels = built.prepare(some(built)[0])
    with torch.no_grad():
        alone = see(model.visual, pixels)
        assert torch.allclose(project(model.visual, alone.classes[:, 0]), model.encode_image(pixels), atol=1e-5)
        both = see(model.visual, pixels, torch.ones(64))
        assert both.classes.shape == (4, 2, 64)
        assert torch.allclose(both.classes[:, 0], alone.classes[:, 0], atol=1e-5)  # nobody reads the second
        assert torch.allclose(both.patches, alone.patches, atol=1e-5)
        assert not torch.allclose(both.classes[:, 1], both.classes[:, 0], atol=0.1)


def test_a_masked_patch_is_not_seen(micro: Micro) -> None:
    built = build(micro(), "cpu")
    visual: Any = built.model.eval().visual
    one = built.prepare(some(built)[0])
    other, places = one.clone(), torch.zeros(4, 4, dtype=torch.bool)
    other[:, :, :16, :16] = 0.0  # the first of four patches
    places[:, 0] = True
    with torch.no_grad():
        masked = [see(visual, pixels, mask=Mask(places, torch.zeros(64))).classes for pixels in (one, other)]
        assert torch.equal(*masked)
        assert not torch.equal(see(visual, one).classes, see(visual, other).classes)


def test_the_loss_is_the_formula(micro: Micro) -> None:
    """L = (L_CLIP,web + L_CLIP,syn) / 2 + alpha L_DINO + beta L_iBOT."""
    built = build(tips_config(micro), "cpu")
    tips = Tips(built, TipsOptions(**(SMALL | {"alpha": 0.5, "beta": 3.0})))
    torch.manual_seed(0)
    features = tips.encode(*some(built))
    told = tips.loss(features)
    web, said = (contrast(features["images"][:, n], features["texts"][:, n], features["logit_scale"]) for n in (0, 1))
    expected = (web + said) / 2 + 0.5 * features["distillation"].mean() + 3.0 * features["masked"].mean()
    assert told["loss"].item() == pytest.approx(expected.item())
    assert web.item() != said.item()


def test_head_only_averaging_teaches_with_the_students_own_tower(micro: Micro) -> None:
    built = build(tips_config(micro), "cpu")
    heads, full = (Tips(built, TipsOptions(**SMALL, teacher=name)) for name in ("heads", "full"))
    assert set(heads.teacher) == {"heads"}
    assert set(full.teacher) == {"heads", "visual", "second"}
    assert not any(value.requires_grad for value in heads.teacher.parameters())
    torch.manual_seed(0)
    told = heads.loss(heads.encode(*some(built)))
    told["distillation"].backward()
    assert all(value.grad is None for value in heads.teacher.parameters())
    assert all(value.grad is not None for value in heads.heads["image"].parameters())


@pytest.mark.parametrize("teacher", ["heads", "full"])
@pytest.mark.parametrize("every_token", [True, False])
def test_it_trains(teacher: str, every_token: bool, make_shards: Make, micro: Micro, tmp_path: Path) -> None:
    config = tips_config(micro, teacher=teacher, every_token=every_token)
    done = train(config, make_shards(40), tmp_path)
    last = json.loads((tmp_path / "metrics.jsonl").read_text().splitlines()[-1])
    assert last["loss"] == pytest.approx(last["contrast"] + last["distillation"] + 2 * last["masked"], rel=1e-4)
    assert done.fields["caption_alt"] >= 64


def test_a_timm_tower_has_its_second_class_token_in_a_register(micro: Micro) -> None:
    import timm

    trunk: Any = timm.create_model(
        "vit_tiny_patch16_224", img_size=32, reg_tokens=1, num_classes=0, embed_dim=48, depth=1, num_heads=2
    )

    class Visual(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.trunk, self.head = trunk, torch.nn.Linear(48, 8)

    pixels = torch.rand(2, 3, 32, 32)
    with torch.no_grad():
        seen, whole = see(Visual().eval(), pixels), trunk.eval().forward_features(pixels)
    assert torch.allclose(torch.cat([seen.classes, seen.patches], dim=1), whole, atol=1e-5)


def test_models_that_do_not_fit(micro: Micro) -> None:
    vision = {"image_size": 32, "layers": [1, 1, 1, 1], "width": 8}
    resnet = {"embed_dim": 32, "vision_cfg": vision, "text_cfg": TIMM["text_cfg"]}
    for wrong in (TIMM | {"vision_cfg": TIMM["vision_cfg"] | {"image_size": 32}}, resnet):
        config = micro(loss="tips", texts=TEXTS, architecture=wrong)
        with pytest.raises(ConfigError, match="looks inside the picture tower"):
            Tips(build(config, "cpu"), TipsOptions(**SMALL))
    with pytest.raises(ConfigError, match="multiples of the patch"):
        Tips(build(micro(), "cpu"), TipsOptions(**SMALL, local_size=10))
