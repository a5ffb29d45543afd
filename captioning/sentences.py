"""The sentences of a caption: the sub-captions of DreamLIP, without a model."""

from __future__ import annotations

import re

import regex  # type: ignore[import-untyped]

#: Where one ends: at a mark that is followed by space and something that can begin one, or at a mark of scripts without spaces.
_END = regex.compile(r"(?<=[.!?…][\"'”’)»]*)\s+(?=[\p{Lu}\p{Lo}\p{N}\"'“‘«(])|(?<=[。！？؟।][」』”]*)\s*")
_ABBREVIATIONS = frozenset(
    re.split(" ", "mr mrs ms dr prof st mt jr sr vs etc approx ca fig inc ltd co e.g i.e u.s bzw z.b usw")
)
_INITIAL = regex.compile(r"\p{Lu}\.")  # of a name: J. S. Bach


def sentences(text: str) -> list[str]:
    """Its sentences in order, each with its closing mark; joined by spaces they give the text back, but for spaces."""
    found: list[str] = []
    for part in (piece.strip() for piece in _END.split(text)):
        if part and found and _goes_on(found[-1]):
            found[-1] += f" {part}"
        elif part:
            found.append(part)
    return found


def _goes_on(before: str) -> bool:
    """Whether the full stop at its end is that of an abbreviation."""
    last = before.rsplit(maxsplit=1)[-1]
    return _INITIAL.fullmatch(last) is not None or (last[-1] == "." and last[:-1].casefold() in _ABBREVIATIONS)
