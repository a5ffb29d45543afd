"""Every sample once an epoch, in an order that belongs to (seed, epoch), and a resume that needs one number."""

from itertools import islice

from hypothesis import given, settings
from hypothesis import strategies as st

from workflows.training.order import batches, epoch_order

SIZES = st.lists(st.integers(0, 9), min_size=1, max_size=7)


@given(SIZES, st.integers(0, 3), st.integers(0, 3), st.integers(1, 9))
def test_an_epoch_has_every_sample_once(sizes: list[int], seed: int, epoch: int, mix: int) -> None:
    found = list(epoch_order(sizes, seed, epoch, mix))
    assert {p.epoch for p in found} <= {epoch}
    assert sorted((p.shard, p.sample) for p in found) == [(s, n) for s, size in enumerate(sizes) for n in range(size)]


@settings(max_examples=30)
@given(SIZES.filter(sum), st.integers(1, 9), st.integers(0, 40))
def test_a_resume_goes_on_where_it_stopped(sizes: list[int], batch: int, done: int) -> None:
    whole = [p for b in islice(batches(sizes, 1, 2, batch), 60) for p in b]
    rest = [p for b in islice(batches(sizes, 1, 2, batch, start=done), 5) for p in b]
    assert whole[done : done + len(rest)] == rest[: len(whole) - done]


def test_batches_are_full_across_epochs() -> None:
    found = list(islice(batches([3, 4], 0, 8, 5), 20))
    assert {len(batch) for batch in found} == {5}
    assert {p.epoch for p in found[1]} == {0, 1}


def test_seeds_and_epochs_differ() -> None:
    orders = [[(p.shard, p.sample) for p in epoch_order([50, 50], s, e, 2)] for s, e in ((0, 0), (0, 1), (1, 0))]
    assert orders[0] != orders[1] != orders[2] != orders[0]


def test_shards_of_one_group_are_mixed_and_groups_stay_apart() -> None:
    found = [p.shard for p in epoch_order([100] * 4, 0, 0, 2)]
    first, second = set(found[:200]), set(found[200:])
    assert len(first) == len(second) == 2
    assert not first & second
    assert found[:100].count(found[0]) < 70


def test_the_order_is_frozen() -> None:
    found = [(p.shard, p.sample) for p in epoch_order([10, 10], 0, 0, 2)]
    assert [found[place] for place in (0, 17)] == [(1, 0), (0, 4)]
