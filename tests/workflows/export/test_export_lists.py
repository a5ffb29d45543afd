"""Lists about texts in the samples' json: what a trainer needs to balance as it goes."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from pipeline.errors import ConfigError, ContractError
from pipeline.parts import Members
from pipeline.step import Entry
from pipeline.store import Store
from workflows.export.gather import Row, plain_lists
from workflows.export.step import Export
from workflows.export.ustar import closing, header, padding

Run = Callable[..., Any]


def test_lists_are_written_whole_and_as_they_are(run_export: Run) -> None:
    done = run_export(["a cat", "bad one", "a dog"], lists={"texts": "rows.texts", "again": "judge.list"})
    with tarfile.open(next(done.folder.glob("*.tar")), "r:") as tar:
        told = [json.loads(tar.extractfile(m).read()) for m in tar if m.name.endswith("json")]  # type: ignore[union-attr]
    assert sorted(line["texts"] for line in told) == sorted(line["again"] for line in told) == [["a cat"], ["a dog"]]
    assert [list(line) for line in told] == [
        ["uid", "key", "caption_alt", "caption_short", "score", "url", "words", "again", "texts"]
    ] * 2
    assert "| `texts` | a list, of rows.texts | |" in (done.folder / "README.md").read_text()


def test_chances_and_texts_of_a_row_stay_side_by_side() -> None:
    column = pa.chunked_array(
        [
            pa.array([[0.1, 1.0], None, []], pa.list_(pa.float32())).slice(0, 2),
            pa.array([[0.5]], pa.list_(pa.float32())),
        ]
    )
    assert plain_lists(column, "balance.text_probabilities") == [[0.1, 1.0], [], [0.5]]
    texts = pa.chunked_array([pa.array([[{"text": "a", "kind": "alt"}, {"text": None, "kind": "title"}], []])])
    assert plain_lists(texts, "rows.texts") == [["a", ""], []]


@pytest.mark.parametrize("column", [pa.array(["a"]), pa.array([[[1]]])])
def test_columns_that_are_not_about_texts_are_refused(column: pa.Array) -> None:
    with pytest.raises(ContractError, match=r"rows\.x is of type"):
        plain_lists(pa.chunked_array([column]), "rows.x")


def test_a_list_needs_a_name_of_its_own() -> None:
    with pytest.raises(ConfigError, match="`lists`"):
        Export(name="shards", lists={"url": "rows.texts"})


def test_a_row_whose_lists_are_of_different_texts_is_not_written(tmp_path: Path) -> None:
    step = Export(name="shards", lists={"texts": "rows.texts", "chances": "b.p"}, columns={})
    (tmp_path / "images.tar").write_bytes(header("k.jpg", 3) + b"\xff\xd8\xff" + padding(3) + closing(1024))
    images = Members(Store(tmp_path), [Entry("d", "1", "0", 0, "", {"tar": ("images.tar", "", 0)}, 1, {})])
    row = Row("uid", "k", {"rows.caption": "a", "rows.texts": ["a", "b"], "b.p": [0.5]}, images)
    assert step.shape.sample(row) == "chances, texts are not about the same texts"
