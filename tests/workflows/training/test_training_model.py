"""Models are open_clip's own, drawn from a seed, and what is saved is what open_clip loads."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from PIL import Image

from pipeline.errors import ConfigError
from workflows.training.config import TrainConfig
from workflows.training.images import centre
from workflows.training.model import architecture, build, criterion, load, parameter_groups, save

Micro = Callable[..., TrainConfig]


def test_what_is_saved_is_what_open_clip_loads(micro: Micro, tmp_path: Path) -> None:
    import open_clip

    built = build(micro(), "cpu")
    save(built, tmp_path)
    model, _, transform = open_clip.create_model_and_transforms(f"local-dir:{tmp_path}")
    tokenizer = open_clip.get_tokenizer(f"local-dir:{tmp_path}")
    image, texts = Image.linear_gradient("L").convert("RGB"), ["a red circle", "nothing at all"]
    ours = built.prepare(torch.from_numpy(centre(image, built.size).copy()).permute(2, 0, 1)[None])
    assert torch.allclose(ours[0], transform(image), atol=1e-5)
    assert torch.equal(tokenizer(texts), built.tokenizer(texts))
    model.eval(), built.model.eval()
    with torch.inference_mode():
        assert torch.equal(model.encode_image(ours), built.model.encode_image(ours))  # type: ignore[operator]
        assert torch.equal(model.encode_text(tokenizer(texts)), built.model.encode_text(built.tokenizer(texts)))  # type: ignore[operator]


def test_the_weights_load_as_pretrained_too(micro: Micro, tmp_path: Path) -> None:
    import json

    import open_clip

    built = build(micro(), "cpu")
    files = save(built, tmp_path)
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs" / "mine.json").write_text(json.dumps(dict(built.architecture)))
    open_clip.add_model_config(tmp_path / "configs" / "mine.json")
    model = open_clip.create_model("mine", pretrained=str(files["open_clip_model.safetensors"]))
    assert all(
        torch.equal(a, b) for a, b in zip(model.state_dict().values(), built.model.state_dict().values(), strict=True)
    )


def test_ours_load_again(micro: Micro, tmp_path: Path) -> None:
    built = build(micro(loss="siglip"), "cpu")
    save(built, tmp_path)
    again = load(tmp_path)
    assert again.size == built.size
    assert torch.equal(again.model.logit_bias, built.model.logit_bias)  # type: ignore[arg-type]


def test_weights_belong_to_the_seed_and_leave_the_global_stream_alone(micro: Micro) -> None:
    before = torch.random.get_rng_state()
    one, same, other = (build(micro(seed=seed), "cpu").model.state_dict() for seed in (1, 1, 2))
    assert torch.equal(before, torch.random.get_rng_state())
    assert all(torch.equal(one[name], same[name]) for name in one)
    assert not torch.equal(one["visual.proj"], other["visual.proj"])


def test_scales_start_as_in_the_papers(micro: Micro) -> None:
    clip, siglip = (build(micro(loss=loss), "cpu").model.state_dict() for loss in ("clip", "siglip"))
    assert clip["logit_scale"].item() == pytest.approx(math.log(1 / 0.07))
    assert siglip["logit_scale"].item() == pytest.approx(math.log(10))
    assert siglip["logit_bias"].item() == -10


def test_losses_of_worked_examples() -> None:
    eye = torch.eye(4)
    scale, bias = torch.tensor(10.0), torch.tensor(-10.0)
    softmax = math.log(math.e**10 + 3) - 10
    assert float(criterion("clip")(eye, eye, scale)) == pytest.approx(softmax, abs=1e-6)
    # On the diagonal the logit is 0, elsewhere -10: -log s(0) + 3 * -log s(10), a sample.
    sigmoid = math.log(2) + 3 * math.log(1 + math.exp(-10))
    assert float(criterion("siglip")(eye, eye, scale, bias)) == pytest.approx(sigmoid, abs=1e-6)


def test_gains_biases_and_scales_do_not_decay(micro: Micro) -> None:
    model = build(micro(loss="siglip"), "cpu").model
    kept, decayed = parameter_groups(model, 0.2)
    assert (kept["weight_decay"], decayed["weight_decay"]) == (0.0, 0.2)
    assert {value.ndim for value in kept["params"]} <= {0, 1}
    assert len(kept["params"]) + len(decayed["params"]) == len(list(model.parameters()))


def test_names(micro: Micro) -> None:
    assert architecture(TrainConfig())["embed_dim"] == 128
    assert architecture(TrainConfig(model="ViT-B-32"))["vision_cfg"]["patch_size"] == 32
    with pytest.raises(ConfigError, match="There is no model 'ViT-Z'"):
        architecture(TrainConfig(model="ViT-Z"))


def test_fresh_weights_are_not_worth_a_warning(micro: Micro, caplog: pytest.LogCaptureFixture) -> None:
    build(micro(), "cpu")
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]
