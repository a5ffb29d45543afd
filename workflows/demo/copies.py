"""Rows that show what another row shows: the same bytes elsewhere, nearly the same, the same address again."""

from copy import deepcopy

from workflows.demo import damage
from workflows.demo.rows import Row
from workflows.demo.world import World


def copy_of(row: Row, where: str, fault: str) -> Row:
    """A row of its own that shows what `row` shows."""
    copy = deepcopy(row)
    copy.where, copy.fault, copy.same_as = where, fault, row.where
    return copy


def exact_duplicate(row: Row, world: World, k: int) -> Row:
    """The same bytes under another address."""
    copy = copy_of(row, f"/mirror{row.where}", "exact_duplicate")
    world.routes[copy.where] = {"does": "file", "file": row.image, "type": "image/png"}
    if k % 2:
        copy.say(f"{row.true_name} picture", "en")
    copy.detail = "same bytes, " + ("other text" if k % 2 else "same text")
    return copy


def near_duplicate(row: Row, world: World, k: int) -> Row:
    """The picture saved again, smaller, or cropped, under another address."""
    way = ("jpeg", "smaller", "cropped")[k % 3]
    copy = copy_of(row, f"/copies{row.where}", "near_duplicate")
    world.serve(copy, damage.nearly(world.image(row), way))
    if way == "jpeg":
        world.routes[copy.where]["type"] = "image/jpeg"
    copy.detail = way
    return copy


def same_url(row: Row) -> Row:
    """The same address a second time, with another text: intake makes one row of both."""
    copy = copy_of(row, row.where, "same_url")
    copy.say(f"{row.true_name}, found on another page", "en")
    copy.detail = "second text of one address"
    return copy
