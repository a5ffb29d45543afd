"""The two forms that meet in a match: the entry that is looked for, and the text that is searched.

MetaCLIP, arXiv 2309.16671, and MetaCLIP 2, arXiv 2507.22062; both section 3, and the code beside them.
"""

import string

MARKS = ",.;:?!`"
BLANKS = "\t\n\r"

#: Scripts written without spaces, as MetaCLIP 2 lists them: Han with its radicals and extensions, Thai, Lao, Burmese,
#: Khmer, Tibetan. Kana and hangul are not among them: their words match only where spaces or marks delimit them.
SPACE_FREE = (
    (0x4E00, 0x9FFF),
    (0x3400, 0x4DBF),
    (0x20000, 0x2A6DF),
    (0x2A700, 0x2B73F),
    (0x2B740, 0x2B81F),
    (0x2B820, 0x2CEAF),
    (0x2CEB0, 0x2EBEF),
    (0xF900, 0xFAFF),
    (0x2E80, 0x2EFF),
    (0x2F00, 0x2FDF),
    (0x2FF0, 0x2FFF),
    (0x0E00, 0x0E7F),
    (0x0E80, 0x0EFF),
    (0x1000, 0x109F),
    (0x1780, 0x17FF),
    (0x0F00, 0x0FFF),
)
PUNCTUATION = frozenset(string.punctuation + "，。、；：？！“”‘’（）【】《》〈〉「」『』～—")

_SPACING = str.maketrans({mark: f" {mark} " for mark in MARKS} | dict.fromkeys(BLANKS, " "))


def needs_no_space(character: str) -> bool:
    """Whether the worldwide form leaves out the space beside this character."""
    point = ord(character)
    return character in PUNCTUATION or any(low <= point <= high for low, high in SPACE_FREE)


def wrap(entry: str, space_free: bool = False) -> str:
    """The form of an entry that is looked for; `space_free` for the worldwide form. Empty entries stay empty."""
    if not entry:
        return ""
    before = "" if space_free and needs_no_space(entry[0]) else " "
    after = "" if space_free and needs_no_space(entry[-1]) else " "
    return f"{before}{entry}{after}"


def space(text: str) -> str:
    """The form of a text that is searched."""
    return f" {text.translate(_SPACING)} "
