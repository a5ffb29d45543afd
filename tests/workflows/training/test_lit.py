import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import DataError
from workflows.training.lit import Recipe, contrastive, train
from workflows.training.lit_data import Features, Table

QUICK = Recipe(dimension=16, epochs=60, batch=64, dropout=0.0, lr=1e-2, temperature=0.1)


def concepts(items: int = 96, seed: int = 0) -> Features:
    """Two noisy views and three noisy texts of each item: both sides are linear images of one hidden concept."""
    rng = np.random.default_rng(seed)
    hidden = rng.normal(size=(items, 12))
    to_image, to_text = np.random.default_rng(7).normal(size=(2, 12, 30))
    image = np.concatenate([hidden, hidden]) @ to_image
    text = np.concatenate([hidden] * 3) @ to_text
    return Features(
        image=(image + rng.normal(size=image.shape)).astype(np.float32),
        image_item=np.tile(np.arange(items), 2),
        text=(text + rng.normal(size=text.shape)).astype(np.float32),
        link_item=np.tile(np.arange(items), 3),
        link_text=np.arange(items * 3),
        item_group=np.arange(items),
    )


def recall(projections: object, features: Features, items: int) -> float:
    def embed(side: str, values: np.ndarray) -> np.ndarray:
        rows = values @ getattr(projections, f"{side}_weight").T + getattr(projections, f"{side}_bias")
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)

    cosines = embed("image", features.image[:items]) @ embed("text", features.text[:items]).T
    return float((cosines.argmax(1) == np.arange(items)).mean())


def test_it_learns_what_carries_over_to_new_items() -> None:
    trained = train(concepts(seed=0), QUICK)
    untrained = train(concepts(seed=0), Recipe(**{**vars(QUICK), "lr": 0.0}))
    assert recall(trained, concepts(seed=1), 96) > 0.5
    assert recall(untrained, concepts(seed=1), 96) < 0.1


def test_the_same_features_and_recipe_give_the_same_projections() -> None:
    first, second = (train(concepts(), Recipe(**{**vars(QUICK), "epochs": 3})) for _ in range(2))
    other = train(concepts(), Recipe(**{**vars(QUICK), "epochs": 3, "seed": 1}))
    assert np.array_equal(first.image_weight, second.image_weight)
    assert not np.array_equal(first.image_weight, other.image_weight)


def test_the_loss_is_the_symmetric_cross_entropy() -> None:
    rows = torch.nn.functional.normalize(torch.randn(5, 8, generator=torch.Generator().manual_seed(0)), dim=1)
    nothing = torch.zeros(5, 5, dtype=torch.bool)
    by_hand = torch.stack([-(10 * rows @ rows.T)[i].log_softmax(0)[i] for i in range(5)]).mean()
    assert torch.isclose(contrastive(rows, rows, 10.0, nothing), by_hand)
    everything = ~nothing
    assert contrastive(rows, rows, 10.0, everything).item() == pytest.approx(0.0), (
        "without negatives nothing is to learn"
    )


def test_a_masked_pair_is_no_negative() -> None:
    generator = torch.Generator().manual_seed(1)
    images, texts = (torch.nn.functional.normalize(torch.randn(3, 6, generator=generator), dim=1) for _ in range(2))
    neutral = torch.zeros(3, 3, dtype=torch.bool)
    neutral[0, 2] = neutral[2, 0] = True
    moved = texts.clone()
    moved[2] = -texts[2]  # seen by picture 1 and 2 alone
    first, second = (
        torch.autograd.functional.jacobian(lambda x, t=t: contrastive(x, t, 5.0, neutral), images)
        for t in (texts, moved)
    )
    assert torch.allclose(first[0], second[0]), "picture 0 must not feel text 2"
    assert not torch.allclose(first[1], second[1])


@given(st.lists(st.integers(0, 9), min_size=1, max_size=60), st.integers(0, 99))
def test_a_drawn_partner_belongs_to_its_owner(owners: list[int], seed: int) -> None:
    owner, partner = np.array(owners), np.arange(len(owners))
    have = np.unique(owner)
    drawn = Table.of(owner, partner, 10).draw(have, np.random.default_rng(seed))
    assert np.array_equal(owner[drawn], have)


def test_the_command_writes_weights_recipe_and_history(tmp_path: Path) -> None:
    np.savez(tmp_path / "features.npz", **vars(concepts()))
    command = [
        sys.executable,
        "-m",
        "workflows.training.lit",
        "features.npz",
        "out",
        "--epochs",
        "4",
        "--dimension",
        "8",
    ]
    root = str(Path(__file__).parents[3])
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, env={"PYTHONPATH": root})
    with np.load(tmp_path / "out" / "projections.npz") as arrays:
        assert arrays["image_weight"].shape == (8, 30)
        assert set(arrays) == {"image_weight", "image_bias", "text_weight", "text_bias", "scale"}
    assert json.loads((tmp_path / "out" / "recipe.json").read_text())["epochs"] == 4
    assert len((tmp_path / "out" / "history.jsonl").read_text().splitlines()) == 4


@pytest.mark.parametrize("fault", ["not an npz", "an array is missing", "groups contradict items"])
def test_bad_features_are_refused_with_what_to_do(tmp_path: Path, fault: str) -> None:
    path, arrays = tmp_path / "features.npz", dict(vars(concepts()))
    if fault == "an array is missing":
        del arrays["link_text"]
    if fault == "groups contradict items":
        arrays["item_group"] = arrays["item_group"][:-1]
    np.savez(path, **arrays)
    if fault == "not an npz":
        path.write_text("image,text\n")
    with pytest.raises(DataError, match=r"features\.npz"):
        Features.load(path)
