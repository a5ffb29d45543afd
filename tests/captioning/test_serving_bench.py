"""The benchmark's own parts: shapes that load, a queue that is read right, a GPU whose lack is said."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.caption import chart, shapes
from benchmarks.caption.clients import batches, image_part, record
from benchmarks.caption.meter import Run, Sample
from benchmarks.caption.report import Queue, ratio
from captioning.images import data_url
from captioning.stage import Caption
from tests.captioning.helpers import picture


@pytest.mark.slow
@pytest.mark.parametrize("name", ["mid", *shapes.SHAPES])
def test_every_shape_is_one_that_transformers_reads(name: str, tmp_path: Path) -> None:
    from transformers import AutoConfig, AutoProcessor

    folder = shapes.build(name, tmp_path)
    config = AutoConfig.from_pretrained(folder)
    assert not list(folder.glob("*.safetensors"))
    if name != "mid":
        assert config.vision_config.out_hidden_size == config.text_config.hidden_size
        assert len(config.vision_config.deepstack_visual_indexes) == 3
        assert config.text_config.head_dim == 128
    processor = AutoProcessor.from_pretrained(folder)
    assert type(processor).__name__ == ("Qwen2VLProcessor" if name == "mid" else "Qwen3VLProcessor")


def run(rows: int, tokens: int, seconds: float, *samples: Sample) -> Run:
    return Run(rows, tokens, seconds, 1.0, 1.0, samples)


def test_an_empty_queue_counts_only_while_rows_are_left() -> None:
    looks = [
        Sample(0.0, 0, 0, 0, 5, 0),  # before the first answer
        Sample(1.0, 8, 4, 4, 6, 10),
        Sample(2.0, 8, 8, 0, 9, 30),  # all that was sent is in the batch: empty
        Sample(3.0, 8, 3, 0, 10, 35),  # five are at the front door
        Sample(4.0, 2, 2, 0, 23, 90),  # the last rows: nothing is left to send
    ]
    assert Queue.of([run(20, 90, 4.0, *looks)]) == Queue(looks=3, empty=1, engine_empty=2, idle=0)
    assert "#" in chart.text(looks)


def test_ratios_are_medians_of_turns() -> None:
    runs = {"stage": [run(10, 100, 1.0), run(10, 100, 2.0), run(10, 100, 4.0)]}
    rivals = [run(10, 100, 2.0), run(10, 50, 2.0), run(10, 100, 4.0)]
    assert ratio(runs, rivals) == (2.0, 1.0)


def test_every_contender_sends_what_the_stage_sends() -> None:
    images = [picture(number) for number in range(5)]
    bodies = record(Caption(model="tiny", prompt="plain", alt_text=None, retries=0, endpoints=("http://x",)), images)
    assert set(bodies) == {data_url(image, 1024) for image in images}
    assert {image_part(body)["url"] for body in bodies.values()} == set(bodies)
    assert sum(batch.num_rows for batch in batches(images * 30)) == 150


def test_a_gpu_that_is_not_there_is_said() -> None:
    command = [
        sys.executable,
        "-m",
        "benchmarks.caption",
        "--gpu",
        "--model",
        "Qwen/Qwen3-VL-2B-Instruct",
        "--rows",
        "1",
    ]
    ran = subprocess.run(command, capture_output=True, text=True, check=False, cwd=Path(__file__).parents[2])
    assert ran.returncode == 2
    assert "GPU" in ran.stderr
