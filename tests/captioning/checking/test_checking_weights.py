"""The formula of the weights, contradictions, and verdicts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from captioning.checking.claims import Claim, claims
from captioning.checking.contradictions import contradictions
from captioning.checking.probes import scored
from captioning.checking.verdicts import CONTRADICTS, NOT_SEEN, REFUTED, UNKNOWN, WRONG_COLOUR, Limits, Verdict, judge
from captioning.checking.vocabulary import Vocabulary
from captioning.checking.weights import FALLBACK, MISFIT, MISSING, POOR_FIT, REPEATS, UNGROUNDED, Mixing, Text, weigh
from pipeline.errors import ConfigError

CAT = Claim("object", "cat", "cat")
YES, NO, OPEN = Verdict(CAT, True), Verdict(CAT, False, NOT_SEEN), Verdict(CAT, None)
NAMES = ("alt", "short", "medium", "long")

texts = st.fixed_dictionaries(
    {
        name: st.builds(
            Text,
            there=st.booleans(),
            score=st.none() | st.floats(-1, 1),
            verdicts=st.lists(st.sampled_from([YES, NO, OPEN]), max_size=4),
            repeats=st.integers(1, 10_000),
            misfit=st.booleans() if name != "alt" else st.just(False),
        )
        for name in NAMES
    }
)


@given(
    texts,
    st.builds(Mixing, half=st.none() | st.floats(0.01, 2), tolerance=st.floats(0, 1), room=st.none() | st.just(3)),
)
def test_weights_add_up_to_one_and_what_has_none_has_a_reason(row, mixing):
    weights, reasons = weigh(row, mixing)
    assert set(weights) == set(NAMES)
    assert sum(weights.values()) == pytest.approx(1)
    assert all(weight >= 0 for weight in weights.values())
    named = {reason.text for reason in reasons}
    assert {name for name in NAMES[1:] if weights[name] == 0} <= named
    if not any(weights[name] for name in NAMES[1:]):
        assert weights["alt"] == 1
        assert FALLBACK in {reason.reason for reason in reasons}


def test_good_texts_have_the_base():
    weights, reasons = weigh({name: Text(there=True, score=0.4, verdicts=[YES]) for name in NAMES}, Mixing())
    assert weights == pytest.approx({"alt": 0.6, "short": 0.2, "medium": 0.1, "long": 0.1})
    assert reasons == []


def test_each_factor_does_what_the_formula_says():
    good = Text(there=True, score=0.4, verdicts=[YES])
    row = {
        "alt": Text(there=True, score=0.1),  # 2 half-lives below the best: a quarter
        "short": Text(there=True, score=0.4, verdicts=[YES, NO, OPEN]),  # one of two fails: a quarter
        "medium": Text(there=True, score=0.4, verdicts=[YES], repeats=8),  # shared by 8, room for 4: a half
        "long": good,
    }
    weights, reasons = weigh(row, Mixing(half=0.15))
    parts = {"alt": 0.6 / 4, "short": 0.2 / 4, "medium": 0.1 / 2, "long": 0.1}
    assert weights == pytest.approx({name: part / sum(parts.values()) for name, part in parts.items()})
    assert [(one.text, one.reason) for one in reasons] == [("alt", POOR_FIT), ("short", NOT_SEEN), ("medium", REPEATS)]


def test_what_does_not_hold_gives_way_to_the_alt_text():
    row = {
        "alt": Text(there=True, score=0.05),
        "short": Text(there=False),
        "medium": Text(there=True, score=0.3, verdicts=[NO, NO, YES]),
        "long": Text(there=True, score=0.01, misfit=True),
    }
    weights, reasons = weigh(row, Mixing())
    assert weights == {"alt": 1, "short": 0, "medium": 0, "long": 0}
    assert [one.reason for one in reasons if one.text != "alt"] == [MISSING, NOT_SEEN, NOT_SEEN, UNGROUNDED, MISFIT]


def test_a_blank_alt_text_leaves_the_captions():
    row = {"alt": Text(there=False), "short": Text(there=True), "medium": Text(there=True), "long": Text(there=True)}
    assert weigh(row, Mixing())[0] == pytest.approx({"alt": 0, "short": 0.5, "medium": 0.25, "long": 0.25})


@pytest.mark.parametrize("wrong", [{"base": {"short": 1.0}}, {"half": 0.0}, {"tolerance": 2.0}, {"room": 0}])
def test_a_formula_that_means_nothing_is_refused(wrong):
    with pytest.raises(ConfigError):
        Mixing(**wrong)


@pytest.mark.parametrize(
    ("caption", "alt", "denied"),
    [
        ("a blue cat", "a red cat", {"blue"}),
        ("a cat on a blue background", "cat on a red background", {"blue"}),
        ("a beige cat", "a brown cat", set()),
        ("a red and white cat", "a red cat", {"white"}),
        ("two cats", "three cats", {"2"}),
        ("a cat", "a room without a cat", {"cat"}),
        ("a dog", "a red cat", set()),
    ],
)
def test_two_texts_contradict_each_other_only_about_the_same_thing(caption, alt, denied):
    names = Vocabulary()
    found = contradictions(claims(caption, names), claims(alt, names))
    assert {claim.value for claim, _ in found} == denied


def row(kind: str, value: str, about: str, **evidence: object) -> dict[str, object]:
    return {"text": "short", "kind": kind, "value": value, "about": about, **evidence}


def test_evidence_becomes_a_verdict_and_the_model_has_the_first_word():
    told = [
        row("object", "cat", "cat", known=True),
        row("object", "dog", "dog", known=True),
        row("object", "xyzzy", "xyzzy", known=False),
        row("colour", "red", "cat", share=0.5),
        row("colour", "blue", "background", share=0.1),
        row("colour", "white", "cat", share=None),
        row("count", "2", "cat"),
    ]
    scores = scored(["short"], ["cat", "dog", "xyzzy"], ["car", "sun", "tree"], [0.2, 0.5, -0.4, 0.4, -0.1, 0.0, 0.1])
    limits = Limits(unknown_words=True)
    found = {one.claim.value: one for one in judge(told, scores, [], {}, limits)}
    assert [found[value].holds for value in ("cat", "dog", "xyzzy", "red", "blue", "white", "2")] == [
        True, False, False, True, False, None, None,
    ]  # fmt: skip
    assert [found[value].reason for value in ("dog", "xyzzy", "blue")] == [NOT_SEEN, UNKNOWN, WRONG_COLOUR]
    model = {Claim("object", "dog", "dog"): True, Claim("count", "2", "cat"): False}
    trusted = [Claim("colour", "green", "cat")]
    found = {one.claim.value: one for one in judge(told, scores, trusted, model, limits)}
    assert found["dog"].holds is True
    assert found["2"].reason == REFUTED
    assert found["red"].reason == CONTRADICTS and "green" in found["red"].detail


def test_without_scores_or_limits_nothing_is_said():
    told = [row("object", "cat", "cat"), row("colour", "red", "cat", share=0.0)]
    silent = Limits(object_standing=None, colour_share=None, ground_share=None)
    assert [one.holds for one in judge(told, None, [], {}, silent)] == [None, None]


def test_standing_is_the_distance_from_the_distractors_in_their_deviations():
    scores = scored(["short"], ["red car"], ["car", "sun", "tree"], [0.5, 0.3, 0.9, 0.0, 0.2])
    assert scores.standing("red car") == pytest.approx((0.3 - 0.1) / 0.1)  # "car" shares a word
    assert scores.standing("dog") is None
    with pytest.raises(ValueError, match="scores for"):
        scored(["short"], [], ["sun"], [0.1])
