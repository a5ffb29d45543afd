"""Faults of texts: the picture is right, what is said about it is not."""

from copy import deepcopy

from workflows.demo.junk import GARBLED, JUNK, filled
from workflows.demo.rows import Row
from workflows.demo.split import fraction
from workflows.demo.world import World, mark


def mismatched_caption(row: Row, world: World, _k: int) -> None:
    """The texts of a picture of another group."""
    start = int(fraction("mismatch", row.where) * len(world.rows))
    others = (world.rows[(start + step) % len(world.rows)] for step in range(len(world.rows)))
    fit = (o for o in others if o.fault is None and o.group != row.group and o.source == row.source)
    other = next((o for o in fit if o.true_name.lower() != row.true_name.lower()), None)
    if other is None:
        raise ValueError(f"no other picture to take a caption from for {row.where}")
    row.texts, row.title = deepcopy(other.texts), other.title
    mark(row, f"texts of {other.true_name}", "success")


def junk_caption(row: Row, _world: World, k: int) -> None:
    """File names, calls to click, heaps of keywords."""
    kind, text = filled(JUNK[k % len(JUNK)], row.true_name, fraction("junk", row.where))
    row.say(text, "")
    mark(row, kind, "success")


def garbled_language(row: Row, _world: World, k: int) -> None:
    """A text of no language, or of several at once."""
    row.say(GARBLED[k % len(GARBLED)], "")
    mark(row, "text of no one language", "success")
