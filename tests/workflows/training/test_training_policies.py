"""Each text policy against its formula: worked examples, frequencies over keyed visits, and what gives way to what."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from itertools import islice
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import ConfigError
from workflows.training.config import TrainConfig
from workflows.training.data import training_batches
from workflows.training.options import TextOptions
from workflows.training.policies import Chosen, sentences, text_policy
from workflows.training.shards import Shards, Unreadable

TEXTS = {
    "txt": "the original",
    "r1": "first rewrite here",
    "r2": "second rewrite here",
    "r3": "short",
    "long": "A dog runs. It is 3.5 m away.\nThe sky is blue.</s>",
}


def chosen(options: TextOptions, texts: Mapping[str, str] = TEXTS, visit: int = 0, **fields: Any) -> Chosen:
    return text_policy(options, {"txt": 1.0}).choose(texts, 0, visit % 10, f"{visit // 10:032x}", fields)


def shares(
    options: TextOptions, texts: Mapping[str, str] = TEXTS, place: int = 0, visits: int = 6000
) -> dict[str, float]:
    found = Counter(chosen(options, texts, visit)[place][0] for visit in range(visits))
    return {name: count / visits for name, count in found.items()}


def about(**wanted: float) -> Any:
    """Four standard errors of a share of 6000 draws are at most .026."""
    return pytest.approx(wanted, abs=0.026)


def test_laclip_is_uniform_over_original_and_rewrites() -> None:
    options = TextOptions(policy="laclip", synthetic=("r1", "r2"))
    assert shares(options) == about(txt=1 / 3, r1=1 / 3, r2=1 / 3)


def test_laclip_shows_the_original_for_a_rewrite_of_one_word_or_none() -> None:
    options = TextOptions(policy="laclip", synthetic=("r1", "r2", "r3", "r4"))
    assert shares(options) == about(txt=3 / 5, r1=1 / 5, r2=1 / 5)
    one_word = {"txt": "dog", "r1": "a dog"}
    assert shares(TextOptions(policy="laclip", synthetic=("r1",)), one_word) == about(txt=1 / 2, r1=1 / 2)


@pytest.mark.parametrize(
    ("policy", "share"), [("veclip", 0.5), ("recap", 0.8), ("metaclip", 0.85)], ids=["veclip", "recap", "metaclip"]
)
def test_mixtures_keep_their_published_share_of_the_original(policy: Any, share: float) -> None:
    options = TextOptions(policy=policy, synthetic=("r1", "r2"))
    assert shares(options) == about(txt=share, r1=(1 - share) / 2, r2=(1 - share) / 2)
    blank = TEXTS | {"r1": " "}
    assert shares(options, blank) == about(txt=share + (1 - share) / 2, r2=(1 - share) / 2)


def test_recap_takes_a_share_and_its_ends_are_exact() -> None:
    assert shares(TextOptions(policy="recap", synthetic=("r1",), share=0.2)) == about(txt=0.2, r1=0.8)
    assert shares(TextOptions(policy="recap", synthetic=("r1",), share=1.0)) == {"txt": 1.0}
    assert shares(TextOptions(policy="recap", synthetic=("r1",), share=0.0)) == {"r1": 1.0}
    assert chosen(TextOptions(policy="recap", synthetic=("r1",), share=1.0), {"r1": "x"}) == (("r1", "x"),)


def test_tipsv2_gives_the_first_token_the_original_and_the_second_a_uniform_caption() -> None:
    options = TextOptions(policy="tipsv2", synthetic=("r1", "long"))
    assert shares(options, place=0) == {"txt": 1.0}
    assert shares(options, place=1) == about(r1=0.5, long=0.5)
    assert shares(options, {"txt": "t", "long": "l"}, place=1) == {"long": 1.0}
    assert chosen(options, {"txt": "t"}) == (("txt", "t"), ("txt", "t"))
    assert chosen(options, {"long": "l"}) == (("long", "l"), ("long", "l"))


def test_sentences_of_a_caption() -> None:
    assert sentences(TEXTS["long"]) == ["A dog runs", "It is 3.5 m away", "The sky is blue"]
    assert sentences("One.</s>Two. . \n\n") == ["One", "Two"]
    assert sentences(" \n. ") == []


def test_dreamlip_draws_every_sentence_as_often_the_last_one_too() -> None:
    options = TextOptions(policy="dreamlip", synthetic=("long", "r3"), sub_captions=2)
    visits = [chosen(options, visit=visit) for visit in range(6000)]
    assert {len(found) for found in visits} == {3}
    assert {found[0] for found in visits} == {("txt", "the original")}
    assert all(found[1] != found[2] for found in visits)
    drawn = Counter(text for found in visits for _, text in found[1:])
    wanted = dict.fromkeys([*sentences(TEXTS["long"]), "short"], 0.5)
    assert {text: count / 6000 for text, count in drawn.items()} == pytest.approx(wanted, abs=0.026)


def test_dreamlip_with_too_few_sentences_or_none() -> None:
    options = TextOptions(policy="dreamlip", synthetic=("long",), sub_captions=8)
    shown = Counter(text for _, text in chosen(options)[1:])
    assert sorted(shown.values()) == [2, 3, 3]
    assert chosen(options, {"txt": "t", "long": " . "}) == (("txt", "t"),) * 9
    assert chosen(options, {"long": "One. Two."})[0] == ("long", "One. Two.")


def test_longclip_shows_the_caption_and_its_first_sentence() -> None:
    options = TextOptions(policy="longclip", synthetic=("long", "r1"))
    assert chosen(options) == (("long", TEXTS["long"]), ("long[0]", "A dog runs"))
    assert chosen(options, {"r1": "no stop at the end."}) == (
        ("r1", "no stop at the end."),
        ("r1[0]", "no stop at the end."),
    )
    assert chosen(options, {"txt": "t"}) == (("txt", "t"), ("txt[0]", "t"))
    assert chosen(options, {"long": ". odd"})[1] == ("long[0]", ". odd")


def test_a_samples_own_weights_take_the_place_of_the_configs() -> None:
    options = TextOptions(weights="w")
    assert {chosen(options, visit=v, w={"r1": 2})[0][0] for v in range(50)} == {"r1"}
    found = Counter(chosen(options, visit=v, w={"r1": 3, "r2": 1})[0][0] for v in range(6000))
    assert {name: count / 6000 for name, count in found.items()} == about(r1=0.75, r2=0.25)
    assert chosen(options)[0][0] == "txt"
    assert chosen(options, w={"gone": 1})[0][0] == "txt"


@pytest.mark.parametrize("broken", [[1], {}, {"r1": -1}, {"r1": "1"}, {"r1": True}, {"r1": 0}, {"r1": float("inf")}])
def test_weights_that_are_none_cost_the_sample(broken: Any) -> None:
    with pytest.raises(Unreadable, match="weights"):
        chosen(TextOptions(weights="w"), w=broken)


POLICIES: list[Any] = ["weights", "laclip", "veclip", "recap", "metaclip", "tipsv2", "dreamlip", "longclip"]


@given(
    st.sampled_from(POLICIES),
    st.dictionaries(st.sampled_from(["txt", "a", "b", "url"]), st.text(max_size=12)),
    st.integers(0, 9),
)
def test_every_policy_shows_as_many_texts_none_blank_and_the_same_again(
    policy: Any, texts: dict[str, str], visit: int
) -> None:
    options = TextOptions(policy=policy, synthetic=("a", "b"), sub_captions=3)
    known = any(texts.get(name, "").strip() for name in (("txt",) if policy == "weights" else ("txt", "a", "b")))
    if not known:
        with pytest.raises(Unreadable, match="no text"):
            chosen(options, texts, visit)
        return
    found = chosen(options, texts, visit)
    assert len(found) == options.count
    assert all(text.strip() for _, text in found)
    assert found == chosen(options, texts, visit)


def test_options_that_make_no_sense() -> None:
    for fields in ({"policy": "laclip"}, {"share": 1.5}, {"sub_captions": 0}):
        with pytest.raises(ConfigError):
            TextOptions(**fields)  # type: ignore[arg-type]


def test_batches_hold_all_texts_of_a_visit_and_count_each(
    make_shards: Callable[..., Shards], micro: Callable[..., TrainConfig]
) -> None:
    def letters(texts: list[str]) -> Any:
        import torch

        return torch.tensor([list(text.encode()[:8].ljust(8)) for text in texts])

    config = micro(loss="tips", texts=TextOptions(policy="tipsv2", synthetic=("caption_short",)), batch=40)
    (batch,) = islice(training_batches(make_shards(40), config, 32, letters), 1)
    assert batch.tokens.shape == (40, 2, 8)
    assert batch.fields == {"txt": 48, "caption_short": 32}
    written = [place for place, visit in enumerate(batch.visits) if visit.fields == ("txt", "txt")]
    assert len(written) == 8
    assert all(bool((batch.tokens[place, 0] == batch.tokens[place, 1]).all()) for place in written)
