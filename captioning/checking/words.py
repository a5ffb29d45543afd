"""The closed classes of English that reading a caption takes: colours, numbers, function words, and words of the frame."""

from __future__ import annotations

import re
import unicodedata

#: The eleven basic colour terms (Berlin & Kay 1969).
BASIC = ("black", "white", "grey", "red", "orange", "yellow", "green", "blue", "purple", "pink", "brown")
#: Colour word -> the basic colours that a picture may show where people say it.
COLOURS: dict[str, tuple[str, ...]] = {
    **{name: (name,) for name in BASIC},
    "gray": ("grey",),
    "silver": ("grey", "white"),
    "violet": ("purple",),
    "lilac": ("purple", "pink"),
    "magenta": ("pink", "purple"),
    "crimson": ("red",),
    "scarlet": ("red",),
    "maroon": ("red", "brown", "purple"),
    "gold": ("yellow", "orange", "brown"),
    "golden": ("yellow", "orange", "brown"),
    "beige": ("white", "yellow", "orange", "brown", "pink"),
    "cream": ("white", "yellow"),
    "tan": ("brown", "orange", "yellow"),
    "navy": ("blue", "black"),
    "cyan": ("blue", "green"),
    "teal": ("green", "blue"),
    "turquoise": ("blue", "green"),
}
NUMBERS = {
    word: number
    for number, word in enumerate(
        ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
    )
}
_ATTRIBUTES = (
    "big large huge tall small tiny little long short round square flat striped spotted dotted checkered transparent "
    "smiling sad happy angry open closed empty full old young wooden metal broken bright dark"
)
_FUNCTION = (
    "of in on at by to from with within for and or but as into onto over under above below beside between behind near next "
    "about almost nearly "
    "against across around through inside outside upon is are was were be been being has have had do does it they he she "
    "there here which who whose where while that than then also very some any each every both other another more most many "
    "few several all just only not covers cover shows show showing fills fill stands stand lies lie sits sit holds hold "
    "facing wearing shown seen"
)
_FRAME = (
    "picture image photo photograph drawing illustration clip art clipart emoji icon scene composed object objects thing "
    "things part half quarter middle centre center left right top bottom side corner edge front plain simple style"
)
ARTICLES = frozenset({"a", "an", "the", "this", "that", "these", "those", "its", "his", "her", "their"})
NEGATIONS = frozenset({"no", "without"})
#: Adjectives that say something of a thing that a picture can show or not.
ATTRIBUTES = frozenset(_ATTRIBUTES.split())
#: Words that end a noun phrase: prepositions, conjunctions, pronouns, auxiliaries, and the verbs of plain description.
FUNCTION = ARTICLES | NEGATIONS | frozenset(_FUNCTION.split())
#: Words that speak of the picture and not of what it shows.
FRAME = frozenset(_FRAME.split())
GROUND = frozenset({"background", "ground", "backdrop"})
_TOKEN = re.compile(r"\w(?:[\w'’-]*\w)?|[,.;:!?()]")


def tokens(text: str) -> list[str]:
    """Words and marks in lower case, after NFKC; `red-hot` is one word."""
    return _TOKEN.findall(unicodedata.normalize("NFKC", text).casefold())


def is_word(token: str) -> bool:
    """Whether a token is more than a mark."""
    return token[-1].isalnum() or token[-1] == "_"


def is_verb(word: str) -> bool:
    """Whether a word looks like a participle: "riding" is one, "king" and "string" are too short to be taken for one."""
    return (
        len(word) > 5 and word.endswith("ing") and word not in {"string", "spring", "ceiling", "building", "painting"}
    )


def singular(word: str) -> str:
    """A noun without the usual endings of the plural; good enough to compare two mentions, not to write."""
    if len(word) > 4 and word.endswith("ies"):
        return word[:-3] + "y"
    if len(word) > 4 and word.endswith(("ches", "shes", "sses", "xes")):
        return word[:-2]
    return word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is")) else word
