from pathlib import Path

import pyarrow.parquet as pq
from hypothesis import given
from hypothesis import strategies as st

from workflows.demo.split import SHARES, groups_of, split_of

MARKS = st.dictionaries(st.text("abcdef", min_size=1, max_size=3), st.lists(st.integers(0, 8), max_size=3), max_size=25)


@given(MARKS)
def test_items_that_share_a_mark_are_in_one_group_and_one_split(signatures: dict[str, list[int]]) -> None:
    groups = groups_of(signatures)
    assert set(groups) == set(signatures)
    for one, marks in signatures.items():
        for other, others in signatures.items():
            if set(marks) & set(others):
                assert groups[one] == groups[other]
                assert split_of(groups[one]) == split_of(groups[other])


@given(MARKS, st.randoms())
def test_groups_do_not_depend_on_the_order(signatures: dict[str, list[int]], random: object) -> None:
    items = list(signatures.items())
    random.shuffle(items)  # type: ignore[attr-defined]
    assert groups_of(dict(items)) == groups_of(signatures)


@given(MARKS)
def test_a_group_holds_nothing_that_no_chain_of_marks_leads_to(signatures: dict[str, list[int]]) -> None:
    groups = groups_of(signatures)
    for group in set(groups.values()):
        inside = {item for item, its in groups.items() if its == group}
        reached, edge = {min(inside)}, {min(inside)}
        while edge:
            marks = {mark for item in edge for mark in signatures[item]}
            edge = {item for item in signatures if marks & set(signatures[item])} - reached
            reached |= edge
        assert reached == inside


def test_the_splits_have_about_their_shares() -> None:
    drawn = [split_of(f"group {k}") for k in range(4000)]
    for name, share in SHARES.items():
        assert abs(drawn.count(name) / 4000 - share) < 0.03


def test_nothing_crosses_in_the_built_pool(demo: Path) -> None:
    art = pq.read_table(demo / "art.parquet").to_pylist()
    homes = {(row["group"], row["split"]) for row in art}
    assert len(homes) == len({group for group, _ in homes})
    pool = {row["group"] for row in art if row["split"] == "pool"}
    truth = pq.read_table(demo / "truth.parquet").to_pylist()
    assert {row["group"] for row in truth if row["art_uid"]} <= pool
    known = {
        text["text"]: row for row in art for text in row["texts"] if text["lang"] == "en" and text["kind"] == "name"
    }
    scenes = [row for row in truth if row["source"] == "scene"]
    assert scenes
    assert all(known[name]["split"] == "pool" for row in scenes for name in row["objects"])
