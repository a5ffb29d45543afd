"""The text side as a recipe runs it: intake, language, quality, match, counts, balance, on a small pool."""

from itertools import pairwise

import numpy as np
import pytest

from curation.balance import Balance, MatchCounts
from curation.caption_quality import CaptionQuality
from curation.langid import LangId
from curation.match import Match

ENGLISH = ["A photo of a cat on the red sofa", "The small dog plays in the garden", "A photo of the old castle"]
GERMAN = ["Ein Foto der Katze auf dem roten Sofa", "Der kleine Hund spielt im Garten mit dem Ball"]
CHINESE = ["一只猫坐在红色的沙发上", "花园里的小狗在玩球"]
HEADS = {
    "en": ["photo", "of", "a", "the", "A", "cat", "castle"],
    "de": ["Foto", "der", "Hund", "Katze"],
    "zh": ["猫", "小狗"],
}


@pytest.fixture
def metadata(tmp_path):
    folder = tmp_path / "metadata"
    folder.mkdir()
    for name, entries in HEADS.items():
        (folder / f"{name}.txt").write_text("\n".join(entries) + "\n", encoding="utf-8")
    return folder


def rows(count=60):
    texts = [*ENGLISH, *GERMAN, *CHINESE]
    found = [{"url": f"http://x.org/{k}", "caption": texts[k % len(texts)], "texts": None} for k in range(count)]
    for k in range(0, count, 5):
        found[k]["texts"] = [f"{ENGLISH[k % 3]}, number {k}", "..."]
    found[7] |= {"url": "no url"}
    found[8] |= {"caption": None, "texts": None}
    return found


def steps(metadata, **threshold):
    return [
        LangId(name="lang"),
        CaptionQuality(name="words"),
        Match(name="match", metadata=metadata),
        MatchCounts(name="counts"),
        Balance(name="balance", **(threshold or {"t_en": 4}), seed=7),
    ]


def selection(pool, plan):
    uids = pool.columns(plan, "rows", "uid", "status")
    made = pool.columns(plan, "balance", "keep", "kept", "probability", "reject_reason").to_pylist()
    return dict(zip(uids["uid"].to_pylist(), made, strict=True))


def test_every_row_has_its_set_its_entries_and_a_reason(make_pool, metadata):
    pool = make_pool(rows())
    plan = pool.run(*steps(metadata))
    found = pool.columns(plan, "rows", "uid", "texts", "status").to_pylist()
    lang = pool.columns(plan, "lang", "language", "languages", "status").to_pylist()
    match = pool.columns(plan, "match", "metadata", "entries").to_pylist()
    balance = pool.columns(plan, "balance", "keep", "kept", "reject_reason", "status").to_pylist()
    for row, labels, matched, decided in zip(found, lang, match, balance, strict=True):
        if row["status"] != "success":
            assert decided["status"] == "failed_upstream" and decided["keep"] is None
            continue
        assert len(row["texts"]) == len(labels["languages"]) == len(matched["metadata"]) == len(decided["kept"])
        assert decided["keep"] == any(decided["kept"]) == (decided["reject_reason"] is None)
        if not any(matched["entries"]):
            assert decided["reject_reason"] == "no_match"
        for text, name, ids in zip(row["texts"], matched["metadata"], matched["entries"], strict=True):
            assert all(HEADS[name][k] in text["text"] for k in ids)
    assert {"en", "de", "zh"} <= {row["language"] for row in lang}
    assert {row["reject_reason"] for row in balance} == {None, "no_match", "balanced_out"}


def test_counts_are_texts_not_occurrences(make_pool, metadata):
    pool = make_pool([{"url": f"http://x.org/{k}", "caption": "the photo of the photo of the cat"} for k in range(9)])
    table = pool.table(pool.run(*steps(metadata)), "counts")
    assert table.to_pylist() == [
        {"metadata": "en", "entry": HEADS["en"].index(entry), "count": 9} for entry in ("photo", "of", "the", "cat")
    ]


def test_the_selection_does_not_depend_on_shards_or_order(make_pool, metadata):
    reference = None
    for shard_rows, order in ((10, 1), (25, -1), (1000, 1)):
        pool = make_pool(rows()[::order], shard_rows=shard_rows)
        plan = pool.run(*steps(metadata))
        table = pool.table(plan, "counts").to_pylist()
        found = {
            uid: (row["keep"], row["probability"], row["reject_reason"], sorted(row["kept"] or []))
            for uid, row in selection(pool, plan).items()
            if row["keep"] is not None
        }
        reference = reference or (table, found)
        assert (table, found) == reference


def test_a_larger_threshold_only_adds_rows(make_pool, metadata):
    pool = make_pool(rows())
    kept = []
    for t in (1, 3, 10, 1000):
        plan = pool.run(*steps(metadata)[:-1], Balance(name="balance", version=str(t), t=t, seed=7))
        kept.append({uid for uid, row in selection(pool, plan).items() if row["keep"]})
    assert all(less <= more for less, more in pairwise(kept))
    assert len(kept[0]) < len(kept[-1])
    chances = [row["probability"] for row in selection(pool, plan).values() if row["keep"] is not None]
    assert set(np.unique(chances)) == {0.0, 1.0}
