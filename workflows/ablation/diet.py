"""What an export feeds a training: its pictures and texts, counted, so that a result can be explained and not only shown."""

from __future__ import annotations

import hashlib
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from workflows.report.truth import HARMLESS
from workflows.training.shards import Raw

WORD = re.compile(r"\w+")
EMPTY = frozenset({"a", "an", "and", "for", "in", "of", "on", "or", "the", "to", "with"})
#: Planted, but no fault of the pair: the row is as good as any, or a copy of one.
SOUND = HARMLESS | {"exact_duplicate", "near_duplicate"}
Truth = Mapping[str, Mapping[str, Any]]  #: uid -> what is known of the row


@dataclass
class Field:
    """The texts of one field: `named` adds up the share of the true name's words that each has, over `asked` texts."""

    texts: int = 0
    words: int = 0
    named: float = 0.0
    asked: int = 0
    distinct: set[str] = field(default_factory=set)

    def add(self, text: str, name: str | None) -> None:
        """Take one text in, and the true name of its picture if that is known."""
        said = words(text)
        self.texts += 1
        self.words += len(said)
        self.distinct.add(" ".join(said))
        if wanted := set(words(name or "")) - EMPTY:
            self.named += len(wanted & set(said)) / len(wanted)
            self.asked += 1

    def told(self) -> dict[str, Any]:
        """As JSON; `names_it` is None where no true name is known."""
        told = {"texts": self.texts, "distinct": len(self.distinct), "words": self.words / self.texts}
        return told | {"names_it": self.named / self.asked if self.asked else None}


def diet(samples: Iterable[Raw], truth: Truth) -> dict[str, Any]:
    """Count rows, distinct pictures (by their bytes), groups of like pictures, faulty rows, and each field's texts.

    Args:
        samples: of the export.
        truth: uid -> `group`, `fault`, `true_name`, as far as they are known; empty without.
    """
    pictures, groups, faults = set[bytes](), set[str](), Counter[str]()
    fields: defaultdict[str, Field] = defaultdict(Field)
    rows = 0
    for raw in samples:
        known = truth.get(raw.texts.get("uid", raw.key), {})
        rows += 1
        pictures.add(hashlib.sha256(raw.image).digest())
        groups |= {known["group"]} if known.get("group") else set()
        faults.update([known["fault"]] if known.get("fault") else [])
        for name, text in raw.texts.items():
            if (name == "txt" or name.startswith("caption_")) and text.strip():
                fields[name].add(text, known.get("true_name"))
    told: dict[str, Any] = {"rows": rows, "pictures": len(pictures), "groups": len(groups) or None}
    told |= {"faults": dict(sorted(faults.items())) if truth else None}
    return told | {"fields": {name: fields[name].told() for name in sorted(fields)}}


def faulty(told: Mapping[str, Any]) -> int | None:
    """Rows whose picture or text was spoilt; None where nothing is known of the truth."""
    faults = told["faults"]
    return None if faults is None else sum(rows for fault, rows in faults.items() if fault not in SOUND)


def shown(told: Mapping[str, Any], texts: Mapping[str, int]) -> float | None:
    """How much of a picture's true name the texts that a training was shown have: the fields' shares by how often each was shown."""
    known = [(count, told["fields"].get(name, {}).get("names_it")) for name, count in texts.items()]
    found = [(count, share) for count, share in known if share is not None]
    total = sum(count for count, _ in found)
    return sum(count * share for count, share in found) / total if total else None


def words(text: str) -> list[str]:
    """Words in lower case."""
    return WORD.findall(text.casefold())
