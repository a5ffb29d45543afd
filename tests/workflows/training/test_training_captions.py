"""A text is drawn by its weight, from a hash of (seed, epoch, uid); empty ones give way."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workflows.training.captions import choose, draw
from workflows.training.shards import Unreadable

TEXTS = {"txt": "t", "caption_alt": "a", "caption_short": "s", "caption_long": "l"}


def shares(texts: dict[str, str], weights: dict[str, float], visits: int = 20_000) -> dict[str, float]:
    found = Counter(choose(texts, weights, 0, n % 20, f"{n // 20:032x}")[0] for n in range(visits))
    return {name: count / visits for name, count in found.items()}


def test_shares_follow_the_weights() -> None:
    found = shares(TEXTS, {"caption_alt": 3, "caption_short": 6, "caption_long": 1})
    assert found == pytest.approx({"caption_alt": 0.3, "caption_short": 0.6, "caption_long": 0.1}, abs=0.012)


def test_a_failed_caption_gives_way_to_the_fallback_not_to_another_caption() -> None:
    texts = TEXTS | {"caption_short": " \n"}
    found = shares(texts, {"caption_alt": 0, "caption_short": 1, "caption_long": 1})
    assert found == pytest.approx({"caption_alt": 0.5, "caption_long": 0.5}, abs=0.015)
    assert choose(texts, {"caption_short": 1}, 0, 0, "u") == ("txt", "t")
    assert choose({"caption_long": "l"}, {"caption_short": 1, "caption_long": 1e-9}, 0, 0, "u") == ("caption_long", "l")


def test_a_sample_without_texts() -> None:
    with pytest.raises(Unreadable, match="no text"):
        choose({"txt": "", "url": "x"}, {"txt": 1, "caption_alt": 0}, 0, 0, "u")


def test_epochs_and_samples_draw_apart() -> None:
    weights = {"caption_alt": 1.0, "caption_short": 1.0}
    by_epoch = [choose(TEXTS, weights, 0, epoch, "u")[0] for epoch in range(40)]
    assert by_epoch == [choose(TEXTS, weights, 0, epoch, "u")[0] for epoch in range(40)]
    assert by_epoch != [choose(TEXTS, weights, 1, epoch, "u")[0] for epoch in range(40)]
    assert by_epoch != [choose(TEXTS, weights, 0, epoch, "v")[0] for epoch in range(40)]


@given(
    st.dictionaries(st.text(min_size=1), st.floats(0, 1e6), min_size=1).filter(lambda w: sum(w.values()) > 1e-9),
    st.floats(0, 1, exclude_max=True),
)
def test_a_draw_has_weight(weights: dict[str, float], number: float) -> None:
    assert weights[draw(weights, number)] > 0
