from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from clip_rows import batch, run

from curation.clip.score import NO_IMAGE, NO_TEXT, ClipScore
from curation.clip.towers import open_towers
from curation.images import decode
from pipeline.recipe import literals
from pipeline.rows import TEXT

pytestmark = pytest.mark.slow  # torch and open_clip take seconds to import


@pytest.fixture
def stage(tiny: Path) -> ClipScore:
    return ClipScore(name="clip", model="tiny", checkpoint=tiny, device="cpu")


def test_the_score_is_the_cosine(stage: ClipScore, tiny: Path, picture: Callable[..., bytes]) -> None:
    images, texts = [picture(seed) for seed in range(4)], ["cat", "dog", "cat", "a red circle"]
    towers = open_towers("tiny", checkpoint=tiny, device="cpu")
    expected = (towers.encode_images([decode(image) for image in images]) * towers.encode_texts(texts)).sum(1)
    table = run(stage, batch(images, texts))
    assert np.allclose(table["clip_score"].to_numpy(), expected, atol=1e-6)
    assert table["clip_scores"].to_pylist() == [[score] for score in table["clip_score"].to_pylist()]
    assert table["error_message"].null_count == 4


def test_every_row_comes_back_in_order_with_a_reason(stage: ClipScore, picture: Callable[..., bytes]) -> None:
    good = picture()
    images = [good, None, b"<html>404</html>", good[:60], good, good, good]
    table = run(stage, batch(images[:4], ["a cat"] * 4), batch(images[4:], [None, "  ", "a cat"]))
    reasons = table["error_message"].to_pylist()
    assert [reason is None for reason in reasons] == [True, False, False, False, False, False, True]
    assert reasons[1] == NO_IMAGE
    assert "allowed format" in reasons[2]
    assert "cut short" in reasons[3]
    assert reasons[4:6] == [NO_TEXT, NO_TEXT]
    assert [score is None for score in table["clip_score"].to_pylist()] == [reason is not None for reason in reasons]
    assert table["clip_score"][0] == table["clip_score"][6]


@pytest.mark.parametrize("kind", [pa.list_(pa.string()), pa.list_(TEXT)])
def test_each_text_of_a_list_has_its_score(stage: ClipScore, picture: Callable[..., bytes], kind: pa.DataType) -> None:
    lists: list[list[str | None] | None] = [["a cat", None, "a dog"], ["", "a dog"], [], None]

    def value(text: str | None) -> Any:
        return {"text": text, "kind": "alt"} if kind == pa.list_(TEXT) else text

    given = [None if texts is None else [value(text) for text in texts] for texts in lists]
    table = run(stage, batch([picture(1)] * 4, given, kind))
    single = run(stage, batch([picture(1)] * 2, ["a cat", "a dog"]))["clip_score"].to_pylist()
    scores = table["clip_scores"].to_pylist()
    assert scores[:2] == [[pytest.approx(single[0]), None, pytest.approx(single[1])], [None, pytest.approx(single[1])]]
    assert table["clip_score"].to_pylist()[:2] == [pytest.approx(single[0]), pytest.approx(single[1])]
    assert table["error_message"].to_pylist()[2:] == [NO_TEXT, NO_TEXT]


def test_two_runs_give_equal_bits(stage: ClipScore, picture: Callable[..., bytes]) -> None:
    given = [batch([picture(seed) for seed in range(9)], [f"thing {seed}" for seed in range(9)])]
    assert run(stage, *given).equals(run(stage, *given))


def test_a_batch_of_failures_and_no_batch_at_all(stage: ClipScore) -> None:
    assert run(stage, batch([None, b""], ["a", "b"])).num_rows == 2
    with stage.open({}) as annotate:
        assert list(annotate(iter([]))) == []


def test_batches_are_taken_as_they_are_needed(stage: ClipScore, picture: Callable[..., bytes]) -> None:
    taken = 0

    def endless() -> Iterator[pa.RecordBatch]:
        nonlocal taken
        while True:
            taken += 1
            yield batch([picture()], ["a cat"])

    with stage.open({}) as annotate:
        scored = annotate(endless())
        for _ in range(3):
            next(scored)
    assert taken == 4, "one batch is decoded ahead, and no more"


def test_where_it_runs_is_no_part_of_its_identity(tiny: Path) -> None:
    here = ClipScore(name="clip", model="tiny", checkpoint=tiny, device="cpu", batch_rows=8)
    there = ClipScore(name="clip", model="tiny", checkpoint=tiny, device="cuda", batch_rows=512, decoders=16)
    other = ClipScore(name="clip", model="mini")
    assert literals(here) == literals(there) != literals(other)
