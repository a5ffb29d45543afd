"""`ray.data.llm` with its engine processor: `python -m benchmarks.caption.engine MODEL_FOLDER ROWS [MAX_TOKENS]`.

Ray runs the engine itself, so there is no server to share: this runs alone, and says what came of it. Images a second are counted
without the start of the engine, from the moment when the first request was sent to it (taken from what Ray says that each request
took) to the last answer; what a block of answers waits for Ray shortens that span, in Ray's favour. Ray 2.60 is made for vLLM 0.29.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

from benchmarks.caption.clients import image_part, ray_cluster, record
from captioning.stage import Caption

BATCH = 32


def main(model: str, rows: int, max_tokens: int) -> None:
    import ray
    from ray.data.llm import build_processor, vLLMEngineProcessorConfig

    from benchmarks.caption.__main__ import photographs
    from captioning.images import data_url
    from captioning.vllm_command import cpu_build

    cpu = cpu_build()
    images, side = photographs(rows, (640, 480)), 256
    lengths = {"short": (1, 80), "medium": (1, 160), "long": (1, 240)}
    stage = Caption(model="x", prompt="plain", alt_text=None, lengths=lengths, retries=0, endpoints=("http://x",))
    (form,) = record(stage, images[:1]).values()
    text, schema = json.dumps(form["messages"]), form["response_format"]["json_schema"]["schema"]

    def before(row: dict[str, Any]) -> dict[str, Any]:
        body = {"messages": json.loads(text)}
        image_part(body)["url"] = data_url(row["image"], side)
        drawn = {"temperature": 0.0, "max_tokens": max_tokens, "structured_outputs": {"json": schema}}
        return {"messages": body["messages"], "sampling_params": drawn}

    def after(row: dict[str, Any]) -> dict[str, Any]:
        return {"tokens": row["num_generated_tokens"], "at": time.time(), "took": row["time_taken_llm"]}

    config = vLLMEngineProcessorConfig(
        model_source=model,
        engine_kwargs={
            "dtype": "float32",
            "enforce_eager": True,
            "max_model_len": 1024,
            "enable_chunked_prefill": False,
        }
        if cpu
        else {},
        batch_size=BATCH,
        concurrency=1,
        prepare_multimodal_stage={"enabled": True},
        placement_group_config={"bundles": [{"CPU": 1}]} if cpu else None,
        runtime_env={"env_vars": {"VLLM_CPU_KVCACHE_SPACE": "1"}} if cpu else None,  # as our own server has it
        log_engine_metrics=False,
    )
    with ray_cluster():
        data = ray.data.from_items([{"image": image} for image in images], override_num_blocks=-(-rows // BATCH))
        made = build_processor(config, preprocess=before, postprocess=after)(data).take_all()
    span = max(row["at"] for row in made) - min(row["at"] - row["took"] for row in made)
    tokens = sum(row["tokens"] for row in made)
    print(json.dumps({"images": len(made), "tokens": tokens, "images/s": len(made) / span, "tokens/s": tokens / span}))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]) if len(sys.argv) > 3 else 512)
