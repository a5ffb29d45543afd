from itertools import combinations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.duplicates import PARTIAL, Duplicates, Unique
from curation.hamming import band_masks, near_pairs
from pipeline.errors import ConfigError

TWINS = Duplicates(name="twins")


def rows(*items: tuple[str, str | None, int | None, bool, int]) -> pa.Table:
    """(uid, sha256, phash, blank, colour) as `partial` is given them."""
    names = ["uid", "download.sha256", "look.phash", "look.blank", "look.colour"]
    types = [pa.string(), pa.string(), pa.uint64(), pa.bool_(), pa.uint32()]
    columns = zip(*items, strict=True)
    return pa.table([pa.array(list(c), t) for c, t in zip(columns, types, strict=True)], names=names)


def groups(table: pa.Table, step: Duplicates = TWINS, cuts: int = 1) -> list[tuple[str, int, str, str]]:
    size = -(-table.num_rows // cuts)
    partials = [step.partial(table.slice(k, size)) for k in range(0, table.num_rows, size)]
    return [tuple(row.values()) for row in step.combine(iter(partials)).to_pylist()]


def brute_force(hashes: np.ndarray, distance: int) -> set[tuple[int, int]]:
    far = np.bitwise_count(hashes[:, None] ^ hashes[None, :])
    return {(int(a), int(b)) for a, b in zip(*np.nonzero(far <= distance), strict=True) if a < b}


@settings(max_examples=40)
@given(
    seeds=st.lists(st.integers(0, 2**64 - 1), min_size=1, max_size=6),
    flips=st.lists(st.tuples(st.integers(0, 5), st.sets(st.integers(0, 63), max_size=8)), max_size=30),
    distance=st.integers(0, 7),
)
def test_near_pairs_are_all_pairs(seeds: list[int], flips: list[tuple[int, set[int]]], distance: int) -> None:
    derived = [seeds[k % len(seeds)] ^ sum(1 << bit for bit in bits) for k, bits in flips]
    hashes = np.array([*seeds, *derived], np.uint64)
    found = {(min(a, b), max(a, b)) for one, two in near_pairs(hashes, distance) for a, b in zip(one, two, strict=True)}
    assert found == brute_force(hashes, distance)


def test_more_hashes_are_cut_into_more_bands() -> None:
    assert [len(band_masks(n, 4)) for n in (10, 10_000_000, 10_000_000_000)] == [5, 15, 35]
    for n in (1_000, 10_000_000, 10_000_000_000):
        whole = np.bitwise_or.reduce(band_masks(n, 4))
        assert whole == np.uint64(2**64 - 1)


def test_equal_bytes_and_near_looks_make_groups_with_the_smallest_uid_in_front() -> None:
    table = rows(
        ("e", "s1", 0b0, False, 0),
        ("d", "s2", 0b1111, False, 0),
        ("c", "s3", 0b11111111, False, 0),  # 8 bits from e, 4 from d: they are connected
        ("b", "s1", 0b0, False, 0),
        ("a", "s4", 2**63, False, 0xFF0000),  # near e, but red
        ("f", "s5", 2**64 - 1, False, 0),
        ("g", "s6", 2**40, True, 0),  # near e, but blank
        ("h", "s6", None, True, 0),
        ("i", None, None, False, 0),
        ("j", None, None, False, 0),
    )
    expected = [
        ("b", 0, "b", "exact"),
        ("c", 0, "b", "near"),
        ("d", 0, "b", "near"),
        ("e", 0, "b", "exact"),
        ("g", 1, "g", "exact"),
        ("h", 1, "g", "exact"),
    ]
    assert groups(table) == expected
    exact = Duplicates(name="twins", hamming=-1)
    assert [row[0] for row in groups(table, exact)] == ["b", "e", "g", "h"]


@settings(max_examples=30)
@given(
    data=st.lists(
        st.tuples(
            st.integers(0, 12), st.sampled_from([0, 7, 255, 2**60]), st.booleans(), st.sampled_from([0, 20, 0xFF])
        ),
        min_size=1,
        max_size=40,
    ),
    cuts=st.integers(1, 5),
    seed=st.integers(0, 9),
)
def test_groups_do_not_depend_on_shards_or_order(data: list[tuple[int, int, bool, int]], cuts: int, seed: int) -> None:
    table = rows(*((f"u{k:03d}", f"s{s}", h, blank, c) for k, (s, h, blank, c) in enumerate(data)))
    shuffled = table.take(np.random.default_rng(seed).permutation(len(data)))
    made = groups(table)
    assert made == groups(shuffled, cuts=cuts)
    digest = {f"u{k:03d}": s for k, (s, *_) in enumerate(data)}
    for uid, group, representative, kind in made:
        assert representative == min(row[0] for row in made if row[1] == group)
        assert (kind == "exact") == (digest[uid] == digest[representative])
    group_of = {row[0]: row[1] for row in made}
    for one, two in combinations(digest, 2):
        if digest[one] == digest[two]:
            assert group_of[one] == group_of[two]


def test_many_pictures_of_one_look_cost_no_square() -> None:
    n = 200_000
    table = pa.table(
        {
            "uid": [f"{k:032x}" for k in range(n)],
            "sha256": [str(k) for k in range(n)],
            "phash": pa.array(np.full(n, 12345, np.uint64)),
            "colour": pa.array(np.zeros(n, np.uint32)),
        },
        PARTIAL,
    )
    assert TWINS.combine(iter([table])).num_rows == n


def test_an_empty_pool_has_no_twins() -> None:
    assert TWINS.combine(iter([])).num_rows == 0
    assert TWINS.combine(iter([PARTIAL.empty_table()])).num_rows == 0


def test_unique_keeps_one_of_each_group() -> None:
    table = TWINS.combine(
        iter([TWINS.partial(rows(("a", "s", 1, False, 0), ("b", "s", 1, False, 0), ("c", "t", 1, False, 0)))])
    )
    batch = pa.record_batch({"uid": ["c", "x", "a", "b", "", "zz"], "download.sha256": list("tussvw")})
    with Unique(name="unique").open({"twins": table}) as annotate:
        (made,) = annotate(iter([batch]))
    assert made["keep"].to_pylist() == [False, True, True, False, True, True]
    assert made["reject_reason"].to_pylist() == ["near_duplicate", None, None, "exact_duplicate", None, None]
    assert made["representative"].to_pylist() == ["a", None, "a", "a", None, None]
    assert made["group"].to_pylist() == [0, None, 0, 0, None, None]
    with Unique(name="unique").open({"twins": TWINS.combine(iter([]))}) as annotate:
        assert all(next(annotate(iter([batch])))["keep"].to_pylist())


def test_a_distance_that_means_nothing_is_refused() -> None:
    with pytest.raises(ConfigError, match="about 32 bits"):
        Duplicates(name="twins", hamming=30)
