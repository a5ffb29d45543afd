"""WordNet: the names of synsets from Princeton's files, the words of other languages from Open Multilingual Wordnet's."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from curation.metadata_build.streams import Watch, texts, unwatched
from pipeline.errors import ConfigError, DataError

PARTS = ("data.noun", "data.verb", "data.adj", "data.adv")  # NLTK's order


def synsets(files: Mapping[str, str]) -> Iterator[str]:
    """The name of every synset: its first word, in lower case, up to a full stop, with spaces for underscores.

    That is how NLTK names a synset and what MetaCLIP cut off the id: with "0" to "99", WordNet 3.0 gives the 86,654 entries
    of its Table 1.

    Args:
        files: name -> content of Princeton's data files (wndb(5WN)).
    """
    for part in PARTS:
        for line in files.get(part, "").splitlines():
            if line and not line.startswith(
                "  "
            ):  # the licence stands at the head of each file, indented by two spaces
                word = line.split(" ", 5)[4].split("(")[0]
                yield word.lower().split(".")[0].replace("_", " ")


def read(path: Path, watch: Watch = unwatched) -> Iterator[str]:
    """The entries of a WordNet: a folder of Princeton's data files (or one of them), else a tab file.

    Raises:
        ConfigError: if the folder holds none.
        DataError: if a file is no WordNet.
    """
    if path.is_file() and path.name not in PARTS:
        yield from lemmas(path, watch)
        return
    folder, names = (path, PARTS) if path.is_dir() else (path.parent, (path.name,))
    files = {name: folder / name for name in names if (folder / name).is_file()}
    if not files:
        raise ConfigError(f"{path} holds none of {', '.join(PARTS)}. Name WordNet's `dict` folder, or a wn-data-*.tab.")
    try:
        yield from synsets({name: "".join(texts(file, watch)) for name, file in files.items()})
    except IndexError as error:
        raise DataError(f"{path} is not a WordNet: a line of its data files has fewer than five fields.") from error


def lemmas(path: Path, watch: Watch = unwatched) -> Iterator[str]:
    """The words of a tab file of Open Multilingual Wordnet, `synset<TAB>lang:lemma<TAB>word`, as they are written.

    There a synset has no name of its own, so all its words are taken. Definitions and examples are passed over.
    """
    any_word = False
    for text in texts(path, watch):
        for line in text.splitlines():
            fields = line.split("\t")
            if len(fields) >= 3 and not line.startswith("#") and fields[1].rpartition(":")[2] == "lemma":
                any_word = True
                yield fields[2].strip().replace("_", " ")
    if not any_word:
        raise DataError(f"{path} is not a WordNet: no line is a synset, `lemma` and a word, with tabs between them.")


def licence(path: Path) -> str | None:
    """What the first line of a tab file says of its licence: `# name<TAB>language<TAB>address<TAB>licence`."""
    if not path.is_file() or path.name in PARTS:
        return None
    first = next(texts(path), "").partition("\n")[0].split("\t")
    return first[3].strip() if first[0].startswith("#") and len(first) > 3 else None
