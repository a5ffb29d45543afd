"""Claims, counts and configs of an ablation, where the answer is known."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import yaml

from curation.select import Select
from pipeline.errors import ConfigError
from pipeline.stage import Stage
from workflows.ablation.claims import FAILS, HOLDS, UNSURE, claim
from workflows.ablation.config import Ablation, read
from workflows.ablation.diet import diet, faulty, shown
from workflows.ablation.measures import clusters, languages, place, place_by_chance, recall, recall_by_chance, size
from workflows.ablation.recipe import steps
from workflows.config import load
from workflows.training.intervals import RESAMPLES, crossed, crossed_means, two_sided
from workflows.training.shards import Raw

ROOT = Path(__file__).parents[3]


def arm(name: str, **changes: Any) -> dict[str, Any]:
    told = {"arm": name, "rows": 100, "pictures": 90, "faulty": 10, "epochs": 4.0, "named": 0.5, "times_chance": 2.0}
    return told | changes


def difference(mean: float, seeds: int = 3, queries: int = 400) -> np.ndarray:
    return np.random.RandomState(4).normal(mean, 0.2, (seeds, queries))


def test_a_claim_is_judged_by_its_interval():
    found = {mean: claim(arm("a"), arm("b"), difference(mean), difference(-mean)) for mean in (0.1, 0.0, -0.1)}
    assert [told["verdict"] for told in found.values()] == [HOLDS, UNSURE, FAILS]
    assert found[0.1]["p"] == found[-0.1]["p"] == 2 / RESAMPLES < 0.05 < found[0.0]["p"]
    assert len(found[0.1]["per_seed"]) == 3 and not found[0.1]["measured"]
    assert found[0.1]["by_place"]["verdict"] == FAILS and found[-0.1]["measured"]


def test_what_may_explain_a_claim_that_does_not_hold():
    told = claim(
        arm("curated", rows=60, pictures=60, faulty=0, epochs=6.7), arm("raw"), difference(-0.1), difference(0.0)
    )
    assert told["measured"] == [
        "curated has 60 distinct pictures and raw 90 (-33%); of as many samples each row is shown 6.7 times instead of 4.0.",
        "Pairs with a planted fault are 0.0% of the rows of curated and 10.0% of those of raw.",
        "The texts that curated was shown have 50% of the words of what the pictures truly show, those of raw 50%.",
    ]
    unknown = claim(arm("a", faulty=None, named=None), arm("b"), difference(0.0), difference(0.0))["measured"]
    assert unknown[0] == "Both train on the same number of distinct pictures."
    assert unknown[1] == "Their recall is 2.0 and 2.0 times that of a random order."
    assert len(unknown) == 3 and "cannot be seen" in unknown[2]


def test_p_of_no_difference_is_spread_evenly():
    found = [two_sided(crossed_means(np.random.RandomState(n).normal(0, 1, (40, 60)), n)) for n in range(60)]
    assert 0.3 < np.mean(found) < 0.7 and np.mean(np.array(found) < 0.2) < 0.4


def test_p_of_a_constant_is_certain_or_nothing():
    assert two_sided(np.zeros(1000)) == 1.0
    assert two_sided(np.ones(1000)) == 0.002


def test_measures_of_a_worked_example():
    queries = pa.table(
        {
            "of": ["txt"] * 4 + ["name_de"],
            "group": [0, 1, 2, 2, 0],
            "image_to_text": [0, 2, 2, 1, 0],
            "text_to_image": [0, 1, 2, 0, 0],
        }
    )
    assert recall(queries, "txt", (1,)).tolist() == [1, 0, 0, 0.5]
    assert recall(queries, "txt", (1, 2)).tolist() == [1, 0.25, 0, 0.75]
    assert place(queries, "txt").tolist() == [1, 0.5, 0, 0.75]
    assert place_by_chance(queries, "txt") == pytest.approx((1 / 2 + 1 / 2 + 2 / 3 + 2 / 3) / 4)
    assert list(languages(queries)) == ["de"] and size(queries, "txt") == 4


def test_random_ranks_have_the_place_and_recall_of_chance():
    generator = np.random.RandomState(0)
    groups = np.arange(200) // 2
    scores = generator.rand(200, 200)
    right = groups[:, None] == groups[None, :]
    ranks = ((scores >= np.where(right, scores, -1).max(1)[:, None]) & ~right).sum(1)
    queries = pa.table({"of": ["txt"] * 200, "group": groups, "image_to_text": ranks, "text_to_image": ranks})
    assert place(queries, "txt").mean() == pytest.approx(place_by_chance(queries, "txt"), abs=0.05)
    assert recall(queries, "txt").mean() == pytest.approx(recall_by_chance(queries, "txt"), abs=0.03)


def test_like_pictures_are_one_witness():
    queries = pa.table({"of": ["txt", "name_de", "txt", "txt"], "uid": ["a", "a", "b", "c"]})
    assert clusters(queries, "txt", {"a": "hand", "c": "hand"}).tolist() == [0, 1, 0]
    values = np.repeat(np.random.RandomState(0).rand(3, 60), 5, axis=1)  # each picture five times
    apart, together = crossed(values), crossed(values, groups=np.arange(300) // 5)
    assert together["value"] == apart["value"]
    alone = crossed(values[:, ::5])
    assert together["high"] - together["low"] == pytest.approx(alone["high"] - alone["low"])
    assert together["high"] - together["low"] > 1.3 * (apart["high"] - apart["low"])


def raw(uid: str, image: bytes, **texts: str) -> Raw:
    return Raw(uid, image, {"uid": uid, **texts})


def test_the_diet_of_a_worked_example():
    truth = {
        "1": {"group": "g", "fault": None, "true_name": "red house"},
        "2": {"group": "g", "fault": "mismatched_caption", "true_name": "the cat of the house"},
    }
    samples = [
        raw("1", b"x", txt="A red house", caption_alt="A red house", caption_short="house"),
        raw("2", b"x", txt="a tree", caption_alt="a tree", caption_short=""),
        raw("3", b"y", txt="a tree", caption_alt="a tree", caption_short="A HOUSE"),
    ]
    told = diet(samples, truth)
    assert (told["rows"], told["pictures"], told["groups"]) == (3, 2, 1)
    assert told["faults"] == {"mismatched_caption": 1} and faulty(told) == 1
    assert faulty({"faults": {"exact_duplicate": 3, "redirect": 2, "junk_caption": 4}}) == 4
    alt, short = told["fields"]["caption_alt"], told["fields"]["caption_short"]
    assert alt == {
        "texts": 3,
        "distinct": 2,
        "words": 7 / 3,
        "names_it": 0.5,
    }  # of two with a name: all words, and none
    assert short == {"texts": 2, "distinct": 2, "words": 1.5, "names_it": 0.5}
    assert shown(told, {"caption_alt": 3, "caption_short": 1}) == 0.5
    assert diet(samples, {})["faults"] is None and shown(diet(samples, {}), {"caption_alt": 3}) is None


def ablation(**changes: Any) -> Ablation:
    given = {"recipe": Path("r.yaml"), "holdout": Path("h"), "arms": {"raw": {"rows": "raw"}}}
    return Ablation(**(given | changes))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"arms": {}}, "compare names nothing"),
        ({"compare": (("raw", "best"),)}, "best"),
        ({"train": {"seconds": 60}}, "All arms train the same model for the same `steps`"),
        ({"arms": {"raw": {"rows": "raw", "train": {"steps": 9}}}}, "steps cannot be set there"),
        ({"arms": {"raw": {"rows": "raw", "train": {"stepz": 9}}}}, "arms.raw.train is no training"),
        ({"arms": {"Raw!": {"rows": "raw"}}}, "use a-z, 0-9 and _"),
        ({"seeds": (1, 1)}, "different numbers"),
        ({"selections": {"raw": {"rules": (), "share": 0.0}}}, "share must be above 0"),
    ],
)
def test_a_wrong_ablation_says_so(changes, message):
    with pytest.raises(ConfigError, match=message):
        ablation(**changes)


def test_a_file_that_is_no_ablation(tmp_path):
    (tmp_path / "a.yaml").write_text(yaml.safe_dump({"recipe": "r.yaml", "holdout": "h", "arms": {}, "armz": 1}))
    with pytest.raises(ConfigError, match="armz"):
        read(tmp_path / "a.yaml")


def test_the_shipped_ablation_fits_the_recipe_that_it_names():
    shipped = read(ROOT / "configs/ablate.yaml")
    base = load(ROOT / shipped.recipe).steps
    added = steps(shipped, base)
    written = {step.name: set(step.writes.names) for step in [*base, *added] if isinstance(step, Stage)}
    for step in added:
        for rule in step.rules if isinstance(step, Select) else ():
            name, _, column = rule.column.partition(".")
            assert column in written[name], rule.column
    fields = set(next(step for step in base if step.name == shipped.export).texts)
    for name in shipped.arms:
        assert set(shipped.training(name, 0).captions) <= fields
    assert len(shipped.seeds) >= 3 and shipped.split
