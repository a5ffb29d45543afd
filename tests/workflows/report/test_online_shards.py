"""From the balance step to the trainer: shards with the chances of a real pool, drawn as they say over the epochs."""

from __future__ import annotations

import math

from pipeline.parts import read_columns
from pipeline.step import POOL
from workflows.training.online import drawn
from workflows.training.shards import Shards

EPOCHS = 60


def test_samples_are_drawn_by_the_chances_that_balancing_gave_them(built):
    plan, store = built.plan, built.plan.store
    chances = {}
    for shard in plan.shards():
        found = [
            read_columns(store, plan.parts(plan.by_name[step], shard), names)
            for step, names in (("rows", ["uid"]), ("balance", ["text_probabilities"]))
        ]
        chances |= dict(zip(found[0]["uid"].to_pylist(), found[1]["text_probabilities"].to_pylist(), strict=True))
    files = plan.parts(plan.by_name["shards"], POOL)[-1].files
    shards = Shards.of(store.fetch(files["sizes.json"][0]).parent)
    raws = [shards.read(n, k) for n, size in enumerate(shards.sizes) for k in range(size)]
    expected = variance = kept = 0.0
    for raw in raws:
        uid = raw.texts["uid"]
        assert all(abs(a - b) < 1e-6 for a, b in zip(raw.fields["probabilities"], chances[uid], strict=True))
        mean = sum(chances[uid]) / len(chances[uid])
        expected, variance = expected + EPOCHS * mean, variance + EPOCHS * mean * (1 - mean)
        kept += sum(drawn(raw, 0, epoch, uid) is not None for epoch in range(EPOCHS))
    assert len(raws) == built.numbers["funnel"]["kept"]
    assert 0 < expected < EPOCHS * len(raws)
    assert abs(kept - expected) <= 4 * math.sqrt(variance)
