"""The training forward pass against the published implementation, and the exported folder as transformers loads it."""

from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image, ImageDraw

from workflows.demo.captioner import tokens
from workflows.demo.captioner.model import build, decode, export, greedy, patchify, see
from workflows.demo.captioner.shape import CELL, MAX_PIXELS, MIN_PIXELS

SIZES = [(112, 112), (224, 56), (56, 224)]  # those that the processor leaves as they are


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    where = tmp_path_factory.mktemp("captioner")
    tokenizer = tokens.train_tokenizer([tokens.before_image(), tokens.AFTER_IMAGE, "a red apple"] * 9, 400)
    export(build(tokenizer, depth=2, vision_depth=2), tokenizer, where)
    return where


@pytest.fixture(scope="module")
def served(folder: Path) -> tuple[Any, Any]:
    from transformers import AutoProcessor, Qwen2VLForConditionalGeneration

    model = Qwen2VLForConditionalGeneration.from_pretrained(folder, dtype=torch.float32).eval()
    return model, AutoProcessor.from_pretrained(folder)


def picture(width: int, height: int) -> Image.Image:
    drawn = Image.radial_gradient("L").resize((width, height)).convert("RGB")
    ImageDraw.Draw(drawn).ellipse((9, 9, width // 2, height // 2), fill=(200, 30, 60))
    return drawn


def messages(prompt: str) -> list[dict[str, Any]]:
    return [{"role": "user", "content": [{"type": "text", "text": prompt}, {"type": "image"}]}]


@pytest.mark.slow
@pytest.mark.parametrize(("width", "height"), SIZES)
def test_training_and_serving_see_the_same(served: tuple[Any, Any], width: int, height: int) -> None:
    model, processor = served
    image = picture(width, height)
    chat = processor.apply_chat_template(messages(tokens.PROMPT), add_generation_prompt=True, tokenize=False)
    assert chat == tokens.before_image() + "<|image_pad|>" + tokens.AFTER_IMAGE
    inputs = processor(text=[chat + "a red apple"], images=[image], return_tensors="pt")
    patches = patchify(
        torch.frombuffer(bytearray(image.tobytes()), dtype=torch.uint8).reshape(1, height, width, 3).permute(0, 3, 1, 2)
    )
    assert torch.allclose(patches[0], inputs["pixel_values"], atol=1e-5)

    grid = (height // 14, width // 14)
    tail = torch.tensor([processor.tokenizer.encode(tokens.AFTER_IMAGE + "a red apple")])
    prefix = torch.tensor(processor.tokenizer.encode(tokens.before_image()))
    with torch.inference_mode():
        expected = model(**inputs).logits[:, -tail.shape[1] :]
        ours = model.lm_head(decode(model, see(model.model.visual, patches, grid)[0], prefix, tail, grid))
    assert torch.allclose(ours, expected, atol=2e-4)


@pytest.mark.slow
def test_the_likeliest_words_are_those_that_transformers_generates(served: tuple[Any, Any]) -> None:
    model, processor = served
    images = [picture(112, 112), picture(112, 112).rotate(90)]
    chat = processor.apply_chat_template(messages(tokens.PROMPT), add_generation_prompt=True, tokenize=False)
    inputs = processor(text=[chat] * 2, images=images, return_tensors="pt")
    made = model.generate(**inputs, max_new_tokens=8, min_new_tokens=8, do_sample=False)[:, -8:]
    raw = torch.stack([torch.frombuffer(bytearray(image.tobytes()), dtype=torch.uint8) for image in images])
    pixels = raw.reshape(2, 112, 112, 3).permute(0, 3, 1, 2)
    prompt = tuple(
        torch.tensor(processor.tokenizer.encode(text)) for text in (tokens.before_image(), tokens.AFTER_IMAGE)
    )
    assert greedy(model, pixels, (8, 8), (prompt[0], prompt[1]), 8).tolist() == made.tolist()


@pytest.mark.slow
@pytest.mark.parametrize("size", [(64, 64), (256, 256), (43, 43), (1000, 1000), (181, 256), (256, 100)])
def test_every_picture_becomes_few_tokens(served: tuple[Any, Any], size: tuple[int, int]) -> None:
    _, processor = served
    grid = processor.image_processor(images=[picture(*size)], return_tensors="pt")["image_grid_thw"][0].tolist()
    assert 8 <= grid[1] * grid[2] // 4 <= 24
    if size[0] == size[1]:
        assert grid == [1, 8, 8]


def test_the_bounds_leave_room_for_rounding() -> None:
    square = (4 * CELL) ** 2
    assert MIN_PIXELS < square < MAX_PIXELS


def test_the_shipped_folder_is_small_and_whole() -> None:
    from captioning.demo_model import PATH

    names = {file.name for file in PATH.iterdir() if file.is_file()}
    assert {"config.json", "model.safetensors", "tokenizer.json", "chat_template.jinja", "MODEL_CARD.md"} <= names
    assert sum(file.stat().st_size for file in PATH.iterdir() if file.is_file()) <= 20_000_000
