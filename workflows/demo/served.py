"""Faults of servers and files: the text is right, what comes for the URL is not."""

from itertools import pairwise

from workflows.demo import damage
from workflows.demo.rows import CLOSED_PORT, HOST, Row
from workflows.demo.world import World, mark


def dead_link(row: Row, world: World, k: int) -> None:
    """A link to nothing: 404, 410, 500, or a port that nobody listens on, in turn."""
    if k % 4 == 3:
        row.url = f"http://{HOST}:{CLOSED_PORT}{row.where}"
        mark(row, "connection refused")
        return
    status = (404, 410, 500)[k % 4]
    world.routes[row.where] = {"does": "status", "status": status}
    mark(row, f"status {status}")


def slow(row: Row, world: World, k: int) -> None:
    """An answer that never ends: nothing at all, or half a file and then silence."""
    after = "nothing" if k % 2 else "half"
    world.routes[row.where] = {"does": "stall", "file": row.image, "type": "image/png", "after": after}
    mark(row, f"stalls after {after}")


def redirect(row: Row, world: World, k: int) -> None:
    """One or two steps to where the picture has moved; must succeed."""
    target, middle = f"/moved{row.where}", f"/step{row.where}"
    world.routes[target] = {"does": "file", "file": row.image, "type": "image/png"}
    hops = [row.where, middle, target] if k % 2 else [row.where, target]
    for here, there in pairwise(hops):
        world.routes[here] = {"does": "redirect", "to": there, "status": (301, 302, 307)[k % 3]}
    mark(row, f"{len(hops) - 1} steps", "success")


def redirect_loop(row: Row, world: World, _k: int) -> None:
    """Two addresses that point at each other."""
    back = f"/back{row.where}"
    world.routes[row.where] = {"does": "redirect", "to": back, "status": 302}
    world.routes[back] = {"does": "redirect", "to": row.where, "status": 302}
    mark(row, "two addresses point at each other")


def forbidden_redirect(row: Row, world: World, k: int) -> None:
    """A redirect into a private network, or to a file: never to be followed."""
    target = ("http://169.254.169.254/latest/meta-data/", "file:///etc/hostname")[k % 2]
    world.routes[row.where] = {"does": "redirect", "to": target, "status": 302}
    mark(row, f"leads to {target}")


def truncated(row: Row, world: World, k: int) -> None:
    """A connection that closes early, or a file that was stored cut."""
    if k % 2:
        world.routes[row.where] = {"does": "close", "file": row.image, "type": "image/png"}
        mark(row, "connection closes at half")
        return
    world.serve(row, damage.cut_short(world.image(row), 0.5))
    mark(row, "file cut at half")


def html_as_image(row: Row, world: World, _k: int) -> None:
    """An error page with status 200 that calls itself a PNG."""
    world.serve(row, "".join(damage.page(row.true_name)).encode())
    mark(row, "HTML as image/png")


def other_format(row: Row, world: World, k: int) -> None:
    """A JPEG, GIF or WebP named .png; must succeed."""
    kind = damage.FALSE_NAMES[k % len(damage.FALSE_NAMES)]
    world.serve(row, damage.saved(damage.opaque(world.image(row)), kind, quality=90))
    mark(row, f"{kind} named .png", "success")


def bomb(row: Row, world: World, k: int) -> None:
    """A small file that declares hundreds of megapixels."""
    side = 16_000 + 1_000 * (k % 8)
    world.serve(row, damage.bomb(side))
    mark(row, f"declares {side} x {side} pixels")


def tiny(row: Row, world: World, _k: int) -> None:
    """Eight pixels a side: downloads, and shows nothing."""
    world.serve(row, damage.tiny(world.image(row)))
    mark(row, "8 x 8 pixels", "success")


def opted_out(row: Row, world: World, k: int) -> None:
    """A picture whose server asks not to be used for training."""
    asked = ("noai", "noindex", "noimageai, noimageindex")[k % 3]
    world.routes[row.where] = {"does": "file", "file": row.image, "type": "image/png", "robots": asked}
    mark(row, f"X-Robots-Tag: {asked}")
