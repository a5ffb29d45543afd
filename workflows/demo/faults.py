"""The faults of the real web, each planted in a stated share of the rows and recorded in the truth.

A planter changes what the server does or what the text says, and leaves `fault`, `detail` and `expected` behind. Rows for
faults are drawn by hash; the same pool has the same faults.
"""

from collections.abc import Mapping, Sequence

from workflows.demo import served, worded
from workflows.demo.copies import exact_duplicate, near_duplicate, same_url
from workflows.demo.rows import Row
from workflows.demo.split import fraction
from workflows.demo.world import Planter, World

#: Fault -> (share of the pool's rows, planter). Duplicates and garbage are rows of their own: see `more_rows`.
PLANTERS: Mapping[str, tuple[float, Planter]] = {
    "dead_link": (0.020, served.dead_link),
    "slow": (0.004, served.slow),
    "redirect": (0.010, served.redirect),
    "redirect_loop": (0.004, served.redirect_loop),
    "forbidden_redirect": (0.003, served.forbidden_redirect),
    "truncated": (0.010, served.truncated),
    "html_as_image": (0.010, served.html_as_image),
    "other_format": (0.010, served.other_format),
    "bomb": (0.004, served.bomb),
    "tiny": (0.010, served.tiny),
    "opted_out": (0.007, served.opted_out),
    "mismatched_caption": (0.040, worded.mismatched_caption),
    "junk_caption": (0.030, worded.junk_caption),
    "garbled_language": (0.010, worded.garbled_language),
}
EXACT_SHARE, NEAR_SHARE, SAME_URL = 0.020, 0.020, 3
GARBAGE = (
    ("no URL", "", "a picture of nothing"),
    ("not a URL", "not a url at all", "broken link"),
    ("unsupported scheme", "ftp://127.0.0.1/pub/picture.png", "an old archive"),
)


def plant(world: World) -> list[Row]:
    """Plant all faults into `world.rows`, in place, and give the rows that come in addition.

    Composed scenes, by which captions are judged, are left clean. Every fault is planted once at least.
    """
    total = len(world.rows)
    order = sorted((row for row in world.rows if row.source != "scene"), key=lambda row: fraction("fault", row.where))
    free = iter(order)
    for fault, (part, planter) in PLANTERS.items():
        for k in range(max(1, round(total * part))):
            row = next(free)
            planter(row, world, k)
            row.fault = fault
    return more_rows(list(free), world, total)


def more_rows(clean: Sequence[Row], world: World, total: int) -> list[Row]:
    """Duplicates of clean rows, pairs with one URL, and garbage."""
    source = iter(clean)
    exact = [exact_duplicate(next(source), world, k) for k in range(max(1, round(total * EXACT_SHARE)))]
    near = [near_duplicate(next(source), world, k) for k in range(max(1, round(total * NEAR_SHARE)))]
    same = [same_url(next(source)) for _ in range(SAME_URL)]
    garbage = [
        Row("", [(text, "alt", "en")], "garbage", "", "", url=url, fault="garbage", detail=why, expected="no pair")
        for why, url, text in GARBAGE
    ]
    return [*exact, *near, *same, *garbage]
