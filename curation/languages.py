"""Which metadata set serves which text: a many-to-one map from the labels of lid.176 and the codes of metadata lists.

The map has two halves that meet in the labels of fastText's lid.176:
- a list's code (a Wikipedia or CLDR code, the name of its file) joins the set of one label: `CODES`, else the code itself,
  else the code without its region or script (`pt_BR`, `sr-Latn`). Lists of one set are merged. A list in a language that no
  label covers joins `other`.
- a text's label takes the set of its name, else that of a close relative (`RELATIVES`), else `other`; so do unknown texts.
"""

from __future__ import annotations

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

#: Codes that mean the language of a label but are written otherwise, or look like one that they do not mean.
CODES = {
    "nb": "no",
    "simple": "en",
    "fil": "tl",
    "gsw": "als",
    "bho": "bh",
    "iw": "he",
    "in": "id",
    "ji": "yi",
    "jw": "jv",
    "mo": "ro",
    "zh_yue": "yue",
    "zh_min_nan": OTHER,
}

#: Labels of varieties that are written like a larger language, or that the model often gives to short texts in it.
RELATIVES = {
    "wuu": "zh",
    "yue": "zh",
    "nn": "no",
    "no": "nn",
    "als": "de",
    "bar": "de",
    "pfl": "de",
    "arz": "ar",
    "bs": "hr",
    "sh": "hr",
    "vls": "nl",
    "sco": "en",
    "mzn": "fa",
}


def set_of_code(code: str) -> str:
    """The metadata set that a list of this Wikipedia or CLDR code joins."""
    plain = code.lower().replace("-", "_")
    for name in (plain, plain.partition("_")[0]):
        known = CODES.get(name, name)
        if known in LABELS or known == OTHER:
            return known
    return OTHER


def candidates(label: str | None) -> tuple[str, ...]:
    """The sets that could serve texts of a label, best first; for any string or None, never fails."""
    relative = RELATIVES.get(label or "")
    return tuple(name for name in (label, relative) if name is not None)
