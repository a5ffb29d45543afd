"""Servers for the tests: a loopback one that misbehaves, and one real vLLM for the whole session."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from captioning.flow import Background
from captioning.server import Server
from captioning.stage import Caption
from captioning.vllm_command import ServerOptions
from pipeline.stage import Annotate
from tests.captioning.helpers import batches
from tests.captioning.loopback import Loopback, serve
from tests.captioning.tiny_qwen2vl import build


@dataclass
class Live:
    """An open stage, and its server so that a test can look at it and kill it."""

    stage: Caption
    annotate: Annotate
    server: Server


@pytest.fixture
def loopback() -> Iterator[Callable[..., Loopback]]:
    """`loopback(decide, delay=0)` starts a server that lasts as long as the test."""
    with Background() as background, ExitStack() as stack:
        yield lambda *args, **options: stack.enter_context(serve(Loopback(*args, **options), background))


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a tiny Qwen2-VL-shaped model, named `tiny`."""
    return build(tmp_path_factory.mktemp("models") / "tiny", sentences=1)


@pytest.fixture(scope="session")
def live(tiny: Path) -> Iterator[Live]:
    """One caption stage with a real vLLM server of its own, for all tests: starting it takes half a minute."""
    lengths = {"short": (10, 160), "medium": (10, 160), "long": (10, 160)}
    options = ServerOptions(max_model_len=1024)
    stage = Caption(model=str(tiny), prompt="plain", lengths=lengths, max_tokens=500, server=options)
    with stage.open({}) as annotate:
        assert isinstance(annotate, partial)
        captioner = annotate.args[1]
        list(annotate(batches(1)))  # the first row starts it, whichever test comes first
        yield Live(stage, annotate, captioner.client._endpoints[0]._server)
