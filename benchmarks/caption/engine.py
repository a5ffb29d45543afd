"""The caption stage against `ray.data.llm` with its engine processor: `python -m benchmarks.caption.engine [--help]`.

Ray runs the engine itself, so there is no server to share: in each round the stage works on a server of ours, that server is closed,
and Ray's engine does the same images with the same prompt, schema, sampling and lengths. Both are timed without their start, from
the first request in the engine to its last answer: of the stage as the server counts, of Ray by what it says that each request
took. In Ray's favour: much of its preprocessing is done before that moment, and what a block of answers waits for shortens its
span. Ray 2.60 is made for vLLM 0.29.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.caption import clients
from benchmarks.caption.__main__ import images_of, model_of, options, serving, stage_of
from benchmarks.caption.meter import measure
from benchmarks.caption.report import OUT
from captioning.images import data_url
from captioning.model import resolve
from captioning.vllm_command import CONTEXT, cpu_build
from pipeline.errors import ConfigError, MachineError

BATCH = 32


@dataclass(frozen=True)
class Speed:
    """What one of the two did in one round."""

    images: int
    tokens: int
    seconds: float

    @property
    def rates(self) -> tuple[float, float]:
        """Images and output tokens a second."""
        return self.images / self.seconds, self.tokens / self.seconds


def staged(chosen: argparse.Namespace, images: Sequence[bytes]) -> tuple[Speed, dict[str, Any], int]:
    """The stage on a server that is started for it, the body of one of its requests, and how large its images may be."""
    with serving(chosen) as (target, _):
        stage = stage_of(target, chosen)
        bodies = list(clients.record(stage, images).values())
        clients.bare(target, [json.dumps(body).encode() for body in bodies[:8]], 8)  # whatever a server does only once
        with clients.opened(stage, target) as annotate:
            run = measure(target, lambda: clients.staged(annotate, images, stage.in_hand), by_server=True)
    return Speed(run.rows, run.tokens, run.seconds), bodies[0], stage.max_side


def engine(chosen: argparse.Namespace, images: Sequence[bytes], form: dict[str, Any], side: int) -> Speed:
    """Ray's processor, asked what `form` asks."""
    import ray
    from ray.data.llm import build_processor, vLLMEngineProcessorConfig

    text, schema = json.dumps(form["messages"]), form["response_format"]["json_schema"]["schema"]
    drawn = {
        "temperature": form["temperature"],
        "max_tokens": form["max_tokens"],
        "structured_outputs": {"json": schema},
    }

    def before(row: dict[str, Any]) -> dict[str, Any]:
        messages = json.loads(text)
        clients.image_part({"messages": messages})["url"] = data_url(row["image"], side)
        return {"messages": messages, "sampling_params": drawn}

    def after(row: dict[str, Any]) -> dict[str, Any]:
        return {"tokens": row["num_generated_tokens"], "at": time.time(), "took": row["time_taken_llm"]}

    config = vLLMEngineProcessorConfig(
        model_source=chosen.model,
        engine_kwargs=engine_options(chosen),
        batch_size=BATCH,
        concurrency=1,
        # By itself it would put the image before the text: another prompt, and shorter answers.
        prepare_multimodal_stage={"enabled": True, "chat_template_content_format": "openai"},
        placement_group_config={"bundles": [{"CPU": 1}]} if cpu_build() else None,
        runtime_env={"env_vars": {"VLLM_CPU_KVCACHE_SPACE": "1"}} if cpu_build() else None,  # as our own server has it
        log_engine_metrics=False,
    )
    with clients.ray_cluster():
        data = ray.data.from_items([{"image": image} for image in images], override_num_blocks=-(-len(images) // BATCH))
        made = build_processor(config, preprocess=before, postprocess=after)(data).take_all()
    span = max(row["at"] for row in made) - min(row["at"] - row["took"] for row in made)
    return Speed(len(made), sum(row["tokens"] for row in made), span)


def engine_options(chosen: argparse.Namespace) -> dict[str, Any]:
    """Of the engine, as our server has them."""
    length = min(CONTEXT, resolve(chosen.model, None, served=False).context or CONTEXT)
    given: dict[str, Any] = {
        "max_model_len": length,
        "limit_mm_per_prompt": {"image": 1, "video": 0},
        "structured_outputs_config": {"backend": "xgrammar", "disable_any_whitespace": True},
    }
    given |= {"dtype": "float32", "enforce_eager": True, "enable_chunked_prefill": False} if cpu_build() else {}
    return given | ({"load_format": "dummy"} if "dummy" in chosen.server else {})


def main() -> int:
    chosen = options()
    images, name = images_of(chosen, 1152), chosen.model
    ran: list[tuple[Speed, Speed]] = []
    try:
        with model_of(chosen) as (model, chosen.server):
            chosen.model = str(model.path or model.name)
            for number in range(chosen.rounds):
                ours, form, side = staged(chosen, images)
                ran.append((ours, engine(chosen, images, form, side)))
                print(
                    f"round {number + 1}: "
                    + ", ".join("{:.1f} images/s {:.0f} tokens/s".format(*one.rates) for one in ran[-1])
                )
    except (ConfigError, MachineError) as error:
        print(error, file=sys.stderr)
        return error.exit_code
    show(name, ran)
    return 0


def show(name: str, ran: Sequence[tuple[Speed, Speed]]) -> None:
    """A table of medians, and the ratios of the rounds' pairs."""
    table = Table(title=f"{name}, {ran[0][0].images} images a turn, {len(ran)} rounds (medians)")
    for column in ("contender", "images/s", "tokens/s"):
        table.add_column(column, justify="left" if column == "contender" else "right")
    for contender, runs in zip(("stage", "Ray's engine processor"), zip(*ran, strict=True), strict=True):
        table.add_row(contender, *(f"{median(run.rates[at] for run in runs):.1f}" for at in (0, 1)))
    Console().print(table)
    by = [median(ours.rates[at] / theirs.rates[at] for ours, theirs in ran) for at in (0, 1)]
    print(f"stage / engine processor: {by[0]:.2f} of the images/s, {by[1]:.2f} of the tokens/s (target 1.00)")
    OUT.mkdir(parents=True, exist_ok=True)
    record = {"model": name, "rounds": [[asdict(one) for one in pair] for pair in ran], "ratio": by}
    (OUT / "caption-engine.json").write_text(json.dumps(record, indent=1))


if __name__ == "__main__":
    sys.exit(main())
