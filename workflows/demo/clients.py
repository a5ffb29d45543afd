"""The two package clients, each called the way that needs no root: they put one archive into a folder."""

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import MachineError
from workflows.demo.packages import APT, NPM, Package

#: No registry is so slow that a healthy download takes longer.
LIMIT_S = 600


@dataclass(frozen=True)
class Clients:
    """Paths of the clients that this machine has; None for one that it lacks."""

    apt: str | None
    npm: str | None

    def have(self, package: Package) -> bool:
        """Whether the client of `package` is here."""
        return (self.apt if package.client == APT else self.npm) is not None

    def download(self, package: Package, folder: Path, lists: Path) -> Path:
        """Fetch one archive into `folder`, which is empty; package lists are kept in `lists`.

        Raises MachineError where the client fails.
        """
        if package.client == NPM:
            return npm_pack(str(self.npm), package, folder)
        return apt_download(str(self.apt), package, folder, lists)


def find_clients(search: str | None = None) -> Clients:
    """The clients on `search` (a PATH; this process's own by default). apt-get counts only beside dpkg-deb."""
    apt = shutil.which(APT, path=search)
    unpacker = shutil.which("dpkg-deb", path=search)
    return Clients(apt if unpacker else None, shutil.which(NPM, path=search))


def npm_pack(npm: str, package: Package, folder: Path) -> Path:
    """`npm pack`, with a cache of its own that goes away: the archive is kept once, by us."""
    cache = folder / "npm-cache"
    call(
        [npm, "pack", f"{package.name}@{package.version}", "--pack-destination", str(folder), "--cache", str(cache)],
        folder,
        {"npm_config_update_notifier": "false", "npm_config_loglevel": "error"},
    )
    shutil.rmtree(cache, ignore_errors=True)
    return only(folder, "*.tgz")


def apt_download(apt: str, package: Package, folder: Path, lists: Path) -> Path:
    """`apt-get download`: first by the machine's own lists, then by fresh private ones, last whatever version there is."""
    private = [f"Dir::State::lists={lists}", f"Dir::Cache={folder / 'apt-cache'}", "APT::Sandbox::User=root"]
    pinned, moved = f"{package.name}={package.version}", package.name
    try:
        apt_get(apt, ["download", pinned], folder, private[1:])
    except MachineError:
        refresh(apt, lists, folder, private)
        try:
            apt_get(apt, ["download", pinned], folder, private)
        except MachineError:
            apt_get(apt, ["download", moved], folder, private)
    shutil.rmtree(folder / "apt-cache", ignore_errors=True)
    return only(folder, "*.deb")


def refresh(apt: str, lists: Path, folder: Path, options: Sequence[str]) -> None:
    """Private package lists, once. One broken source among several is no failure: the download itself will tell."""
    if (lists / "refreshed").exists():
        return
    (lists / "partial").mkdir(parents=True, exist_ok=True)
    try:
        apt_get(apt, ["update"], folder, options)
    except MachineError as error:
        if not any(lists.glob("*Packages*")):
            raise MachineError(f"no package lists could be fetched: {error}") from error
    (lists / "refreshed").touch()


def apt_get(apt: str, arguments: Sequence[str], folder: Path, options: Sequence[str]) -> None:
    """Run apt-get with `-o` options in `folder`."""
    call([apt, "-q", *(word for option in options for word in ("-o", option)), *arguments], folder, {"LC_ALL": "C"})


def call(command: Sequence[str], folder: Path, settings: Mapping[str, str]) -> None:
    """Run a client quietly; its last lines become the error."""
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            env={**os.environ, **settings},
            capture_output=True,
            text=True,
            timeout=LIMIT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise MachineError(f"`{Path(command[0]).name}` did not run to its end: {error}") from error
    if done.returncode != 0:
        said = " / ".join((done.stderr or done.stdout).strip().splitlines()[-3:])
        raise MachineError(f"`{Path(command[0]).name}` failed (exit {done.returncode}): {said}")


def only(folder: Path, pattern: str) -> Path:
    """The one file that the client left."""
    found = sorted(folder.glob(pattern))
    if len(found) != 1:
        raise MachineError(f"the package client left {len(found)} files {pattern} where one was expected")
    return found[0]
