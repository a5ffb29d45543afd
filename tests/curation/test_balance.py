"""Balancing: exact chances, draws within binomial bounds, and rows that are kept once with the list of their texts."""

import math

import numpy as np
import pyarrow as pa
import pytest

from curation.balance import Balance, MatchCounts
from curation.counts import COUNTS
from pipeline.errors import ConfigError, ContractError, DataError
from pipeline.rows import TEXT

RAGGED = pa.list_(pa.list_(pa.int32()))


def table(*rows):
    return pa.Table.from_pylist([dict(zip(COUNTS.names, row, strict=True)) for row in rows], COUNTS)


def batch_of(stage, rows):
    """Rows are lists of (text, set, entries)."""
    return pa.record_batch(
        {
            "uid": pa.array([f"{k:032x}" for k in range(len(rows))]),
            stage.texts: pa.array([[{"text": t, "kind": "alt"} for t, _, _ in row] for row in rows], pa.list_(TEXT)),
            stage.metadata: pa.array([[name for _, name, _ in row] for row in rows], pa.list_(pa.string())),
            stage.entries: pa.array([[ids for _, _, ids in row] for row in rows], RAGGED),
        }
    )


def balance(stage, counts, rows):
    with stage.open({stage.counts: counts}) as annotate:
        made = pa.Table.from_batches(annotate(iter([batch_of(stage, rows)])))
    assert made.schema == stage.writes
    return made


def test_the_published_example_photo_and_tokyo():
    counts = table(("en", 0, 54_000_000), ("en", 1, 713_000), ("en", 2, 10_000))
    rows = [[("photo", "en", [0])], [("photo Tokyo", "en", [0, 1])], [("photo barry", "en", [0, 2])], [("-", "en", [])]]
    made = balance(Balance(name="balance", t=20_000), counts, rows)
    assert made["probability"].to_pylist() == pytest.approx([3.7037e-4, 0.0284105, 1, 0], rel=1e-5)
    assert made["keep"].to_pylist()[2:] == [True, False]
    assert made["reject_reason"].to_pylist()[2:] == [None, "no_match"]


def test_the_draws_follow_the_chances_within_binomial_bounds():
    counts = table(("en", 0, 40), ("en", 1, 25), ("en", 2, 10))
    sets = [[0], [1], [0, 1], [0, 1, 2]]
    rows = [[(f"text {k}", "en", sets[k % 4])] for k in range(20_000)]
    made = balance(Balance(name="balance", t=10), counts, rows)
    for k, chance in enumerate([0.25, 0.4, 1 - 0.75 * 0.6, 1.0]):
        group = made.slice(k).take(pa.array(range(0, len(rows) - 3, 4)))
        n, kept = group.num_rows, sum(group["keep"].to_pylist())
        assert set(group["probability"].to_pylist()) == {np.float32(chance)}
        assert abs(kept - n * chance) <= 4 * math.sqrt(n * chance * (1 - chance))
    chances = made["probability"].to_numpy().astype(float)
    kept = sum(made["keep"].to_pylist())
    assert abs(kept - chances.sum()) <= 4 * math.sqrt((chances * (1 - chances)).sum())


def test_texts_of_a_row_draw_apart_and_the_row_is_kept_once_with_their_list():
    counts = table(("en", 0, 20), ("de", 0, 40))
    rows = [[(f"a {k}", "en", [0]), (f"b {k}", "de", [0]), ("none", "en", [])] for k in range(8_000)]
    made = balance(Balance(name="balance", t=10), counts, rows)
    assert made.num_rows == len(rows)
    kept = np.array(made["kept"].to_pylist())
    assert made["text_probabilities"][0].as_py() == [0.5, 0.25, 0.0]
    assert made["probability"][0].as_py() == 1 - 0.5 * 0.75
    assert made["keep"].to_pylist() == kept.any(axis=1).tolist()
    for column, chance in ((kept[:, 0], 0.5), (kept[:, 1], 0.25), (kept[:, 0] & kept[:, 1], 0.125)):
        assert abs(column.mean() - chance) <= 4 * math.sqrt(chance * (1 - chance) / len(rows))
    assert not kept[:, 2].any()


def test_the_kept_number_has_the_expected_mean_and_variance_over_seeds():
    """Sum of p and sum of p(1 - p), over rows of one to three texts of one or two entries: independent draws have both."""
    counts, sets = table(("en", 0, 40), ("en", 1, 25), ("en", 2, 13)), [[0], [1], [2], [0, 1], [1, 2]]
    rows = [[(f"{k} {j}", "en", sets[(k + j) % 5]) for j in range(1 + k % 3)] for k in range(300)]
    made = [balance(Balance(name="balance", t=10, seed=seed), counts, rows) for seed in range(400)]
    p = made[0]["probability"].to_numpy().astype(float)
    mean, variance = p.sum(), (p * (1 - p)).sum()
    z = (np.array([sum(one["keep"].to_pylist()) for one in made]) - mean) / math.sqrt(variance)
    assert abs(z.mean()) <= 4 / math.sqrt(len(z))
    assert abs((z**2).sum() - len(z)) <= 4 * math.sqrt(2 * len(z))
    kept = np.array([one["keep"].to_pylist() for one in made])
    assert (np.abs(kept.mean(axis=0) - p) <= 5 * np.sqrt(p * (1 - p) / len(z)) + 1e-9).all()


def test_a_threshold_is_no_cap():
    """Texts of a head entry that also match a tail entry are kept whole, so that the head ends above t (section 1.3)."""
    rows = [[(f"photo {k}", "en", [0, 1] if k % 4 == 0 else [0])] for k in range(400)]
    made = balance(Balance(name="balance", t=100), table(("en", 0, 400), ("en", 1, 100)), rows)
    kept = made["keep"].to_pylist()
    assert all(kept[::4])
    assert abs(sum(kept) - (100 + 300 * 0.25)) <= 4 * math.sqrt(300 * 0.25 * 0.75)


def test_chances_are_a_product_not_a_sum():
    """The demonstration of the published code adds chances up: 0.0284209 for photo and Tokyo, and 1 where the truth is 0.75."""
    counts = table(("en", 0, 20), ("en", 1, 20))
    made = balance(Balance(name="balance", t=10), counts, [[("x", "en", [0, 1])]])
    assert made["probability"].to_pylist() == [0.75]


def test_the_likeliest_of_equal_texts_decides():
    """Columns may call one text two languages; it draws once, so its row is kept as the better of the two chances says."""
    counts = table(("en", 0, 20), ("de", 0, 40))
    rows = [[(f"{k}", "de", [0]), (f"{k}", "en", [0]), (f"{k}", "de", [0])] for k in range(4000)]
    made = balance(Balance(name="balance", t=10), counts, rows)
    assert set(made["probability"].to_pylist()) == {0.5}
    assert abs(sum(made["keep"].to_pylist()) - 2000) <= 4 * math.sqrt(1000)


def test_batches_of_any_size_give_the_same():
    counts = table(("en", 0, 20), ("de", 0, 40))
    rows = [[(f"{k} {j}", ("en", "de")[j % 2], [0]) for j in range(k % 4)] for k in range(200)]
    stage = Balance(name="balance", t=10)
    whole = balance(stage, counts, rows).combine_chunks()
    batch = batch_of(stage, rows)
    for size in (1, 7, 64):
        with stage.open({"counts": counts}) as annotate:
            cut = pa.Table.from_batches(annotate(batch.slice(k, size) for k in range(0, len(rows), size)))
        assert cut.combine_chunks().equals(whole)


def test_equal_texts_of_a_row_share_one_draw():
    rows = [[("a", "en", [0])] * 100 for _ in range(200)]
    made = balance(Balance(name="balance", t=10), table(("en", 0, 20)), rows)
    assert set(made["probability"].to_pylist()) == {0.5}
    assert all(len(set(kept)) == 1 for kept in made["kept"].to_pylist())


def test_a_text_draws_the_same_in_any_company_and_another_for_another_seed():
    counts = table(("en", 0, 20), ("zh", 0, 30))
    rows = [[(f"text {k}", ("en", "zh")[k % 2], [0])] for k in range(500)]
    stage = Balance(name="balance", t=10)
    with stage.open({"counts": counts}):
        whole = balance(stage, counts, rows)["keep"].to_pylist()
    wider = balance(stage, counts, [[*row, ("more", "zh", [0])] for row in rows])["kept"].to_pylist()
    assert [kept[0] for kept in wider] == whole
    assert balance(Balance(name="other name", t=10), counts, rows)["keep"].to_pylist() == whole
    assert balance(Balance(name="balance", t=10, seed=1), counts, rows)["keep"].to_pylist() != whole


def test_rows_without_texts_and_batches_without_rows():
    made = balance(Balance(name="balance", t=1), table(("en", 0, 1)), [[], [("x", "en", [])], []])
    assert made["reject_reason"].to_pylist() == ["no_match"] * 3
    assert made["kept"].to_pylist() == [[], [False], []]
    assert balance(Balance(name="balance", t_en=1), table(), []).num_rows == 0
    assert balance(Balance(name="balance", t_en=1), table(), [[("x", "en", [])]])["keep"].to_pylist() == [False]


def test_thresholds_by_language_by_number_and_by_tail():
    counts = {"en": np.array([1, 2, 3, 4, 90]), "de": np.array([10, 20, 30, 40, 900])}
    assert Balance(name="b", t_en=4).thresholds(counts) == {"en": 4, "de": 30}
    assert Balance(name="b", t=7).thresholds(counts) == {"en": 7, "de": 7}
    assert Balance(name="b", tail=0.06).thresholds(counts) == {"en": 3, "de": 30}


@pytest.mark.parametrize("given", [{}, {"t": 1, "t_en": 1}, {"t": 0}, {"t_en": -1}, {"tail": 0.0}, {"tail": 1.5}])
def test_thresholds_that_contradict_each_other_are_refused(given):
    with pytest.raises(ConfigError, match="t_en"):
        Balance(name="balance", **given)


def test_a_pool_without_english_cannot_take_its_tail_from_there():
    with (
        pytest.raises(DataError, match="Give `t` or `tail`"),
        Balance(name="b", t_en=5).open({"counts": table(("de", 0, 1))}),
    ):
        pass


def test_matches_that_were_not_counted_are_refused():
    for row in ([("x", "en", [5])], [("x", "de", [0])], [("x", "zh", [3])]):
        with pytest.raises(ContractError, match="Count the matches"):
            balance(Balance(name="balance", t=1), table(("en", 0, 1), ("zh", 9, 1)), [row])


def test_columns_about_other_texts_are_refused():
    stage = Balance(name="balance", t=1)
    batch = pa.record_batch(
        {
            "uid": ["0"],
            stage.texts: pa.array([["a", "b"]]),
            stage.metadata: pa.array([["en"]]),
            stage.entries: pa.array([[[0]]], RAGGED),
        }
    )
    with (
        pytest.raises(ContractError, match="not about the texts"),
        stage.open({"counts": table(("en", 0, 1))}) as annotate,
    ):
        list(annotate(iter([batch])))


def matches(rows):
    stage = MatchCounts(name="counts")
    return pa.table(
        {
            "uid": [f"{k}" for k in range(len(rows))],
            stage.metadata: pa.array([None if r is None else [n for n, _ in r] for r in rows], pa.list_(pa.string())),
            stage.entries: pa.array([None if r is None else [ids for _, ids in r] for r in rows], RAGGED),
        }
    )


def test_counts_merge_to_the_same_table_however_the_rows_are_cut():
    draws = np.random.default_rng(0)
    rows = [
        None
        if k % 17 == 0
        else [(("en", "de")[j % 2], sorted({*map(int, draws.integers(0, 9, 4))})) for j in range(k % 4)]
        for k in range(300)
    ]
    stage = MatchCounts(name="counts")
    whole = stage.combine(iter([stage.partial(matches(rows))]))
    cut = stage.combine(stage.partial(matches(rows[k : k + 7])) for k in reversed(range(0, 300, 7)))
    assert whole.equals(cut) and whole.schema == COUNTS
    expected: dict[tuple[str, int], int] = {}
    for row in rows:
        for name, ids in row or []:
            for entry in ids:
                expected[name, entry] = expected.get((name, entry), 0) + 1
    assert whole.to_pylist() == table(*((*key, n) for key, n in sorted(expected.items()))).to_pylist()


def test_counts_beyond_32_bits_add_up():
    stage = MatchCounts(name="counts")
    halves = [table(("en", 3, 2**40), ("ja", 4, 1)), table(("en", 3, 2**40), ("en", 0, 1))]
    assert stage.combine(iter(halves)).to_pylist() == table(("en", 0, 1), ("en", 3, 2**41), ("ja", 4, 1)).to_pylist()


def test_no_matches_and_no_shards_count_nothing():
    stage = MatchCounts(name="counts")
    for rows in ([], [None], [[]], [[("en", [])]]):
        assert stage.combine(iter([stage.partial(matches(rows))])).equals(table())
    assert stage.combine(iter([])).equals(table())
