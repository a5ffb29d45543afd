"""Zero-shot classification with a real tiny model: its features are what they are, and the arithmetic around them is exact."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from typer.testing import CliRunner

from pipeline.errors import ConfigError, DataError
from workflows.cli import app
from workflows.export.sample import Sample
from workflows.export.writer import writing
from workflows.training.config import TrainConfig
from workflows.training.evaluate import text_features
from workflows.training.judged import Judged, checkpoint, look
from workflows.training.model import Built, build, save
from workflows.training.scorecard import lines, scorecard
from workflows.training.shards import Shards
from workflows.training.zeroshot import Classes, classifier, classify

Micro = Callable[..., TrainConfig]
COLOURS = ["red", "green", "blue", "yellow"]


@pytest.fixture
def built(micro: Micro) -> Built:
    return build(micro(), "cpu")


def listed(folder: Path, **given: Any) -> Path:
    path = folder / "classes.json"
    path.write_text(json.dumps(given))
    return path


def judged(images: torch.Tensor, **fields: list[Any]) -> Judged:
    rows = [dict(zip(fields, values, strict=True)) for values in zip(*fields.values(), strict=True)]
    return Judged(images, [str(n) for n in range(len(rows))], rows, Counter())


def test_pictures_that_lie_on_their_class(built: Built, tmp_path: Path) -> None:
    classes = Classes.read(listed(tmp_path, classes=COLOURS, templates=["{}", "a {} thing"]))
    weights = classifier(built, COLOURS, classes.templates_of("en"))
    assert weights.norm(dim=-1).allclose(torch.ones(4))
    told = classify(built, judged(weights[[0, 1, 2, 3, 0]], label=[*COLOURS, "red"]), classes)
    assert (told["samples"], told["of_no_class"]) == (5, 0)
    assert told["languages"]["*"]["top-1"] == {"value": 1.0, "low": 1.0, "high": 1.0}
    assert told["languages"]["*"]["chance"] == {"top-1": 0.25, "top-5": 1.0}


def test_the_classifier_is_the_mean_of_the_templates(built: Built, tmp_path: Path) -> None:
    classes = Classes.read(listed(tmp_path, classes=COLOURS, templates=["{}", "a {} thing"]))
    plain, thing = text_features(built, ["red"]), text_features(built, ["a red thing"])
    mean = torch.nn.functional.normalize(plain + thing, dim=-1)
    assert torch.allclose(classifier(built, COLOURS, classes.templates_of("en"))[:1], mean, atol=1e-6)


def test_names_by_language(built: Built, tmp_path: Path) -> None:
    names = {"1": {"en": "red", "de": "rot"}, "2": {"en": "blue"}, "3": {"en": "green", "de": "rot"}}
    classes = Classes.read(listed(tmp_path, classes=names, label="class", templates={"en": ["{}"]}))
    images = text_features(built, ["rot", "blue", "rot", "x"])
    told = classify(built, judged(images, **{"class": ["1", "2", "3", "none"]}), classes)
    assert (told["samples"], told["of_no_class"]) == (3, 1)
    german = told["languages"]["de"]
    assert (german["samples"], german["classes"]) == (2, 2)  # the nameless class is left out, with its picture
    assert german["top-1"]["value"] == 1.0  # classes of one name are right for each other


def test_imagenet_ships_with_open_clip() -> None:
    classes = Classes.read("imagenet")
    assert (len(classes.names["en"]), len(classes.templates_of("en"))) == (1000, 80)
    assert classes.names["en"][0] == "tench"
    assert classes.templates_of("en")[0]("tench") == "a bad photo of a tench."


def test_a_list_of_names_in_a_text_file(tmp_path: Path) -> None:
    (tmp_path / "names.txt").write_text("red\nblue\n\n")
    classes = Classes.read(tmp_path / "names.txt")
    assert (classes.labels, classes.names) == (["red", "blue"], {"*": ["red", "blue"]})


@pytest.mark.parametrize(
    "given", [{"classes": []}, {"classes": ["a"], "templates": ["no braces"]}, {"class": ["a"]}, {}]
)
def test_lists_that_are_none(tmp_path: Path, given: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="is no list of classes"):
        Classes.read(listed(tmp_path, **given))


def test_no_sample_of_any_class(built: Built, tmp_path: Path) -> None:
    classes = Classes.read(listed(tmp_path, classes=COLOURS))
    with pytest.raises(DataError, match="Correct `label`"):
        classify(built, judged(torch.eye(32)[:2], label=["x", "y"]), classes)


def test_pictures_are_read_a_batch_at_a_time_and_bad_ones_left_out(
    built: Built, make_shards: Callable[..., Shards]
) -> None:
    shards = make_shards(20, per_shard=10)
    path = shards.paths[1]
    path.write_bytes(path.read_bytes()[:4000])
    whole, pieces = look(built, shards, batch=100), look(built, shards, batch=3)
    assert torch.allclose(whole.images, pieces.images, atol=1e-5)
    assert len(whole.fields) + sum(whole.left_out.values()) == 20
    assert whole.left_out
    places, texts = whole.texts("caption_short")["caption_short"]
    assert len(places) == len(texts) < len(whole.fields)  # every fifth has none
    with pytest.raises(ConfigError, match="Their fields"):
        whole.texts("name_*")


def test_a_scorecard_has_a_line_a_figure(built: Built, make_shards: Callable[..., Shards], tmp_path: Path) -> None:
    told = scorecard(built, make_shards(12), ["txt", "caption_*"])
    assert sorted(told["retrieval"]) == ["caption_alt", "caption_short", "txt"]
    found = lines(told)
    assert len(found) == 3 * 2 * 3
    assert all(line["low"] <= line["value"] <= line["high"] for line in found)


def test_the_command(built: Built, make_shards: Callable[..., Shards], tmp_path: Path) -> None:
    save(built, tmp_path / "model")
    with writing(tmp_path / "held") as writer:
        plain = make_shards(12)
        for number in range(12):
            raw = plain.read(0, number)
            writer.add(Sample(raw.key, raw.image, raw.texts["txt"], {**raw.fields, "label": number % 4}))
        writer.close()
    given = {str(n): {"en": colour, "de": f"{colour}e Farbe"} for n, colour in enumerate(COLOURS)}
    classes = tmp_path / "classes.yaml"
    classes.write_text("classes:\n" + "".join(f"  {n}: {json.dumps(names)}\n" for n, names in given.items()))
    folders = ["--shards", str(tmp_path / "held"), "--out", str(tmp_path / "out")]
    told = CliRunner().invoke(app, ["evaluate", str(tmp_path / "model"), *folders, "--classes", str(classes)])
    assert told.exit_code == 0, told.output
    assert "classes de" in told.output
    results = json.loads((tmp_path / "out" / "results.json").read_text())
    assert results["zero_shot"]["languages"]["en"]["samples"] == 12
    assert (tmp_path / "out" / "results.png").read_bytes().startswith(b"\x89PNG")


def test_a_checkpoint_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="Name the folder that a training left"):
        checkpoint(str(tmp_path))
    with pytest.raises(ConfigError, match="no open_clip model of that name"):
        checkpoint("ViT-B-32", "not-a-tag")
