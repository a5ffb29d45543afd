"""Metadata sets: reading, order, the first of equal entries, and the map from labels to sets."""

import json

import pytest

from curation.metadata import MetadataSets
from curation.metadata_build.compose import compose
from pipeline.errors import ConfigError, DataError


def folder(tmp_path, **lists):
    for name, text in lists.items():
        (tmp_path / f"{name}.txt").write_bytes(text if isinstance(text, bytes) else text.encode())
    return MetadataSets.load(tmp_path)


def test_one_entry_a_line_the_first_of_equal_ones_stays_and_nothing_is_stripped(tmp_path):
    sets = folder(tmp_path, en="cat\r\n\ncat\n dog \na\u2028b\na\x0cb\n \n1\ncat\n")
    assert sets.names == ("en",)
    assert sets.entries("en") == ("cat", " dog ", "a\u2028b", "a\x0cb", " ", "1")


def test_a_byte_order_mark_is_no_entry(tmp_path):
    assert folder(tmp_path, en="\ufeffcat\ndog".encode()).entries("en") == ("cat", "dog")


def test_lists_of_one_label_are_merged_its_own_first(tmp_path):
    sets = folder(tmp_path, zh="猫\n狗", zh_classical="犬\n猫", zh_Hant="貓", nb="hund", nan="x", qqq="y", other="z")
    assert sets.entries("zh") == ("猫", "狗", "貓", "犬")
    assert sets.entries("no") == ("hund",)
    assert sets.entries("other") == ("z", "x", "y")
    assert sets.names == ("no", "other", "zh")


def test_the_json_forms_of_metaclip(tmp_path):
    (tmp_path / "list.json").write_text(json.dumps(["cat", "dog", "cat"]))
    (tmp_path / "dict.json").write_text(json.dumps({"en": ["cat"], "ja": ["猫", "\ud800"]}))
    assert MetadataSets.load(tmp_path / "list.json").entries("en") == ("cat", "dog")
    worldwide = MetadataSets.load(tmp_path / "dict.json")
    assert (worldwide.names, worldwide.entries("ja")) == (("en", "ja"), ("猫", "\ud800"))


@pytest.mark.parametrize("text", ["{", '"cat"', "[1, 2]", '{"en": "cat"}', '{"en": [null]}'])
def test_json_that_is_no_metadata_is_refused(tmp_path, text):
    (tmp_path / "metadata.json").write_text(text)
    with pytest.raises(DataError, match=r"metadata\.json"):
        MetadataSets.load(tmp_path / "metadata.json")


def test_nothing_there_and_other_encodings_are_refused(tmp_path):
    with pytest.raises(ConfigError, match="holds no metadata"):
        MetadataSets.load(tmp_path)
    with pytest.raises(ConfigError, match="holds no metadata"):
        MetadataSets.load(tmp_path / "none")
    (tmp_path / "de.txt").write_bytes("Käse".encode("latin-1"))
    with pytest.raises(DataError, match=r"de\.txt is not UTF-8"):
        MetadataSets.load(tmp_path).entries("de")


def test_order_numbers_first_then_the_sources_and_the_limit():
    entries = compose(["cat", "7", "", "!"], ["dog", "cat", "...", "x" * 300], ["of the"])
    assert entries[:100] == [str(k) for k in range(100)]
    assert entries[100:] == ["cat", "dog", "...", "x" * 300, "of the"]
    assert compose(["cat"], ["dog"], limit=101)[100:] == ["cat"]


def test_the_worldwide_rules_also_drop_punctuation_and_long_entries():
    assert compose(["...", "。", "x" * 257, "x" * 256, "写真", "a。", ""], worldwide=True)[100:] == [
        "x" * 256,
        "写真",
        "a。",
    ]
