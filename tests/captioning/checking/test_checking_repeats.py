"""Captions that come again on other pictures."""

from __future__ import annotations

from collections import Counter

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from captioning.checking.repeats import CROWD, CaptionRepeats, words_of
from pipeline.errors import ConfigError

words = st.lists(st.sampled_from(["a", "red", "cat", "dog", "on", "grass", "the"]), max_size=5).map(" ".join)


def counted(captions: list[str | None], cuts: int = 1, **options: int) -> dict[str, tuple[int, int]]:
    step = CaptionRepeats(captions={"short": "captions.short"}, **options)
    table = pa.table(
        {"uid": [f"{n:03}" for n in range(len(captions))], "captions.short": pa.array(captions, pa.string())}
    )
    size = max(1, -(-len(captions) // cuts))
    parts = [step.partial(table.slice(start, size)) for start in range(0, len(captions), size)]
    found = step.combine(iter(parts)).to_pylist()
    return {row["uid"]: (row["equal"], row["near"]) for row in found}


@settings(max_examples=40)
@given(st.lists(st.none() | words, max_size=12), st.integers(1, 4))
def test_equal_captions_are_counted_however_the_pool_is_cut(captions, cuts):
    found = counted(captions, cuts)
    assert found == counted(captions)
    counts = Counter(" ".join(words_of(caption)) for caption in captions if words_of(caption))
    for place, caption in enumerate(captions):
        equal, near = found.get(f"{place:03}", (1, 1))
        assert equal == max(1, counts[" ".join(words_of(caption))])
        assert near >= equal


def test_case_and_marks_do_not_matter_but_order_does():
    found = counted(["A red cat.", "a RED cat", "a cat red", None, "..."], bands=0)
    assert found == {"000": (2, 2), "001": (2, 2)}


def test_near_is_a_jaccard_similarity_of_word_pairs():
    words = [f"w{n}" for n in range(40)]
    near, far = [*words[:-2], "x", "y"], [*words[:20], *(f"v{n}" for n in range(20))]  # Jaccard .9 and .3
    found = counted([" ".join(words), " ".join(near), " ".join(near), " ".join(far)])
    assert found == {"000": (1, 3), "001": (2, 3), "002": (2, 3)}


def test_a_crowd_is_counted_from_below():
    base = [f"w{n}" for n in range(60)]
    captions = [" ".join([*base, f"end{n}"]) for n in range(CROWD + 10)]
    found = counted(captions)
    assert len(found) == len(captions)
    assert all(CROWD - 1 <= near <= len(captions) for _, near in found.values())


def test_fields_are_counted_apart_and_bounds_are_checked():
    step = CaptionRepeats(captions={"short": "c.short", "long": "c.long"})
    rows = pa.table({"uid": ["a", "b"], "c.short": ["one cat", "two dogs"], "c.long": ["two dogs", "one cat"]})
    assert step.combine(iter([step.partial(rows)])).num_rows == 0
    assert step.combine(iter([])).num_rows == 0
    with pytest.raises(ConfigError):
        CaptionRepeats(bands=-1)
