"""A Qwen2-VL of a few million parameters, and the batched forward pass that trains it.

The shape is the published one (Wang et al., "Qwen2-VL", 2024: ViT with 2-D rotary positions, 2x2 patch merger, decoder with
M-RoPE), so that vLLM and transformers serve the folder without code of ours. Only the widths are small.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from workflows.demo.captioner.shape import CELL, FRAMES, MAX_PIXELS, MERGE, MIN_PIXELS, PATCH, Grid

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

MEAN = (0.48145466, 0.4578275, 0.40821073)
STD = (0.26862954, 0.26130258, 0.27577711)
WIDTH, HEADS, KV_HEADS = 256, 4, 2
MROPE = (8, 12, 12)  # time, height, width: half a head of 64


def build(tokenizer: "PreTrainedTokenizerFast", depth: int = 4, vision_depth: int = 5) -> Any:
    """An untrained `Qwen2VLForConditionalGeneration` for `tokenizer`."""
    from transformers import Qwen2VLConfig, Qwen2VLForConditionalGeneration

    token = tokenizer.convert_tokens_to_ids
    config = Qwen2VLConfig(
        text_config={
            "vocab_size": len(tokenizer),
            "hidden_size": WIDTH,
            "intermediate_size": 640,
            "num_hidden_layers": depth,
            "num_attention_heads": HEADS,
            "num_key_value_heads": KV_HEADS,
            "max_position_embeddings": 2048,
            "rms_norm_eps": 1e-6,
            "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0, "mrope_section": list(MROPE)},
            "bos_token_id": None,
            "eos_token_id": token("<|im_end|>"),
            "pad_token_id": token("<|endoftext|>"),
            "tie_word_embeddings": True,
        },
        vision_config={
            "depth": vision_depth,
            "embed_dim": WIDTH,
            "hidden_size": WIDTH,
            "num_heads": HEADS,
            "mlp_ratio": 3,
            "patch_size": PATCH,
            "spatial_merge_size": MERGE,
            "temporal_patch_size": FRAMES,
        },
        image_token_id=token("<|image_pad|>"),
        video_token_id=token("<|video_pad|>"),
        vision_start_token_id=token("<|vision_start|>"),
        vision_end_token_id=token("<|vision_end|>"),
        tie_word_embeddings=True,
    )
    return Qwen2VLForConditionalGeneration(config)


def export(model: Any, tokenizer: "PreTrainedTokenizerFast", folder: Path) -> None:
    """Write the folder that vLLM and transformers load: float16 weights, config, tokenizer, processor, chat template."""
    from transformers import Qwen2VLImageProcessor, Qwen2VLProcessor, Qwen2VLVideoProcessor

    size = {"shortest_edge": MIN_PIXELS, "longest_edge": MAX_PIXELS}
    shape = {"patch_size": PATCH, "merge_size": MERGE, "temporal_patch_size": FRAMES, "size": size}
    half = build(tokenizer, model.config.text_config.num_hidden_layers, model.config.vision_config.depth)
    half.load_state_dict(model.state_dict())
    half.generation_config.do_sample = False
    half.half().save_pretrained(folder)
    (folder / "model.safetensors").chmod(0o644)
    processor = Qwen2VLProcessor(
        image_processor=Qwen2VLImageProcessor(**shape),
        tokenizer=tokenizer,
        video_processor=Qwen2VLVideoProcessor(**shape),
        chat_template=tokenizer.chat_template,
    )
    processor.save_pretrained(folder)


def patchify(pixels: Tensor) -> Tensor:
    """uint8 pictures (B, 3, H, W) to normalised patches (B, N, 3*FRAMES*PATCH*PATCH), in the order of the merger.

    Equal to `Qwen2VLImageProcessor` after its resize; a test compares them.
    """
    batch, channels, height, width = pixels.shape
    mean = torch.tensor(MEAN).view(1, 3, 1, 1)
    std = torch.tensor(STD).view(1, 3, 1, 1)
    scaled = (pixels.float() / 255 - mean) / std
    cells = scaled.reshape(batch, channels, height // CELL, MERGE, PATCH, width // CELL, MERGE, PATCH)
    cells = cells.permute(0, 2, 5, 3, 6, 1, 4, 7).unsqueeze(6).expand(-1, -1, -1, -1, -1, -1, FRAMES, -1, -1)
    return cells.reshape(batch, (height // PATCH) * (width // PATCH), -1)


def see(visual: Any, patches: Tensor, grid: Grid) -> tuple[Tensor, Tensor]:
    """The vision tower over pictures of one grid: (merged tokens (B, N/4, WIDTH), last hidden patches (B, N, WIDTH)).

    The same arithmetic as the tower's own forward, which attends picture by picture; here the batch is one dimension.
    """
    cos, sin = rotation(grid)
    embed = visual.patch_embed.proj.weight.flatten(1)
    hidden = patches @ embed.T
    for block in visual.blocks:
        hidden = hidden + _attend(block.attn, block.norm1(hidden), cos, sin)
        hidden = hidden + block.mlp(block.norm2(hidden))
    merged = visual.merger.mlp(visual.merger.ln_q(hidden).reshape(hidden.shape[0], -1, WIDTH * MERGE**2))
    return merged, hidden


def patch_order(grid: Grid) -> tuple[Tensor, Tensor]:
    """Row and column (N,) of each patch, in the order of the merger: cell by cell, and within a cell row by row."""
    rows, columns = torch.meshgrid(torch.arange(grid[0]), torch.arange(grid[1]), indexing="ij")
    cells = grid[0] // MERGE, MERGE, grid[1] // MERGE, MERGE
    return rows.reshape(cells).permute(0, 2, 1, 3).flatten(), columns.reshape(cells).permute(0, 2, 1, 3).flatten()


def rotation(grid: Grid) -> tuple[Tensor, Tensor]:
    """Cosine and sine (N, head width) of the tower's axial rotary positions, patches in the order of the merger."""
    head = WIDTH // HEADS
    speed = 10000.0 ** -(torch.arange(0, head // 2, 2).float() / (head // 2))
    angles = torch.cat([axis[:, None] * speed for axis in patch_order(grid)], dim=1)
    angles = torch.cat([angles, angles], dim=1)
    return angles.cos(), angles.sin()


def _attend(attention: nn.Module, hidden: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    batch, count, _ = hidden.shape
    mixed: Tensor = attention.qkv(hidden)  # type: ignore[operator]
    query, key, value = mixed.reshape(batch, count, 3, HEADS, -1).permute(2, 0, 3, 1, 4)
    query, key = (x * cos + _turn(x) * sin for x in (query, key))
    out = functional.scaled_dot_product_attention(query, key, value)
    projected: Tensor = attention.proj(out.transpose(1, 2).reshape(batch, count, -1))  # type: ignore[operator]
    return projected


def _turn(x: Tensor) -> Tensor:
    low, high = x.chunk(2, dim=-1)
    return torch.cat((-high, low), dim=-1)


def positions(before: int, grid: Grid, after: int) -> Tensor:
    """M-RoPE positions (3, L): `before` text tokens, the merged grid, then `after` text tokens.

    Text counts up on all three axes; the picture's tokens share one time and carry their row and column; text goes on from the
    largest position seen (Qwen2-VL, section 2.1).
    """
    rows, columns = grid[0] // MERGE, grid[1] // MERGE
    text = torch.arange(before).expand(3, -1)
    down, across = torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing="ij")
    picture = torch.stack([torch.zeros(rows * columns, dtype=torch.long), down.flatten(), across.flatten()]) + before
    tail = torch.arange(after).expand(3, -1) + before + max(rows, columns)
    return torch.cat([text, picture, tail], dim=1)


def decode(model: Any, seen: Tensor, prefix: Tensor, tail: Tensor, grid: Grid) -> Tensor:
    """Hidden states (B, tail length, WIDTH) over `tail`, after the prompt `prefix` (P,) and the picture's tokens `seen`."""
    return begin(model, seen, prefix, tail, grid)[0]


def begin(model: Any, seen: Tensor, prefix: Tensor, tail: Tensor, grid: Grid) -> tuple[Tensor, Any]:
    """What `decode` gives, and the keys and values to go on from. The prompt is the same for all, and is computed once."""
    from transformers import DynamicCache

    words, language = model.get_input_embeddings(), model.model.language_model
    batch, where = seen.shape[0], positions(len(prefix), grid, tail.shape[1])[:, None]
    cache = DynamicCache(config=model.config.get_text_config())
    language(
        inputs_embeds=words(prefix)[None],
        position_ids=where[..., : len(prefix)],
        past_key_values=cache,
        use_cache=True,
    )
    cache.batch_repeat_interleave(batch)
    # Padding stands on the right, where causal attention never looks back from.
    out: Tensor = language(
        inputs_embeds=torch.cat([seen, words(tail)], dim=1),
        position_ids=where[..., len(prefix) :].expand(-1, batch, -1),
        past_key_values=cache,
        use_cache=True,
    ).last_hidden_state
    return out[:, -tail.shape[1] :], cache


@torch.inference_mode()
def greedy(model: Any, pixels: Tensor, grid: Grid, prompt: tuple[Tensor, Tensor], most: int) -> Tensor:
    """The `most` likeliest next tokens (B, most), one after another, of pictures (B, 3, H, W) of one grid.

    `prompt` holds the ids before the picture (P,) and after it (A,). What follows an end token means nothing.
    """
    before, after = prompt
    seen, _ = see(model.model.visual, patchify(pixels), grid)
    out, cache = begin(model, seen, before, after.expand(len(pixels), -1), grid)
    place = int(positions(len(before), grid, len(after)).max())
    told = [model.lm_head(out[:, -1]).argmax(-1)]
    while len(told) < most:
        place += 1
        where = torch.full((3, len(pixels), 1), place)
        embedded = model.get_input_embeddings()(told[-1])[:, None]
        out = model.model.language_model(
            inputs_embeds=embedded, position_ids=where, past_key_values=cache, use_cache=True
        ).last_hidden_state
        told.append(model.lm_head(out[:, -1]).argmax(-1))
    return torch.stack(told, dim=1)
