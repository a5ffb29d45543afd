"""A training of seconds on drawn art: it learns, resumes, and draws the same pictures for the same step."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image, ImageDraw

from workflows.demo.captioner import tokens, train
from workflows.demo.captioner.colours import COLOURS
from workflows.demo.captioner.data import Easel, set_apart
from workflows.demo.captioner.losses import COLOUR_WEIGHT, SHORT_WEIGHT, targets
from workflows.demo.captioner.pieces import load_art

SHAPES = ("circle", "square", "bar", "frame")
TONES = ("red", "blue", "green")


@pytest.fixture(scope="module")
def art(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("demo")
    rows = []
    for number, (shape, tone) in enumerate((s, t) for s in SHAPES for t in TONES):
        path = f"emoji/{number}.png"
        drawn = Image.new("RGBA", (64, 64))
        pen = ImageDraw.Draw(drawn)
        corners = {"bar": (4, 24, 60, 40)}.get(shape, (12, 12, 52, 52))
        (pen.ellipse if shape == "circle" else pen.rectangle)(corners, fill=tone, outline="black")
        (folder / "art" / "emoji").mkdir(parents=True, exist_ok=True)
        drawn.save(folder / "art" / path)
        split = "evaluation" if number == 0 else "model"
        row = {"path": path, "source": "emoji", "name": shape, "split": split, "width": 64, "height": 64}
        rows.append({"uid": str(number), "texts": [], "group": shape, **row})
    pq.write_table(pa.Table.from_pylist(rows), folder / "art.parquet")
    return folder / "art.parquet"


def test_only_the_named_split_is_read(art: Path) -> None:
    assert len(load_art(art, "model")) == len(SHAPES) * len(TONES) - 1
    assert [piece.name for piece in load_art(art, "evaluation")] == ["circle"]


def test_a_step_draws_the_same_whenever_it_is_asked(art: Path) -> None:
    pieces = load_art(art, "model")
    one, two = Easel(pieces, seed=5), Easel(pieces, seed=5)
    one.batch(0, 4)
    for (grid, first), (other, second) in [(one.batch(7, 6), two.batch(7, 6))]:
        assert grid == other
        assert all(
            np.array_equal(a.pixels, b.pixels) and a.captions == b.captions for a, b in zip(first, second, strict=True)
        )


def test_pairs_set_apart_are_never_drawn_in_training_and_always_in_evaluation(art: Path) -> None:
    pieces = load_art(art, "model")
    for apart in (False, True):
        easel = Easel(pieces, seed=1, scenes=1.0, apart=apart)
        drawn = [sample.sight for step in range(4) for sample in easel.batch(step, 16)[1]]
        assert all(any(set_apart(thing.name, s.background or "") for thing in s.things) is apart for s in drawn)
        assert all(s.background not in {thing.colours[0] for thing in s.things} for s in drawn)


@pytest.mark.slow
def test_training_lowers_the_loss_and_goes_on_where_it_was_cut(
    art: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("efficientnet_lite_pytorch")
    where = ["--art", str(art), "--out", str(tmp_path / "model"), "--work", str(tmp_path / "work"), "--batch", "4"]
    train.main([*where, "--steps", "20", "--every", "10"])
    assert (tmp_path / "model" / "model.safetensors").stat().st_size < 20_000_000
    first = capsys.readouterr().out
    train.main([*where, "--steps", "40"])
    second = capsys.readouterr().out
    assert "going on from step 20" in second
    loss = [float(text.split("answers ")[1].split()[0]) for text in (first, second)]
    assert loss[1] < loss[0]
    train.main(
        [
            *where[:-2],
            "--batch",
            "2",
            "--start",
            str(tmp_path / "model"),
            "--work",
            str(tmp_path / "on"),
            "--steps",
            "20",
        ]
    )
    third = float(capsys.readouterr().out.split("answers ")[1].split()[0])
    assert third < loss[0]  # it goes on from what the first training taught


def test_the_validation_part_is_never_trained_on(art: Path) -> None:
    pieces = load_art(art, "model")
    apart = [replace(piece, validation=i % 3 == 0) for i, piece in enumerate(pieces)]
    for validation in (False, True):
        easel = Easel(apart, seed=3, validation=validation)
        placed = [place.index for step in range(6) for sample in easel.batch(step, 8)[1] for place in sample.placed]
        assert {apart[index].validation for index in placed} == {validation}


def test_every_object_comes_with_the_shares_of_its_colours(art: Path) -> None:
    easel = Easel(load_art(art, "model"), seed=2)
    for sample in (sample for step in range(4) for sample in easel.batch(step, 8)[1]):
        for place, thing in zip(sample.placed, sample.sight.things, strict=True):
            assert sum(place.shares) == pytest.approx(1)
            assert thing.colours[0] == COLOURS[int(np.argmax(place.shares))]


def test_colours_weigh_most_in_the_short_field(art: Path) -> None:
    easel = Easel(load_art(art, "model"), seed=2, scenes=1.0)
    tokenizer = tokens.train_tokenizer(train.spoken(easel.art, easel, 4), 600)
    samples = easel.batch(0, 2)[1]
    ids, weights, before = targets(tokenizer, samples)
    assert not weights[:, :before].any()
    red = tokenizer.encode(" red")
    assert len(red) == 1
    heavy = {float(weight) for weight in weights[ids == red[0]]}
    assert heavy <= {COLOUR_WEIGHT, SHORT_WEIGHT * COLOUR_WEIGHT}
    assert SHORT_WEIGHT * COLOUR_WEIGHT in {float(weight) for weight in weights.flatten()}
    one, _, _ = targets(tokenizer, samples, fields=1)
    assert one.shape[1] < ids.shape[1]
    assert "medium" in tokenizer.decode(one[0])  # the mark that ends the short field is taught too
    assert "background" not in tokenizer.decode(one[0])
