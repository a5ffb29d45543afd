"""The languages that the demo pool speaks."""

#: The languages of the pool's emoji beside English: all have a word list and a label of lid.176.
LANGUAGES = ("de", "fr", "es", "it", "pt", "nl", "pl", "ru", "tr", "el", "ar", "hi", "ja", "ko", "zh", "vi")
