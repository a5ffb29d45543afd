"""One split, made first: whole groups of like pictures go to model training, to the pool, or to evaluation."""

import hashlib
from collections import defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence

#: Shares of the groups: what our own models learn from, what is curated, what judges the trainer.
SHARES = {"model": 0.60, "pool": 0.25, "evaluation": 0.15}


def fraction(purpose: str, *parts: str) -> float:
    """A number in [0, 1) that belongs to these words alone: chance that needs no stream."""
    message = "\0".join((purpose, *parts)).encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(message, digest_size=8).digest(), "big") / 2**64


def split_of(group: str) -> str:
    """model, pool or evaluation, by hash of the group, so that no group is in two of them."""
    drawn, edge = fraction("split", group), 0.0
    for name, share in SHARES.items():
        edge += share
        if drawn < edge:
            return name
    return "evaluation"


def groups_of(signatures: Mapping[str, Iterable[Hashable]]) -> dict[str, str]:
    """Join items that share any signature, and what those share, to the end (union-find).

    `signatures` maps an item to what it has in common with its like (title, file name series, pixels). Gives item ->
    group, named by the hash of the smallest item in it: it does not depend on the order of the items.
    """
    holders: dict[Hashable, list[str]] = defaultdict(list)
    for item, marks in signatures.items():
        for mark in marks:
            holders[mark].append(item)
    parent = {item: item for item in signatures}
    for items in holders.values():
        join(parent, items)
    return {item: hashlib.blake2b(root(parent, item).encode(), digest_size=16).hexdigest() for item in signatures}


def root(parent: dict[str, str], item: str) -> str:
    """The smallest item of a group, with the path to it shortened on the way."""
    while parent[item] != item:
        parent[item] = parent[parent[item]]
        item = parent[item]
    return item


def join(parent: dict[str, str], items: Sequence[str]) -> None:
    """Make one group of `items`, under its smallest root."""
    roots = sorted({root(parent, item) for item in items})
    for other in roots[1:]:
        parent[other] = roots[0]
