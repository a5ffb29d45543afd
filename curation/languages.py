"""Which metadata set serves which text: a many-to-one map from the labels of lid.176 and the codes of metadata lists.

The map has two halves that meet in the labels of fastText's lid.176:
- a list's code (a Wikipedia or CLDR code, the name of its file) joins the set of one label: see `codes.tsv`, which gives a reason
  for each code that is no label. Lists of one set are merged. A list in a language that no label covers joins `other`.
- a text's label takes the set of its name, else that of a relative (`labels.tsv`), else `other`; so do unknown texts.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

OTHER = "other"

#: The labels of lid.176.
_LABELS = """
af als am an ar arz as ast av az azb ba bar bcl be bg bh bn bo bpy br bs bxr ca cbk ce ceb ckb co cs cv cy da de diq dsb
dty dv el eml en eo es et eu fa fi fr frr fy ga gd gl gn gom gu gv he hi hif hr hsb ht hu hy ia id ie ilo io is it ja
jbo jv ka kk km kn ko krc ku kv kw ky la lb lez li lmo lo lrc lt lv mai mg mhr min mk ml mn mr mrj ms mt mwl my myv mzn
nah nap nds ne new nl nn no oc or os pa pam pfl pl pms pnb ps pt qu rm ro ru rue sa sah sc scn sco sd sh si sk sl so sq
sr su sv sw ta te tg th tk tl tr tt tyv ug uk ur uz vec vep vi vls vo wa war wuu xal xmf yi yo yue zh
"""
LABELS = frozenset(_LABELS.split())


def _rows(name: str) -> Iterator[tuple[str, str]]:
    """Key and value of a table beside this file, whose third column says why."""
    text = Path(__file__).with_name(name).read_text(encoding="utf-8")
    rows = [line.split("\t") for line in text.splitlines() if not line.startswith("#")]
    return ((key, value) for key, value, _ in rows[1:])


#: Codes that are no labels, and the set that their lists join.
CODES = dict(_rows("codes.tsv"))
#: Labels, and whose sets serve their texts if they have none of their own, best first.
RELATIVES = {label: tuple(sets.split()) for label, sets in _rows("labels.tsv")}


def set_of_code(code: str) -> str:
    """The metadata set that a list of this Wikipedia or CLDR code joins; of any string, never fails."""
    parts = code.lower().replace("-", "_").split("_")
    for name in ("_".join(parts[:many]) for many in range(len(parts), 0, -1)):
        if name in CODES or name in LABELS or name == OTHER:
            return CODES.get(name, name)
    return OTHER


def candidates(label: str | None) -> tuple[str, ...]:
    """The sets that could serve texts of a label, best first; of any string or None, never fails."""
    return () if label is None else (label, *RELATIVES.get(label, ()))
