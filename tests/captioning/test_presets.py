"""Presets: what they stand for, what yields to what, and how a revision becomes a commit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from captioning.flow import Background
from captioning.model import COMMIT, Model, pin
from captioning.presets import licence_of, presets
from captioning.settings import Settings
from captioning.stage import Caption
from captioning.vllm_command import ServerOptions
from pipeline.errors import ConfigError

COMMITTED = "0123456789abcdef0123456789abcdef01234567"
GONE = "http://127.0.0.1:9"


def stage(**changes: Any) -> Caption:
    return Caption(**{"preset": "qwen3-vl-8b", **changes})


@pytest.mark.parametrize("name", presets())
def test_every_preset_says_its_licence_and_what_it_rests_on(name: str) -> None:
    preset = presets()[name]
    assert preset.licence
    assert preset.run or preset.sources, "a setting that nobody tried and nobody wrote down"
    assert preset.revision is None or preset.revision == "main" or COMMIT.fullmatch(preset.revision)
    assert 0 <= preset.temperature <= 2
    assert licence_of(preset.model) == preset.licence
    made = Settings.of(name).sampling(0, None, None, None, {})
    assert (made.temperature, made.top_p, made.max_tokens) == (preset.temperature, preset.top_p, preset.max_tokens)


def test_the_step_goes_before_its_preset_and_the_preset_before_the_defaults() -> None:
    qwen = Settings.of("qwen3-vl-8b")
    made = qwen.sampling(5, 0.0, None, 99, {"top_k": 1, "min_p": 0.1})
    assert (made.seed, made.temperature, made.top_p, made.max_tokens) == (5, 0.0, 0.8, 99)
    assert made.extra == {"top_k": 1, "presence_penalty": 1.5, "min_p": 0.1}
    assert Settings.of(None).sampling(0, None, None, None, {}).extra == {}
    server = qwen.server(ServerOptions(args=("--max-num-seqs", "8"), max_model_len=512))
    assert server.args[-2:] == ("--max-num-seqs", "8")
    assert server.args[:2] == qwen.preset.args[:2] if qwen.preset else False
    assert server.max_model_len == 512


def test_a_preset_is_identity_by_what_it_stands_for_and_flags_are_none() -> None:
    named = Caption(
        model="Qwen/Qwen3-VL-8B-Instruct",
        revision="main",
        temperature=0.7,
        top_p=0.8,
        max_tokens=1024,
        sampling={"top_k": 20, "presence_penalty": 1.5},
    )
    assert stage().identity({}) == named.identity({})
    assert stage(server=ServerOptions(args=("--enforce-eager",))).identity({}) == named.identity({})
    assert stage(temperature=0.2).identity({}) != named.identity({})
    assert stage(revision=COMMITTED).identity({}) != named.identity({})
    assert stage(preset="qwen3-vl-4b").identity({}) != named.identity({})
    assert stage(model="owner/other", revision=COMMITTED).identity({})["model"] == "owner/other"


def test_folders_and_commits_are_pinned_already(tmp_path: Path) -> None:
    for model in (Model("m", tmp_path, "abc"), Model("o/m", None, COMMITTED), Model("served", None, None)):
        assert pin(model, GONE) is model


def test_a_name_is_resolved_by_the_hub() -> None:
    async def begin() -> web.AppRunner:
        app = web.Application()
        info = {"id": "owner/m", "sha": COMMITTED, "siblings": []}

        async def answer(_: web.Request) -> web.Response:
            return web.json_response(info)

        app.router.add_get("/api/models/owner/m/revision/main", answer)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        return runner

    with Background() as background:
        runner = background.run(begin())
        hub = f"http://127.0.0.1:{runner.addresses[0][1]}"
        assert pin(Model("owner/m", None, "main"), hub) == Model("owner/m", None, COMMITTED)
        with pytest.raises(ConfigError, match="Which commit is 'owner/none' at 'main'"):
            pin(Model("owner/none", None, "main"), hub)
        background.run(runner.cleanup())


def test_without_the_hub_the_local_cache_tells(tmp_path: Path) -> None:
    ref = tmp_path / "models--owner--m" / "refs" / "main"
    ref.parent.mkdir(parents=True)
    ref.write_text(COMMITTED)
    assert pin(Model("owner/m", None, "main"), GONE, tmp_path).revision == COMMITTED
    with pytest.raises(ConfigError, match="Give `revision: <commit>`"):
        pin(Model("owner/m", None, "v2"), GONE, tmp_path)
