"""Models to serve: the shipped one, a folder, or random weights at the real shape of a published model.

Serving costs what the shape costs, whatever the weights say, so a shape with `--load-format dummy` stands for a model that cannot be
downloaded. Its tokenizer and chat template are those of the demonstration model: answers are gibberish that fits the schema.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from captioning.demo_model import PATH

DUMMY = ("--load-format", "dummy")
ROPE = {"rope_type": "default", "rope_theta": 5000000.0, "mrope_section": [24, 20, 20], "mrope_interleaved": True}


def _qwen3(hidden: int, layers: int, heads: int, inter: int, vision: dict[str, Any]) -> dict[str, Any]:
    """The configuration of a Qwen3-VL (arXiv:2511.21631), as its model cards give it."""
    text = {
        "model_type": "qwen3_vl_text",
        "vocab_size": 151936,
        "hidden_size": hidden,
        "intermediate_size": inter,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "num_key_value_heads": 8,
        "head_dim": 128,
        "hidden_act": "silu",
        "rms_norm_eps": 1e-06,
        "max_position_embeddings": 262144,
        "attention_bias": False,
        "rope_parameters": ROPE,
        "tie_word_embeddings": hidden < 4096,
    }
    eye = {
        "model_type": "qwen3_vl",
        "patch_size": 16,
        "spatial_merge_size": 2,
        "temporal_patch_size": 2,
        "in_channels": 3,
    }
    eye |= {
        "num_heads": 16,
        "out_hidden_size": hidden,
        "num_position_embeddings": 2304,
        "hidden_act": "gelu_pytorch_tanh",
    }
    return {
        "architectures": ["Qwen3VLForConditionalGeneration"],
        "model_type": "qwen3_vl",
        "dtype": "bfloat16",
        "text_config": text,
        "vision_config": eye | vision,
        "tie_word_embeddings": hidden < 4096,
    }


SMALL_EYE = {"depth": 24, "hidden_size": 1024, "intermediate_size": 4096, "deepstack_visual_indexes": [5, 11, 17]}
LARGE_EYE = {"depth": 27, "hidden_size": 1152, "intermediate_size": 4304, "deepstack_visual_indexes": [8, 16, 24]}
SHAPES: dict[str, dict[str, Any]] = {
    "Qwen/Qwen3-VL-2B-Instruct": _qwen3(2048, 28, 16, 6144, SMALL_EYE),
    "Qwen/Qwen3-VL-4B-Instruct": _qwen3(2560, 36, 32, 9728, SMALL_EYE),
    "Qwen/Qwen3-VL-8B-Instruct": _qwen3(4096, 36, 32, 12288, LARGE_EYE),
}
PIXELS = {"shortest_edge": 65536, "longest_edge": 16777216}  # of Qwen3-VL's preprocessor


def build(name: str, folder: Path, layers: int | None = None) -> Path:
    """Write a model folder without weights; `mid` is the demonstration model, twice as wide and deep.

    Args:
        name: a key of SHAPES, or `mid`.
        folder: to write to.
        layers: fewer than the shape has, to try it on a small machine; what is measured then is not that shape.
    """
    source = Path(PATH)
    made = folder / name.rpartition("/")[2]
    shutil.copytree(source, made, ignore=shutil.ignore_patterns("*.safetensors", "__*", "*.md"))
    config = json.loads((source / "config.json").read_text())
    if name == "mid":
        config["text_config"] |= {
            "hidden_size": 512,
            "intermediate_size": 1536,
            "num_hidden_layers": 8,
            "num_attention_heads": 8,
        }
        config["vision_config"] |= {"hidden_size": 512}
    else:
        special = {key: value for key, value in config.items() if key.endswith("_token_id")}
        ends = {key: config["text_config"][key] for key in ("bos_token_id", "eos_token_id", "pad_token_id")}
        config = {**SHAPES[name], **special}
        config["text_config"] = {**config["text_config"], **ends}
        _processor(made)
    if layers:
        config["text_config"]["num_hidden_layers"] = layers
    config["text_config"].pop("layer_types", None)  # one word a layer; transformers writes them anew
    (made / "config.json").write_text(json.dumps(config, indent=1))
    return made


def _processor(folder: Path) -> None:
    """Qwen3-VL cuts images into patches of 16, and takes large ones."""
    path = folder / "processor_config.json"
    config = json.loads(path.read_text())
    for name in ("image_processor", "video_processor"):
        config[name] |= {"patch_size": 16, "size": PIXELS}
        config[name] |= {"image_mean": [0.5] * 3, "image_std": [0.5] * 3}
    config["video_processor"]["video_processor_type"] = "Qwen3VLVideoProcessor"
    config["processor_class"] = "Qwen3VLProcessor"
    path.write_text(json.dumps(config, indent=1))
