"""A tiny Qwen2-VL-shaped model, written down rather than trained: it speaks in sentences, and it sees nothing.

Attention and MLP add nothing (their output projections are zero), the embedding is the identity and the output head holds
log-probabilities of token pairs counted in `corpus()`. So the model is exactly a bigram model of that text, in the shape, the
files and the chat template of a Qwen2-VL: what a server needs to load, prefill an image, sample, and stop. Takes a second.
"""

from __future__ import annotations

import math
import random
from pathlib import Path
from typing import Any

HIDDEN = 512  # at least the vocabulary, so that every token has a direction of its own
VOCABULARY = 448
SPECIAL = [
    "<|endoftext|>",
    "<|im_start|>",
    "<|im_end|>",
    "<|vision_start|>",
    "<|vision_end|>",
    "<|vision_pad|>",
    "<|image_pad|>",
    "<|video_pad|>",
]
TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n"
    "{% if message['content'] is string %}{{ message['content'] }}{% else %}{% for part in message['content'] %}"
    "{% if part['type'] in ['image', 'image_url'] %}<|vision_start|><|image_pad|><|vision_end|>"
    "{% else %}{{ part['text'] }}{% endif %}{% endfor %}{% endif %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def build(folder: Path, sentences: int = 2) -> Path:
    """Write the model, its tokenizer and its processor to `folder`, and return it.

    Args:
        folder: is made; what lies there is overwritten.
        sentences: a field has as many on average; 200 makes answers that do not end.
    """
    folder.mkdir(parents=True, exist_ok=True)
    texts = corpus(sentences)
    tokenizer = _tokenizer(texts)
    _processor(tokenizer, folder)
    _model(tokenizer, texts, folder)
    return folder


def corpus(sentences: int = 2, fields: int = 4000) -> list[str]:
    """Values of JSON fields about things that were never seen, in their quotes; keys are left to guided decoding."""
    draw = random.Random(0)
    return [f'": "{_say(draw, sentences)}"' + draw.choice([", ", ", ", "}"]) for _ in range(fields)]


def _say(draw: random.Random, sentences: int) -> str:
    colours = ["red", "green", "blue", "golden", "white", "dark", "pale", "brown"]
    things = ["cat", "house", "tree", "star", "boat", "hat", "apple", "lamp", "bird", "road", "fish", "wheel"]
    places = ["on a table", "under the sky", "beside a river", "near the wall", "in the grass", "behind a fence"]
    said = [f"A {draw.choice(colours)} {draw.choice(things)} {draw.choice(places)}."]
    while draw.random() > 1 / sentences:
        said.append(f"There is a {draw.choice(colours)} {draw.choice(things)} {draw.choice(places)}.")
    return " ".join(said)


def _tokenizer(texts: list[str]) -> Any:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import Qwen2TokenizerFast

    raw = Tokenizer(models.BPE())
    raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    raw.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY - len(SPECIAL),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    raw.train_from_iterator(texts, trainer)
    raw.add_special_tokens(SPECIAL)
    tokenizer = Qwen2TokenizerFast(tokenizer_object=raw, eos_token="<|im_end|>", pad_token="<|endoftext|>")
    tokenizer.chat_template = TEMPLATE
    return tokenizer


def _processor(tokenizer: Any, folder: Path) -> None:
    from transformers import Qwen2VLImageProcessor, Qwen2VLProcessor, Qwen2VLVideoProcessor

    size = {"shortest_edge": 56 * 56, "longest_edge": 112 * 112}
    Qwen2VLProcessor(
        image_processor=Qwen2VLImageProcessor(size=size),
        tokenizer=tokenizer,
        video_processor=Qwen2VLVideoProcessor(size=size),
        chat_template=TEMPLATE,
    ).save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def _model(tokenizer: Any, texts: list[str], folder: Path) -> None:
    import torch
    from transformers import Qwen2VLForConditionalGeneration

    torch.manual_seed(0)
    with torch.no_grad():
        model = Qwen2VLForConditionalGeneration(_config(tokenizer))
        layer = model.model.language_model.layers[0]
        layer.self_attn.o_proj.weight.zero_()
        layer.mlp.down_proj.weight.zero_()
        model.model.language_model.embed_tokens.weight.copy_(torch.eye(HIDDEN))
        model.lm_head.weight.copy_(_bigrams(tokenizer, texts) / math.sqrt(HIDDEN))  # RMSNorm scales a unit vector by it
    model.generation_config.eos_token_id = tokenizer.eos_token_id
    model.save_pretrained(folder)


def _config(tokenizer: Any) -> Any:
    from transformers import Qwen2VLConfig

    def token(text: str) -> int:
        return int(tokenizer.convert_tokens_to_ids(text))

    text = {
        "vocab_size": HIDDEN,
        "hidden_size": HIDDEN,
        "intermediate_size": 64,
        "num_hidden_layers": 1,
        "num_attention_heads": 8,
        "num_key_value_heads": 2,
        "max_position_embeddings": 2048,
        "bos_token_id": None,
        "eos_token_id": token("<|im_end|>"),
        "pad_token_id": token("<|endoftext|>"),
        "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0, "mrope_section": [8, 12, 12]},
    }
    vision = {"depth": 1, "embed_dim": 64, "hidden_size": HIDDEN, "num_heads": 2, "mlp_ratio": 2, "patch_size": 14}
    return Qwen2VLConfig(
        text_config=text,
        vision_config=vision,
        image_token_id=token("<|image_pad|>"),
        video_token_id=token("<|video_pad|>"),
        vision_start_token_id=token("<|vision_start|>"),
        vision_end_token_id=token("<|vision_end|>"),
    )


def _bigrams(tokenizer: Any, texts: list[str]) -> Any:
    """Log-probabilities of the next token (row) after a token (column), -12 where a pair was never seen."""
    import torch

    counts = torch.zeros(HIDDEN, HIDDEN)
    newline, end = tokenizer.encode("\n")[0], tokenizer.eos_token_id
    for text in texts:
        tokens = [newline, *tokenizer.encode(text), end]
        index = torch.tensor([tokens[1:], tokens[:-1]])
        counts.index_put_(tuple(index), torch.ones(len(tokens) - 1), accumulate=True)
    shares = counts / counts.sum(0).clamp(min=1)
    return shares.log().clamp(min=-12)
