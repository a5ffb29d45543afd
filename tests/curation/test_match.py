"""The match stage: each text against its own set, in the order of the texts."""

import pyarrow as pa
import pytest

from curation.match import Match
from pipeline.errors import ConfigError, ContractError
from pipeline.rows import TEXT


@pytest.fixture
def metadata(tmp_path):
    lists = {"en": "cat\na cat\n(x\n", "zh": "猫\n小猫\n", "de": "Katze\n(x\n", "other": "猫\ncat\n"}
    for name, text in lists.items():
        (tmp_path / f"{name}.txt").write_text(text, encoding="utf-8")
    return tmp_path


def match(stage, texts, labels):
    batch = pa.record_batch(
        {"uid": pa.array([f"{k}" for k in range(len(texts))]), stage.texts: texts, stage.languages: labels}
    )
    with stage.open({}) as annotate:
        made = pa.Table.from_batches(annotate(iter([batch])))
    assert made.schema == stage.writes
    return made["metadata"].to_pylist(), made["entries"].to_pylist()


def column(rows):
    return pa.array(
        [None if row is None else [{"text": t, "kind": "alt"} for t in row] for row in rows], pa.list_(TEXT)
    )


def test_each_text_is_matched_against_the_set_of_its_language(metadata):
    texts = column([["a cat", "小猫"], [], None, ["小猫"], [None, "Katze"], ["a cat"]])
    labels = pa.array([["en", "wuu"], [], None, ["unknown"], ["en", "bar"], ["xx"]], pa.list_(pa.string()))
    names, entries = match(Match(name="match", metadata=metadata), texts, labels)
    assert names == [["en", "zh"], [], [], ["other"], ["en", "de"], ["other"]]
    assert entries == [[[0, 1], [0, 1]], [], [], [[0]], [[], [0]], [[1]]]


def test_english_is_wrapped_as_by_metaclip_and_the_others_in_the_worldwide_form(metadata):
    texts, labels = column([["y(x"], ["y(x"], ["小猫"]]), pa.array([["en"], ["de"], ["zh"]])
    assert match(Match(name="match", metadata=metadata), texts, labels)[1] == [[[]], [[1]], [[0, 1]]]
    assert match(Match(name="match", metadata=metadata, english="de"), texts, labels)[1] == [[[2]], [[]], [[0, 1]]]
    assert match(Match(name="match", metadata=metadata, space_free=False), texts, labels)[1] == [[[]], [[]], [[1]]]


def test_without_a_set_for_the_rest_their_texts_match_nothing(metadata):
    (metadata / "other.txt").unlink()
    found = match(Match(name="match", metadata=metadata), column([["cat"]]), pa.array([["fr"]]))
    assert found == ([["other"]], [[[]]])


def test_a_hundred_texts_in_one_row_and_none_in_any(metadata):
    stage = Match(name="match", metadata=metadata)
    assert match(stage, column([["cat"] * 100]), pa.array([["en"] * 100]))[1] == [[[0]] * 100]
    nothing = pa.array([[], []], pa.list_(pa.string()))
    assert match(stage, column([[], []]), nothing) == ([[], []], [[], []])


def test_plain_columns_are_lists_of_one(metadata):
    stage = Match(name="match", texts="captions.short", languages="lang.language", metadata=metadata)
    assert match(stage, pa.array(["a cat", None]), pa.array(["en", "en"])) == ([["en"], ["en"]], [[[0, 1]], [[]]])


def test_languages_of_other_texts_are_refused(metadata):
    with pytest.raises(ContractError, match="one language for each text"):
        match(Match(name="match", metadata=metadata), column([["cat", "dog"]]), pa.array([["en"]]))


def test_the_bytes_of_the_metadata_are_identity(metadata, tmp_path):
    before = Match(name="match", metadata=metadata).identity({})
    (metadata / "en.txt").write_text("cat\n", encoding="utf-8")
    assert Match(name="match", metadata=metadata).identity({}) != before
    with pytest.raises(ConfigError, match="does not exist"):
        Match(name="match", metadata=tmp_path / "none").identity({})
