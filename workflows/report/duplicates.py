"""Duplicates: how many rows share a picture, in groups of what size, and a few groups to look at."""

from __future__ import annotations

from collections import Counter, defaultdict

from pipeline.rows import uniform
from workflows.report.samples import clip, thumbnails
from workflows.report.sources import Numbers, Sources, View

SHOWN, MEMBERS = 8, 6


class Duplicates:
    """Gathers the members of every group; rows without a twin have none and cost nothing."""

    def __init__(self, sources: Sources) -> None:
        self._sources = sources
        self._groups: dict[int | str, list[Numbers]] = defaultdict(list)
        self._reasons = Counter[str]()

    def add(self, view: View) -> None:
        """Take one shard in."""
        if "duplicates" not in view.tables:
            return
        groups, reasons = view.get("duplicates", "group"), view.get("duplicates", "reject_reason")
        keys, uids = view.get("rows", "key"), view.get("rows", "uid")
        self._reasons.update(reason for reason in reasons if reason)
        captions = view.get("rows", "caption") if any(group is not None for group in groups) else []
        for row, group in enumerate(groups):
            if group is not None:
                told = {"uid": uids[row], "shard": view.shard, "key": keys[row], "caption": clip(captions[row])}
                self._groups[group].append(told | {"fate": view.fates[row].how, "reason": reasons[row]})

    def numbers(self) -> Numbers | None:
        """Rows, groups, sizes and reasons, and some groups with thumbnails; None where nobody looked for duplicates."""
        if "duplicates" not in self._sources.by_row:
            return None
        groups = [members for members in self._groups.values() if len(members) > 1]
        sizes = Counter(len(members) for members in groups)
        return {
            "groups": len(groups),
            "rows": sum(map(len, groups)),
            "extra": sum(len(members) - 1 for members in groups),
            "sizes": [{"size": size, "groups": n} for size, n in sorted(sizes.items())],
            "reasons": [{"reason": reason, "rows": n} for reason, n in self._reasons.most_common()],
            "shown": self._shown(groups),
        }

    def _shown(self, groups: list[list[Numbers]]) -> list[Numbers]:
        """Groups drawn by hash, their representative first."""
        for members in groups:
            members.sort(key=lambda row: (row["reason"] is not None, row["uid"]))
        groups.sort(key=lambda members: (uniform(0, members[0]["uid"], "report twins"), members[0]["uid"]))
        shown = [{"of": len(members), "rows": members[:MEMBERS]} for members in groups[:SHOWN]]
        thumbnails(self._sources, [row for group in shown for row in group["rows"]])  # type: ignore[attr-defined]
        return shown
