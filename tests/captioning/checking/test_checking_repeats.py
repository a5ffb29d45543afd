"""Captions that come again on other pictures."""

from __future__ import annotations

from collections import Counter

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from captioning.checking.repeats import CaptionRepeats, words_of
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


def test_captions_that_differ_in_a_word_of_many_are_near():
    base = "an emoji of a smiling face with sunglasses that covers about half of the picture on a plain white background of paper"
    others = [
        base.replace("half", "most"),
        base + " again",
        "a dog runs over the green grass in front of an old red house",
    ]
    found = counted([base, *others])
    assert found["000"][0] == 1 and found["000"][1] >= 2
    assert "003" not in found


def test_fields_are_counted_apart_and_bounds_are_checked():
    step = CaptionRepeats(captions={"short": "c.short", "long": "c.long"})
    rows = pa.table({"uid": ["a", "b"], "c.short": ["one cat", "two dogs"], "c.long": ["two dogs", "one cat"]})
    assert step.combine(iter([step.partial(rows)])).num_rows == 0
    assert step.combine(iter([])).num_rows == 0
    with pytest.raises(ConfigError):
        CaptionRepeats(bands=-1)
