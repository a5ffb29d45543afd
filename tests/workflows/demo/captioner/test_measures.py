"""Scores of answers: what counts as differing, as broken, and how models are compared."""

import json
from pathlib import Path

import numpy as np

from captioning.exchange import Answer as Reply
from workflows.demo.captioner.asking import BOUNDS
from workflows.demo.captioner.evaluate import by_set, keep, kept, table, write_card
from workflows.demo.captioner.exhibits import Exhibit
from workflows.demo.captioner.judge import Truth
from workflows.demo.captioner.measures import contained, gains, granularities, rates, scores

GOOD = {
    "short": "a red apple",
    "medium": "a red and green apple on a white background",
    "long": "Clip art of an apple, red with some green. It covers about half of the picture. The background is plain white.",
}
TRUTH = Truth(("red",), ("apple",), "white")


def reply(text: str, finish: str = "stop") -> Reply:
    return Reply(text, finish, None, None, "")


def test_a_good_answer_scores_in_full() -> None:
    said = reply(json.dumps(GOOD))
    found = scores([said], [said], [TRUTH], BOUNDS)
    for name in (
        "valid JSON",
        "taken by the caption stage at once",
        "main colour right",
        "background right",
        "head noun right",
    ):
        assert found[name].tolist() == [1.0]
    assert found["each adds two words or more"].tolist() == [1.0]
    assert (found["words in short"].item(), found["words that medium adds"].item()) == (2, 5)
    assert found["head noun above the constant"].tolist() == [0.0]  # "apple" is all that this set holds
    assert found["unguided: repetition loop or cut"].tolist() == [0.0]


def test_loops_and_cuts_are_told() -> None:
    loop = reply(json.dumps(GOOD | {"short": "a red and red and red and red and red and red and red and red cat"}))
    cut = reply('{"short": "a', "length")
    found = scores([loop, cut], [loop, cut], [TRUTH, TRUTH], BOUNDS)
    assert found["valid JSON"].tolist() == [1.0, 0.0]
    assert found["taken by the caption stage at once"].tolist() == [0.0, 0.0]
    assert found["unguided: repetition loop or cut"].tolist() == [1.0, 1.0]


def test_captions_that_say_the_same_do_not_differ() -> None:
    same = granularities([None])
    assert all(values.tolist() == [0.0] for values in same.values())
    assert contained("a red apple", "an apple") == 0.5
    assert contained("", "an apple") == 0.0


def test_sets_are_scored_apart_and_scores_are_kept(tmp_path: Path) -> None:
    said = [reply(json.dumps(GOOD)), reply("no")]
    exhibits = [Exhibit(b"", TRUTH, ("all", "first")), Exhibit(b"", TRUTH, ("all",))]
    found = by_set(exhibits, said, said)
    assert {name: by["valid JSON"].mean() for name, by in found.items()} == {"all": 0.5, "first": 1.0}
    keep(tmp_path / "deep" / "scores.json", found)
    again = kept(tmp_path / "deep" / "scores.json")
    assert all(np.allclose(again["all"][name], values, atol=1e-4) for name, values in found["all"].items())
    assert all(rate == (0.0, 0.0, 0.0) for rate in gains(found["all"], found["all"]).values())
    figures = table({name: rates(by) for name, by in found.items()}, {"all": 2, "first": 1})
    assert "| valid JSON | 0.50 (0.00 to 1.00) | 1.00 (1.00 to 1.00) |" in figures
    card = tmp_path / "card.md"
    card.write_text(
        "before\n<!-- figures: written by workflows.demo.captioner.evaluate -->\nformer figures\n<!-- end of figures -->\nafter\n"
    )
    write_card(card, figures)
    assert "former figures" not in card.read_text()
    assert card.read_text().startswith("before\n") and card.read_text().endswith("after\n")
