"""Languages before and after: of all rows, of those that balancing kept, that the text selection chose, and kept in the end."""

from __future__ import annotations

from collections import Counter

from workflows.report.fates import KEPT
from workflows.report.sources import Numbers, Sources, View

UNSEEN = "not identified"
_NAMES = """
ar:Arabic bg:Bulgarian bn:Bengali ca:Catalan cs:Czech da:Danish de:German el:Greek en:English eo:Esperanto es:Spanish
et:Estonian eu:Basque fa:Persian fi:Finnish fr:French gl:Galician he:Hebrew hi:Hindi hr:Croatian hu:Hungarian hy:Armenian
id:Indonesian it:Italian ja:Japanese ka:Georgian ko:Korean la:Latin lt:Lithuanian lv:Latvian ms:Malay nl:Dutch nn:Nynorsk
no:Norwegian pl:Polish pt:Portuguese ro:Romanian ru:Russian sk:Slovak sl:Slovenian sr:Serbian sv:Swedish sw:Swahili ta:Tamil
te:Telugu th:Thai tr:Turkish uk:Ukrainian ur:Urdu vi:Vietnamese zh:Chinese
"""
#: English names of the labels that are met most; others are shown by their code alone.
NAMES = dict(pair.split(":") for pair in _NAMES.split())


class Languages:
    """Counts rows by the language of their first text."""

    def __init__(self, sources: Sources) -> None:
        self._role = next((role for role in ("chosen", "balance") if role in sources.by_row), None)
        self._there = "languages" in sources.by_row
        self._balanced_there = "balance" in sources.by_row
        self._before, self._chosen, self._kept = Counter[str](), Counter[str](), Counter[str]()
        self._balanced = Counter[str]()

    def add(self, view: View) -> None:
        """Take one shard in."""
        spoken = [language or UNSEEN for language in view.get("languages", "language")]
        self._before.update(spoken)
        self._kept.update(language for language, fate in zip(spoken, view.fates, strict=True) if fate.how == KEPT)
        if self._balanced_there:
            balanced = view.get("balance", "keep")
            self._balanced.update(language for language, keep in zip(spoken, balanced, strict=True) if keep)
        if self._role:
            chosen = view.get(self._role, "keep")
            self._chosen.update(language for language, keep in zip(spoken, chosen, strict=True) if keep)

    def numbers(self) -> Numbers | None:
        """One line a language, the most frequent first; None where nobody identified any."""
        if not self._there:
            return None
        ordered = sorted(self._before, key=lambda language: (-self._before[language], language))
        lines = [
            {
                "language": language,
                "name": NAMES.get(language, ""),
                "before": self._before[language],
                "balanced": self._balanced[language] if self._balanced_there else None,
                "chosen": self._chosen[language] if self._role else None,
                "kept": self._kept[language],
            }
            for language in ordered
        ]
        return {"lines": lines, "rows": self._before.total(), "kept": self._kept.total()}
