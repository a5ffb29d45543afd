"""Archives into the cache: each checked by digest, none fetched twice, a missing client said and worked around."""

import hashlib
import json
import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from pipeline.errors import DataError, MachineError
from workflows.demo.clients import Clients
from workflows.demo.packages import APT, SOURCES, Archive, Package

Sources = Mapping[str, tuple[tuple[Package, ...], ...]]


@dataclass(frozen=True)
class Stock:
    """What the demo has to work with: archives by package name, and what is missing and why."""

    archives: dict[str, Archive]
    missing: dict[str, str]
    fetched: int

    def get(self, package: Package) -> Archive | None:
        """The archive of `package`, or None where it could not be had."""
        return self.archives.get(package.name)

    @property
    def fingerprint(self) -> str:
        """A digest over all archives: what is made of them is made anew when it changes."""
        digests = sorted(a.sha256 for a in self.archives.values())
        return hashlib.sha256("\n".join(digests).encode()).hexdigest()


def stock_up(cache: Path, clients: Clients, say: Callable[[str], None], sources: Sources = SOURCES) -> Stock:
    """Fetch what is not cached. Raises MachineError where neither clip art nor emoji can be had."""
    cache = cache.absolute()
    cache.mkdir(parents=True, exist_ok=True)
    archives: dict[str, Archive] = {}
    missing: dict[str, str] = {}
    fetched = 0
    for what, ways in sources.items():
        reasons: list[str] = []
        for way in ways:
            try:
                got = [obtain(package, cache, clients, say) for package in way]
            except MachineError as error:
                reasons.append(str(error))
                continue
            archives.update({archive.package.name: archive for archive, _ in got})
            fetched += sum(new for _, new in got)
            break
        else:
            missing[what] = "; ".join(reasons)
            say(f"missing: {what} ({missing[what]})")
    if "clip art" in missing and "emoji" in missing:
        raise MachineError(nothing(missing))
    return Stock(archives, missing, fetched)


def nothing(missing: Mapping[str, str]) -> str:
    """The error of a machine from which no picture can be had."""
    reasons = "\n".join(f"  {what}: {why}" for what, why in missing.items())
    return (
        "no pictures for the demo pool: it is built from packages that `apt-get download` (clip art) or `npm pack` (emoji) "
        f"fetches, without root.\n{reasons}\nInstall npm, or run on Debian or Ubuntu, and run this again."
    )


def obtain(package: Package, cache: Path, clients: Clients, say: Callable[[str], None]) -> tuple[Archive, bool]:
    """One archive, from the cache or by its client; and whether it was fetched now."""
    cached = from_cache(package, cache)
    if cached:
        return cached, False
    if not clients.have(package):
        raise MachineError(f"`{package.client}` is not on this machine and {package.name} is not cached")
    say(f"fetching {package.name} {package.version}")
    with tempfile.TemporaryDirectory(dir=cache) as folder:
        inner = Path(folder) / "download"
        inner.mkdir()
        came = clients.download(package, inner, cache / "apt-lists")
        archive = judge(package, came)
        if archive.warning:
            say(f"warning: {archive.warning}")
        shutil.move(came, cache / package.file)
    archive = replace(archive, path=cache / package.file)
    record(archive).write_text(
        json.dumps({"version": archive.version, "sha256": archive.sha256, "warning": archive.warning}) + "\n"
    )
    return archive, True


def from_cache(package: Package, cache: Path) -> Archive | None:
    """The cached archive if its bytes are those that were accepted, else None (a damaged file is fetched anew)."""
    archive = Archive(package, cache / package.file, package.version, package.sha256)
    if not archive.path.exists() or not record(archive).exists():
        return None
    accepted = json.loads(record(archive).read_text())
    if sha256_of(archive.path) != accepted["sha256"]:
        return None
    return replace(archive, **accepted)


def record(archive: Archive) -> Path:
    """Where it stands what was accepted, and with which warning."""
    return archive.path.with_name(archive.path.name + ".json")


def judge(package: Package, came: Path) -> Archive:
    """Compare what came with what was pinned.

    npm serves a version for ever as it was published, so other bytes are an error (DataError). A distribution moves on,
    and apt has checked the file against its signed lists: a newer one is accepted with a warning that stays on record.
    """
    digest = sha256_of(came)
    if digest == package.sha256:
        return Archive(package, came, package.version, digest)
    if package.client != APT:
        raise DataError(
            f"{package.name} {package.version}: expected sha256 {package.sha256}, got {digest}. A published version does not "
            "change, so these bytes are not to be trusted: find out which registry or proxy served them."
        )
    version = came.name.removesuffix(".deb").split("_")[1].replace("%3a", ":")
    warning = (
        f"{package.name}: pinned {package.version} with sha256 {package.sha256[:16]}..., the distribution gave {version} with "
        f"{digest[:16]}...; accepted, since apt checked it against its signed lists, but the pool may differ from the published figures"
    )
    return Archive(package, came, version, digest, warning)


def sha256_of(path: Path) -> str:
    """The sha256 of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
