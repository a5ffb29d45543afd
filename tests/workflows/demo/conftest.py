"""A demo pool of sixty rows, built once by the real builder from a small registry."""

import shutil
from pathlib import Path

import pytest
from demo_registry import Registry, make_registry

from workflows.demo.build import build
from workflows.demo.pool import PoolRecipe


@pytest.fixture(scope="session")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Registry:
    return make_registry(tmp_path_factory.mktemp("registry"))


@pytest.fixture(scope="session")
def demo(registry: Registry, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A demo folder of sixty rows, built by the real builder with what this machine can unpack."""
    out = tmp_path_factory.mktemp("demo")
    clients = registry.clients("npm", *(["apt-get", "dpkg-deb"] if shutil.which("dpkg-deb") else []))
    build(out, out / "cache", PoolRecipe(size=60), clients=clients, sources=registry.sources, say=lambda _: None)
    return out
