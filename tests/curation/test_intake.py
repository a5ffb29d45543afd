"""Lists as people have them: every form, the field's column names, garbage kept, pairs of one URL grouped."""

import csv
import gzip
import json

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from curation.intake import Intake
from curation.lists import read_list
from curation.pairs import pair_of, rows_of_shard
from pipeline.errors import DataError
from pipeline.rows import shard_of, uid_of

LINES = [{"url": f"https://a.org/{k}.jpg", "caption": f"bild № {k}"} for k in range(30)]


def write(path, lines):
    if path.name.endswith(".parquet"):
        pq.write_table(pa.Table.from_pylist(lines), path)
    elif ".jsonl" in path.name:
        opener = gzip.open if path.suffix == ".gz" else open
        with opener(path, "wt", encoding="utf-8") as file:
            file.writelines(json.dumps(line) + "\n" for line in lines)
    else:
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, list(lines[0]), delimiter="\t" if path.suffix == ".tsv" else ",")
            writer.writeheader()
            writer.writerows(lines)
    return path


@pytest.mark.parametrize("suffix", ["parquet", "csv", "tsv", "jsonl", "jsonl.gz"])
def test_every_form_gives_the_same_pairs(tmp_path, suffix):
    path = write(tmp_path / f"list.{suffix}", LINES)
    pairs = [pair_of(line, "s") for line in read_list(path, {})]
    assert [(p["url"], p["texts"][0]["text"]) for p in pairs] == [(line["url"], line["caption"]) for line in LINES]


@pytest.mark.parametrize("names", [("URL", "TEXT"), ("url", "text"), ("image_url", "alt_text")])
def test_the_names_of_the_field_are_known(tmp_path, names):
    path = write(tmp_path / "list.parquet", [{names[0]: "http://a.org/1", names[1]: "a cat"}])
    (line,) = read_list(path, {})
    assert line.fields == {"url": "http://a.org/1", "caption": "a cat"}


def test_other_names_are_said_in_the_config_and_a_missing_one_is_an_error(tmp_path):
    path = write(tmp_path / "list.csv", [{"where": "http://a.org/1", "what": "a cat"}])
    (line,) = read_list(path, {"url": "where", "caption": "what"})
    assert line.fields["caption"] == "a cat"
    with pytest.raises(DataError, match="no URL column; it has where, what"):
        list(read_list(path, {}))


def test_three_rows_of_garbage_in_a_thousand_cost_three_rows(make_pool):
    rows = [{"url": f"http://a.org/{k}", "caption": "x"} for k in range(1000)]
    rows[10]["url"], rows[500]["url"], rows[900]["url"] = None, "not a url", "ftp://a.org/1"
    pool = make_pool(rows, 100)
    plan = pool.run()
    table = pool.columns(plan, "rows", "*").to_pandas()
    failed = table[table.status == "failed"]
    assert len(table) == 1000
    assert sorted(message.splitlines()[0] for message in failed.error_message) == [
        "no URL",
        "not a URL",
        "unsupported scheme ftp",
    ]
    assert plan.parts(plan.steps[0], 0)[0].counts == {"success": 997, "failed": 3}


def test_a_broken_line_of_csv_or_jsonl_is_a_failed_row(tmp_path):
    (tmp_path / "a.csv").write_text("url,caption\nhttp://a.org/1,cat\nhttp://a.org/2,cat,and,more\n")
    (tmp_path / "b.jsonl").write_text('{"url": "http://a.org/3"}\nnonsense\n[1]\n')
    errors = [line.error for name in ("a.csv", "b.jsonl") for line in read_list(tmp_path / name, {})]
    assert errors == [None, "4 columns instead of 2", None, "not a JSON object", "not a JSON object"]


def test_a_list_that_cannot_be_read_says_so(tmp_path, make_pool):
    (tmp_path / "bad.parquet").write_bytes(b"no parquet at all")
    with pytest.raises(DataError, match="cannot be read"):
        list(read_list(tmp_path / "bad.parquet", {}))
    pool = make_pool(LINES)
    with pytest.raises(DataError, match="holds no URL list"):
        (tmp_path / "empty").mkdir()
        pool.intake = Intake(urls=tmp_path / "empty")
        pool.run()


def test_pairs_of_one_url_become_one_row_with_all_texts(make_pool):
    rows = [
        {"url": "http://A.org/1#top", "caption": "a cat"},
        {"url": "http://a.org:80/1", "caption": "eine Katze"},
        {"url": "http://a.org/1", "caption": "a cat"},
    ]
    pool = make_pool(rows)
    table = pool.columns(pool.run(), "rows", "*").to_pylist()
    assert len(table) == 1
    assert sorted(text["text"] for text in table[0]["texts"]) == ["a cat", "eine Katze"]
    assert table[0]["caption"] == table[0]["texts"][0]["text"]


def test_a_given_uid_is_kept_in_datacomps_form_only():
    given = "0123456789abcdef" * 2
    lines = [{"url": "http://a.org/1", "uid": uid} for uid in (given, "42", None)]
    found = [pair_of(type("L", (), {"fields": line, "error": None, "place": "x:1"}), "s")["uid"] for line in lines]
    assert found == [given, uid_of("http://a.org/1"), uid_of("http://a.org/1")]


def test_a_lone_surrogate_in_json_is_replaced(tmp_path):
    (tmp_path / "a.jsonl").write_text('{"url": "http://a.org/1", "caption": "bad \\ud800 text"}\n')
    (line,) = read_list(tmp_path / "a.jsonl", {})
    assert pair_of(line, "s")["texts"][0]["text"] == "bad \N{REPLACEMENT CHARACTER} text"


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(urls=st.lists(st.integers(0, 40), min_size=1, max_size=60), shard_rows=st.integers(1, 70))
def test_however_it_is_cut_every_url_is_one_row_with_a_unique_key(make_pool, urls, shard_rows):
    pool = make_pool([{"url": f"http://a.org/{k}", "caption": f"c{k}"} for k in urls], shard_rows)
    plan = pool.run()
    table = pool.columns(plan, "rows", "uid", "key").to_pandas()
    assert set(table.uid) == {uid_of(f"http://a.org/{k}") for k in urls}
    assert table.key.is_unique and table.uid.is_unique
    assert table.key.str.fullmatch(r"[A-Za-z0-9_-]+").all()
    for shard in plan.shards():
        part = pq.read_table(pool.store.fetch(plan.parts(plan.steps[0], shard)[0].files["parquet"][0]))
        assert all(shard_of(uid, len(plan.shards())) == shard for uid in part["uid"].to_pylist())


def test_order_of_the_list_changes_nothing():
    pairs = [pair_of(type("L", (), {"fields": line, "error": None, "place": "x:1"}), "s") for line in LINES]
    assert rows_of_shard(0, pairs).equals(rows_of_shard(0, pairs[::-1]))


def test_missing_values_of_pandas_are_missing_texts(tmp_path):
    pd.DataFrame({"url": ["http://a.org/1"], "caption": [float("nan")]}).to_parquet(tmp_path / "a.parquet")
    (line,) = read_list(tmp_path / "a.parquet", {})
    assert pair_of(line, "s")["texts"] == []
