"""What the report counts, held against the columns and the truth that it was made from."""

from __future__ import annotations

from collections import Counter

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from report_pool import build

from curation.intake import Intake
from pipeline.executor import LocalExecutor
from pipeline.parts import read_columns, read_table
from pipeline.plan import Plan
from pipeline.progress import Progress
from pipeline.rows import uid_of
from pipeline.run import Run
from pipeline.step import POOL, Task
from pipeline.store import Store
from workflows.report.page import environment
from workflows.report.sources import Sources


def column(built, step, name):
    parts = [built.plan.parts(built.plan.by_name[step], shard) for shard in built.plan.shards()]
    return [value for part in parts for value in read_columns(built.plan.store, part, [name])[name].to_pylist()]


def test_every_row_has_one_fate_and_every_sum_is_right(built):
    funnel = built.numbers["funnel"]
    assert funnel["rows"] == len(built.rows)
    assert funnel["rows"] == funnel["kept"] + funnel["rejected"] + funnel["failed"]
    assert funnel["kept"] == column(built, "select", "keep").count(True)
    left = funnel["rows"]
    for gate in funnel["gates"]:
        assert gate["in"] == left == gate["on"] + gate["out_rejected"] + gate["out_failed"]
        assert sum(line["rows"] for line in gate["reasons"]) == gate["out_rejected"] + gate["out_failed"]
        left = gate["on"]
    assert left == funnel["kept"]


def test_the_account_of_every_step_adds_up(built):
    steps = {line["step"]: line for line in built.numbers["funnel"]["steps"]}
    assert set(steps) == {step.name for step in built.plan.steps} - {"report", "counts-partial"}
    for name, line in steps.items():
        assert line["adds_up"], name
    assert steps["download"]["failed"] == column(built, "download", "status").count("failed") > 0
    assert steps["download"]["not_selected"] == column(built, "chosen", "keep").count(False)


def test_a_sum_that_does_not_add_up_is_said():
    template = environment().from_string(
        "{% import 'parts.html.j2' as parts %}{{ parts.sound(true) }}|{{ parts.sound(false) }}"
    )
    assert [("does not" in said) for said in template.render().split("|")] == [False, True]


def test_reasons_of_rules_are_told_with_the_judgement_they_rest_on(built):
    reasons = {line["reason"] for gate in built.numbers["funnel"]["gates"] for line in gate["reasons"]}
    assert {"not balanced: balanced_out", "junk caption: file_name", "duplicate: exact_duplicate"} <= reasons
    assert {"no URL", "HTTP status 404", "clip.clip_score below 0.15"} <= reasons


def test_languages_are_counted_before_and_after(built):
    lines = {line["language"]: line for line in built.numbers["languages"]["lines"]}
    spoken, chosen, kept = (column(built, *at) for at in (("lang", "language"), ("chosen", "keep"), ("select", "keep")))
    assert lines["en"]["before"] == spoken.count("en")
    assert lines["en"]["chosen"] == sum(c for s, c in zip(spoken, chosen, strict=True) if s == "en")
    assert lines["en"]["kept"] == sum(k for s, k in zip(spoken, kept, strict=True) if s == "en")
    assert sum(line["before"] for line in lines.values()) == len(built.rows)


def test_concepts_are_the_counts_that_were_balanced_on(built):
    concepts = built.numbers["concepts"]
    table = read_table(built.plan.store, built.plan.parts(built.plan.by_name["counts"], POOL)[-1])
    assert concepts["agree"] is True
    assert concepts["matches"]["before"] == pc.sum(table["count"]).as_py()
    assert concepts["matches"]["before"] > concepts["matches"]["after"] > concepts["matches"]["kept"] > 0
    english = next(line for line in concepts["sets"] if line["set"] == "en")
    assert english["threshold"] == 12
    assert english["entries"] == english["matched"] + english["unmatched"] == 21
    assert concepts["top"][0]["entry"] in {"table", "kitchen"}
    assert concepts["curves"]["before"][0] == [1, concepts["top"][0]["before"]]
    tails = [line for line in concepts["sets"] if line["threshold"]]
    assert all(line["tail_after"] >= line["tail_before"] for line in tails if line["tail_after"] is not None)


def test_scores_are_counted_whole_and_tell_planted_mismatches(built):
    scores = built.numbers["scores"]
    found = [score for score in column(built, "clip", "clip_score") if score is not None]
    spread = scores["by_fate"]
    assert spread["kept"]["rows"] + spread["not kept"]["rows"] == len(found)
    assert sum(spread["kept"]["bins"]) == spread["kept"]["rows"]
    assert spread["kept"]["mean"] > scores["by_truth"]["mismatched"]["mean"]
    overall = next(line for line in scores["auc"] if line["language"] == "all")
    assert overall["low"] <= overall["value"] <= overall["high"]
    assert overall["value"] > 0.95
    assert [line["text"] for line in scores["better"]] == ["long", "short"]


def test_faults_are_accounted_for_one_by_one(built):
    planted = Counter(line["fault"] for line in built.truth if line["fault"])
    lines = {line["fault"]: line for line in built.numbers["faults"]["lines"]}
    assert {fault: line["planted"] for fault, line in lines.items()} == planted
    for line in lines.values():
        assert line["planted"] == line["caught"] + line["unjudged"] + line["kept"]
    assert lines["dead_link"]["kept"] == lines["junk_caption"]["kept"] == lines["garbage"]["kept"] == 0
    assert lines["exact_duplicate"]["kept"] == 0
    assert lines["redirect"]["harmless"]
    assert built.numbers["faults"]["unknown"] == 0


def test_clean_rows_that_were_taken_are_counted_against_the_reason(built):
    kept = dict(zip(column(built, "rows", "uid"), column(built, "select", "keep"), strict=True))
    clean = [line["uid"] for line in built.truth if line["fault"] is None]
    told = built.numbers["faults"]["clean"]
    assert told["rows"] == len(clean)
    assert told["kept"] == sum(kept[uid] for uid in clean)
    assert told["rows"] == told["kept"] + told["thinned"] + told["accused"]
    by = {line["reason"]: line for line in built.numbers["faults"]["reasons"]}
    assert by["HTTP status 404"]["clean"] == 0
    assert by["not balanced: balanced_out"]["thinning"]


def test_captions_are_measured_and_their_maker_named(built):
    captions = built.numbers["captions"]
    short = [text for text in column(built, "captions", "short") if text]
    assert captions["rows"] == len(short)
    lengths = {line["text"]: line for line in captions["lengths"]}
    assert lengths["short"]["median"] == 3 and lengths["short"]["rows"] == len(short)
    assert lengths["long"]["mean"] > lengths["medium"]["mean"] > lengths["short"]["mean"]
    repeats = {line["text"]: line for line in captions["repeats"]}
    assert repeats["short"]["distinct"] == len(set(short))
    assert captions["makers"][0]["model"] == "painter"
    tried = captions["rows"] + captions["failed"]
    assert captions["completion_tokens"] == 40 * tried


def test_duplicates_training_time_and_provenance(built):
    duplicates = built.numbers["duplicates"]
    assert duplicates["groups"] == sum(line["groups"] for line in duplicates["sizes"])
    assert duplicates["rows"] == duplicates["groups"] + duplicates["extra"]
    training = built.numbers["training"]
    assert training["curve"][0][1] > training["curve"][-1][1]
    assert len(training["retrieval"]) == 6
    effort = {line["step"]: line for line in built.numbers["effort"]["lines"]}
    assert effort["lang"]["units"] == len(built.plan.shards()) and effort["lang"]["rows"] == len(built.rows)
    assert "report" not in effort
    steps = {line["step"]: line for line in built.numbers["provenance"]["steps"]}
    assert steps["clip"]["fingerprint"] == built.plan.fingerprints["clip"]


def test_rows_shown_are_those_of_the_pool(built):
    samples = built.numbers["samples"]
    assert len(samples["kept"]) == samples["kept_of"] == built.numbers["funnel"]["kept"]
    groups = {group["reason"]: group for group in samples["groups"]}
    urls = {uid_of(line["url"]) for line in built.rows if line["url"] and "/dead/" in line["url"]}
    assert {row["uid"] for row in groups["HTTP status 404"]["rows"]} <= urls
    assert {row["fault"] for row in samples["missed"]} <= {"mismatched_caption"}


def test_nothing_depends_on_how_rows_were_cut_into_shards(built, tmp_path):
    other = build(tmp_path, 150, 13, kept=5, each=2)
    for section in ("languages", "concepts", "faults", "captions"):
        assert other.numbers[section] == built.numbers[section], section
    few, all_ = other.numbers["samples"]["kept"], built.numbers["samples"]["kept"]
    assert [row["uid"] for row in few] == [row["uid"] for row in all_[:5]]


def test_what_balancing_kept_is_what_its_chances_promise(built):
    told = built.numbers["balancing"]
    chances = [p for p in column(built, "balance", "probability") if p is not None]
    keep = column(built, "balance", "keep")
    rows = told["rows"]
    assert (rows["drawn"], rows["kept"]) == (len(chances), keep.count(True))
    assert abs(rows["expected"] - sum(chances)) < 1e-3
    assert abs(rows["deviation"] ** 2 - sum(p * (1 - p) for p in chances)) < 0.05
    assert abs(rows["z"] - (rows["kept"] - sum(chances)) / rows["deviation"]) < 0.01
    assert abs(rows["z"]) < 4 and all(abs(line["z"] or 0) < 4 for line in told["sets"])
    for number in ("drawn", "matched", "kept"):
        assert sum(line[number] for line in told["sets"]) == told["texts"][number]
    assert abs(sum(line["expected"] for line in told["sets"]) - told["texts"]["expected"]) < 0.05
    assert "standard deviations off" in built.page


def test_the_head_and_the_entries_without_a_match(built):
    concepts = built.numbers["concepts"]
    assert concepts["head"]["concepts"] == sum(line["head"] for line in concepts["sets"] if line["threshold"])
    heads = [line["before"] * (1 - line["tail_before"]) for line in concepts["sets"]]
    assert abs(concepts["head"]["before"] - sum(heads)) < 1e-6 * concepts["matches"]["before"] + 1e-6
    assert concepts["unmatched"] == {"entries": 7 * 21, "none": 7 * 21 - concepts["matched"]["before"]}
    after = [line["after"] for line in concepts["top_after"]]
    assert after == sorted(after, reverse=True) and after[0] >= concepts["top"][0]["after"]


def test_languages_after_balancing(built):
    spoken, keep = column(built, "lang", "language"), column(built, "balance", "keep")
    lines = {line["language"]: line["balanced"] for line in built.numbers["languages"]["lines"]}
    assert lines["en"] == sum(bool(k) for s, k in zip(spoken, keep, strict=True) if s == "en")
    assert sum(lines.values()) == keep.count(True)


def test_a_pool_that_grew_names_all_its_lists(tmp_path):
    lists = [tmp_path / name for name in ("first.parquet", "second.parquet")]
    for number, path in enumerate(lists):
        urls = [f"http://a.org/{number}/{k}" for k in range(10)]
        pq.write_table(pa.table({"url": urls, "caption": ["a dog"] * 10}), path)
    store, intake = Store(tmp_path / "pool"), Intake(urls=lists[0], more=(lists[1],), shard_rows=5)
    Run(Plan(store, [intake]), LocalExecutor(store), Progress())()
    plan = Plan(store, [intake])
    parts = {shard: plan.parts(plan.by_name["rows"], shard) for shard in plan.shards()}
    task = Task("report", "pool", 0, "", tuple(parts), {"rows": parts})
    assert Sources(store, task, {"rows": "rows"}).lists() == ["first.parquet", "second.parquet"]
