"""The languages that the demo speaks: in its pictures' texts, and in its metadata."""

#: The languages of the pool's emoji beside English: all have a word list and a label of lid.176.
LANGUAGES = ("de", "fr", "es", "it", "pt", "nl", "pl", "ru", "tr", "el", "ar", "hi", "ja", "ko", "zh", "vi")

#: Languages that have metadata as well, though the pool has no picture for them: first those with a word list.
# fmt: off
OTHERS = (
    "bg", "bn", "ca", "cs", "da", "fa", "fi", "he", "hr", "hu", "id", "is", "lt", "lv", "mk", "ms",
    "no", "ro", "sk", "sl", "sv", "ta", "tl", "uk", "ur",
    "et", "hy", "ka", "sr", "sw", "te", "th",
)
# fmt: on
METADATA = ("en", *LANGUAGES, *OTHERS)

#: Label of lid.176 -> wordfreq's code, where they differ. Its list of Serbo-Croatian is in Latin letters: not for `sr`.
WORDS = {"no": "nb", "hr": "sh", "tl": "fil"}
#: Label of lid.176 -> CLDR's code, where they differ.
NAMES = {"tl": "fil"}
