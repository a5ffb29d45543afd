"""The captioner's tokenizer, prompt and chat template.

The JSON skeleton of an answer is four added tokens, so that a model of a few million parameters spends its capacity on words
rather than on quotes and braces.
"""

import json
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

PROMPT = "Describe the image as JSON with the fields short, medium and long."
# A tenth of the training steps ask in other words, so that a small change of the prompt does not silence the model.
OTHER_PROMPTS = (
    "Describe this picture as JSON with the fields short, medium and long.",
    "Write a short, a medium and a long caption for the image, as JSON.",
    "Caption the image. Answer with JSON.",
    "",
)
FIELDS = ("short", "medium", "long")
SKELETON = ('{"short": "', '", "medium": "', '", "long": "', '"}')
SPECIAL = (
    "<|endoftext|>",
    "<|im_start|>",
    "<|im_end|>",
    "<|vision_start|>",
    "<|vision_end|>",
    "<|image_pad|>",
    "<|video_pad|>",
)

CHAT_TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n"
    "{% if message['content'] is string %}{{ message['content'] }}{% else %}"
    "{% for part in message['content'] %}"
    "{% if part['type'] in ('image', 'image_url') %}<|vision_start|><|image_pad|><|vision_end|>"
    "{% elif 'text' in part %}{{ part['text'] }}{% endif %}"
    "{% endfor %}{% endif %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def answer(short: str, medium: str, long: str) -> str:
    """The JSON text the model is taught, spelt exactly as the skeleton tokens spell it."""
    return json.dumps({"short": short, "medium": medium, "long": long}, ensure_ascii=False)


def before_image(prompt: str = PROMPT) -> str:
    """What the chat template puts before the image of a single user turn of text, then image."""
    return f"<|im_start|>user\n{prompt}<|vision_start|>"


AFTER_IMAGE = "<|vision_end|><|im_end|>\n<|im_start|>assistant\n"
END = "<|im_end|>"


def train_tokenizer(texts: Iterable[str], vocabulary: int) -> "PreTrainedTokenizerFast":
    """A byte-level BPE (any text can be read) of at most `vocabulary` entries, trained on `texts`."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    core = Tokenizer(models.BPE())
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    core.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary - len(SPECIAL) - len(SKELETON),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    core.train_from_iterator(texts, trainer)
    core.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in SPECIAL])
    core.add_tokens([AddedToken(token, normalized=False) for token in SKELETON])
    return PreTrainedTokenizerFast(
        tokenizer_object=core,
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        chat_template=CHAT_TEMPLATE,
        clean_up_tokenization_spaces=False,
        model_max_length=1024,
    )
