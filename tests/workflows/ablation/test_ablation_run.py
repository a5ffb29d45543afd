"""`pairpool ablate` on a small real pool: every arm is trained, judged on pictures nobody learned from, and committed once."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from laboratory import Lab

from pipeline.errors import ConfigError, DataError
from workflows.ablation.claims import FAILS, HOLDS, UNSURE

ROOT = Path(__file__).parents[3]
pytestmark = pytest.mark.slow  # trainings, of models of two layers


@pytest.fixture(scope="module")
def lab(make_lab) -> Lab:
    made = make_lab()
    made.command("ablate", str(made.config))
    return made


def test_every_arm_sees_as_many_samples_of_its_own_rows(lab):
    told = lab.found()
    arms = {arm["arm"]: arm for arm in told["arms"]}
    assert list(arms) == ["raw", "fewer", "curated", "mixed"] and told["seeds"] == 2 and told["queries"] == 40
    assert {arm["samples_seen"] for arm in told["arms"]} == {48}
    assert arms["raw"]["rows"] > arms["curated"]["rows"] == arms["mixed"]["rows"]
    assert 0.3 < arms["fewer"]["rows"] / arms["raw"]["rows"] < 0.7
    assert set(arms["curated"]["texts"]) == {"caption_alt"}
    assert set(arms["mixed"]["texts"]) == {"caption_alt", "caption_short", "txt"}  # the txt where a row has no caption
    for arm in told["arms"]:
        assert arm["recall"]["low"] <= arm["recall"]["value"] <= arm["recall"]["high"] and len(arm["per_seed"]) == 2


def test_what_an_arm_was_fed_is_counted_against_the_truth(lab):
    arms = {arm["arm"]: arm for arm in lab.found()["arms"]}
    truth = {row["uid"]: row["fault"] for row in pq.read_table(lab.root / "truth.parquet").to_pylist()}
    planted = [fault for fault in truth.values() if fault in {"mismatched_caption", "junk_caption"}]
    assert arms["raw"]["faulty"] == len(planted)  # what could be downloaded
    assert "junk_caption" not in arms["curated"]["fed"]["faults"]
    fields = arms["curated"]["fed"]["fields"]
    assert fields["caption_short"]["names_it"] == 1.0  # "a red cat" of a cat
    assert fields["caption_alt"]["names_it"] < 1
    assert arms["curated"]["named"] < arms["mixed"]["named"] < 1


def test_each_claim_has_its_interval_its_p_and_a_verdict(lab):
    claims = lab.found()["pairs"]
    assert [(claim["better"], claim["than"]) for claim in claims] == [("curated", "raw"), ("mixed", "curated")]
    for claim in claims:
        assert claim["verdict"] in {HOLDS, FAILS, UNSURE} and 0 < claim["p"] <= 1
        assert bool(claim["measured"]) == (claim["verdict"] != HOLDS)


def test_the_split_is_proved_for_every_export(lab):
    proofs = lab.found()["split"]
    assert set(proofs) == {"ablate-shards-raw", "ablate-shards-fewer", "ablate-shards-select"}
    for proof in proofs.values():
        assert proof["held_out"] == 40 and proof["trained_on"] > 10
        assert [proof[name] for name in proof if name.startswith("shared")] == [0, 0, 0]


def test_the_report_shows_it(lab):
    page = next(lab.pool.glob("report/report-ablate-*/report.html")).read_text()
    assert "What each step is worth" in page and page.count("data:image/png;base64,") >= 1
    for claim in lab.found()["pairs"]:
        row = re.search(rf"{claim['better']} better than {claim['than']}</th><td>recall</td><td><b>(.*?)</b>", page)
        assert row and row[1] == claim["verdict"]
    assert "What each step is worth" not in next(lab.pool.glob("report/report-1-*/report.html")).read_text()


def test_a_second_run_does_nothing_and_another_seed_trains_only_that(lab):
    before, parts = lab.trials(), sorted(lab.pool.glob("ledger/ablate*/*/*.0.json"))
    assert len(before) == 8
    lab.command("ablate", str(lab.config))
    assert lab.trials() == before and sorted(lab.pool.glob("ledger/ablate*/*/*.0.json")) == parts
    lab.change(seeds=[0, 1, 2], arms={"raw": {"rows": "raw"}}, compare=[])
    lab.command("ablate", str(lab.config))
    after = lab.trials()
    assert before.items() <= after.items() and len(after) == 9 and lab.found()["seeds"] == 3


def test_a_group_that_judges_and_is_learned_from_stops_it_before_any_training(make_lab):
    lab = make_lab()
    pictures = pq.read_table(lab.root / "pictures.parquet").to_pylist()
    shared = pq.read_table(lab.root / "truth.parquet")["group"].to_pylist()[0]
    pictures[0]["group"] = shared
    pq.write_table(pa.Table.from_pylist(pictures), lab.root / "pictures.parquet")
    with pytest.raises(DataError, match="shared_groups_with_the_export 1 of 40 held-out"):
        lab.command("ablate", str(lab.config))
    assert not lab.trials()
    lab.change(version="2")
    pictures[0]["split"] = "model"
    pq.write_table(pa.Table.from_pylist(pictures), lab.root / "pictures.parquet")
    with pytest.raises(DataError, match="1 of 40 held-out pictures are not of the split 'evaluation'"):
        lab.command("ablate", str(lab.config))


def test_a_recipe_that_is_not_done_is_said(make_lab):
    lab = make_lab()
    lab.change(arms={"raw": {"rows": "nowhere"}}, compare=[])
    with pytest.raises(ConfigError, match="'nowhere' is no selection"):
        lab.command("ablate", str(lab.config))
    lab.change()
    recipe = yaml.safe_load(lab.recipe.read_text())
    lab.recipe.write_text(yaml.safe_dump(recipe | {"pool": str(lab.root / "other")}, sort_keys=False))
    with pytest.raises(ConfigError, match="which is not done"):
        lab.command("ablate", str(lab.config))


def test_killed_in_the_middle_it_goes_on_and_finds_the_same(make_lab, lab):
    killed = make_lab()
    killed.change(arms={"raw": {"rows": "raw"}, "curated": {"rows": "select"}}, compare=[])
    command = [sys.executable, "-m", "workflows.cli", "ablate", str(killed.config), "--engine", "local"]
    paths = os.pathsep.join([str(ROOT), str(ROOT / "tests/workflows/report")])
    process = subprocess.Popen(command, env=os.environ | {"PYTHONPATH": paths}, stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 200
    while len(killed.trials()) < 2 and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    before = killed.trials()
    assert 2 <= len(before) < 4
    killed.command("ablate", str(killed.config))
    after = killed.trials()
    assert before.items() <= after.items() and len(after) == 4
    files = {
        name: [path.read_bytes() for path in sorted(where.pool.glob("ablation/ablate-[rc]*-s[01]/1/*/queries.parquet"))]
        for name, where in (("killed", killed), ("whole", lab))
    }
    assert len(files["killed"]) == 4 and files["killed"] == files["whole"]
