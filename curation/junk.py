"""Captions that say nothing about a picture, told by rules that a reader can check. None needs a language's grammar.

The reasons, in the order in which they are looked for:

empty       nothing but blanks and invisible characters
markup      HTML tags and nothing else that has a letter
url         addresses and nothing else that has a letter
file_name   one word with an image's suffix, or what cameras and phones call their files: IMG_2034.jpg, DSC 0042, Screenshot ...
hash_like   16 or more hexadecimal digits, a UUID, or 20 or more characters that change six times between letter and digit
no_letters  digits, punctuation, symbols alone
boilerplate see `curation.boilerplate`
keywords    half of six or more words are a shop's or wallpaper site's (`curation.boilerplate.HEAP`; English)
repetition  one word makes up more than half of four or more; at most a third of the first 200 words (of 12 or more) are
            different; or the whole text is one piece of up to 20 characters, four times or more
too_short   fewer than 5 characters (LAION-5B, arXiv 2210.08402, section 3.1), where wide ones (Han, kana, hangul) count twice,
            since they say as much as two or more letters
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence

from curation.boilerplate import is_boilerplate, is_heap
from curation.matching import PUNCTUATION, SPACE_FREE

MIN_CHARACTERS = 5
_KANA = (0x3040, 0x30FF)
_UNSPACED = re.compile("[" + "".join(f"{chr(low)}-{chr(high)}" for low, high in (*SPACE_FREE, _KANA)) + "]+")
_MARKS_TO_BLANKS = dict.fromkeys(map(ord, (PUNCTUATION | set("،؛؟।·•…–|")) - set("-'’")), " ")
_LETTER_OR_DIGIT = re.compile(r"[^\W_]")
_TAG = re.compile(r"</?[a-zA-Z][^<>]*>")
_DOMAINS = "com|net|org|info|edu|gov|io|co|de|fr|es|it|nl|pl|ru|jp|cn|uk|br"
_URL = re.compile(rf"(?:https?://|ftp://|www\.)\S+|\b[\w-]+(?:\.[\w-]+)*\.(?:{_DOMAINS})(?:/\S*)?(?!\S)", re.IGNORECASE)
_SUFFIX = r"\.(?:jpe?g|png|gif|webp|bmp|tiff?|svg|heic|avif|ico|psd)"
_NAMES = "img|image|imag|dsc[nf]?|pict?|picture|photo|pxl|mvi|vid|gopr|cimg|sam|fb_img|scan|screen ?shot|whatsapp image"
_FILE = re.compile(rf"\S+{_SUFFIX}|(?:p\d{{6,}}|(?:{_NAMES})[-_ ]*\(?\d[-\d_ ().:,atpm]*)(?:{_SUFFIX})?", re.IGNORECASE)
_HEX = re.compile(r"(?=.*\d)(?=.*[a-f])[0-9a-f]{16,}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_CODE = re.compile(r"[A-Za-z0-9_=+/-]{20,200}")
_TURN = re.compile(r"[A-Za-z](?=\d)|\d(?=[A-Za-z])")
_LONGEST_NAME = 200  # characters: a name is no longer, and the patterns above stay cheap


def junk_reason(text: str, min_characters: int = MIN_CHARACTERS) -> str | None:
    """Why a caption is junk, or None if no rule says so."""
    bare = visible(text)
    if not bare:
        return "empty"
    name = _name_reason(bare) if len(bare) <= _LONGEST_NAME else None
    short = "too_short" if width(bare[:min_characters]) < min_characters else None
    return name or _saying_reason(bare) or short


def _saying_reason(text: str) -> str | None:
    """Whether a text has no words, or none that are about a picture."""
    if not any(map(str.isalpha, text)):
        return "no_letters"
    if is_boilerplate(text):
        return "boilerplate"
    words = text.translate(_MARKS_TO_BLANKS).casefold().split()
    if is_heap(words):
        return "keywords"
    return "repetition" if is_repetition(words) else None


def visible(text: str) -> str:
    """A text without the blanks, controls and invisible marks around it."""
    start, stop = 0, len(text)
    while start < stop and _blank(text[start]):
        start += 1
    while stop > start and _blank(text[stop - 1]):
        stop -= 1
    return text[start:stop]


def _blank(character: str) -> bool:
    return unicodedata.category(character)[0] in "ZC"


def _name_reason(text: str) -> str | None:
    """Whether a short text is markup, or a machine's name for something."""
    if _TAG.search(text) and not any(map(str.isalpha, _TAG.sub("", text))):
        return "markup"
    if _URL.search(text) and not any(map(str.isalpha, _URL.sub("", text))):
        return "url"
    if _FILE.fullmatch(text):
        return "file_name"
    code = _CODE.fullmatch(text) and len(_TURN.findall(text)) >= 6
    return "hash_like" if code or _HEX.fullmatch(text) else None


def is_repetition(words: Sequence[str]) -> bool:
    """Whether words say the same again and again; for scripts without spaces, whether their characters do."""
    if len(words) >= 4 and 2 * max(Counter(words).values()) > len(words):
        return True
    head = words[:200]
    if len(head) >= 12 and 3 * len(set(head)) <= len(head):
        return True
    solid = "".join(words)
    return any(_repeats(solid, size) for size in range(1, min(20, len(solid) // 4) + 1))


def _repeats(text: str, size: int) -> bool:
    return text[size:] == text[:-size]


def count_words(text: str) -> int:
    """How many words a text has: pieces between blanks with a letter or digit; of a script without spaces, two letters each.

    Two letters are about a word of Chinese or Japanese; words of Thai, Lao, Khmer, Burmese and Tibetan are longer, so there
    the count is too high.
    """
    spaced = sum(_LETTER_OR_DIGIT.search(piece) is not None for piece in _UNSPACED.sub(" ", text).split())
    unspaced = sum((sum(map(str.isalpha, run)) + 1) // 2 for run in _UNSPACED.findall(text))
    return spaced + unspaced


def width(text: str) -> int:
    """Characters, where those that East Asian typography sets wide count twice."""
    return sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in text)
