"""Make the mini-CLIP that curation ships: frozen features, two projections trained on them, held-out figures, model card.

    python -m workflows.demo.miniclip build/demo/art.parquet

It learns from the split `model` alone and is judged on `evaluation`; the pool, which it will score, is never looked at.
Features are kept beside the art, so that a second run only trains: about ten minutes on one core for the features, four for
the training.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from curation.clip.mini import PATH
from workflows.demo import features
from workflows.demo.card import card
from workflows.demo.judge import judge
from workflows.training import lit
from workflows.training.lit_data import Features

SCENES, HELD_OUT = 1_000, 400
FIRST_HELD_OUT = 1_000_000  # scenes are numbered; the pool's own start from 0, of other things


def main(
    art: Annotated[Path, typer.Argument(help="art.parquet of the demo's set-up")] = Path("build/demo/art.parquet"),
    *,
    out: Annotated[Path, typer.Option(help="where the projections and their card go")] = PATH.parent,
    cache: Annotated[Path | None, typer.Option(help="where features are kept; by default beside the art")] = None,
    scenes: Annotated[int, typer.Option(help="composed scenes to learn from")] = SCENES,
    held_out: Annotated[int, typer.Option(help="composed scenes to be judged on")] = HELD_OUT,
    epochs: int = lit.Recipe.epochs,
    threads: int = 1,
) -> None:
    """Train the mini-CLIP's projections, judge them on held-out pictures, and write weights and card."""
    import torch

    torch.set_num_threads(threads)
    folder = cache or art.with_name("features")
    training, unseen = training_features(art, folder, scenes), held_out_features(art, folder, held_out)
    recipe = lit.Recipe(epochs=epochs)
    arrays: dict[str, Any] = training
    np.savez(folder / "training.npz", **arrays)
    history: list[dict[str, float]] = []
    lit.train(Features.load(folder / "training.npz"), recipe, history).save(out / PATH.name)
    figures = {name: judge(given, out / PATH.name) for name, given in unseen.items()}
    record = {"recipe": asdict(recipe), "training": counts(training), "loss": history[-1]["loss"], "held_out": figures}
    (out / "figures.json").write_text(json.dumps(record, indent=1, ensure_ascii=False) + "\n")
    (out / "MODEL_CARD.md").write_text(card(record))
    typer.echo(f"{out / PATH.name}: {(out / PATH.name).stat().st_size:,} bytes; figures in {out / 'MODEL_CARD.md'}")


def training_features(art: Path, folder: Path, scenes: int) -> features.Arrays:
    """Features of the model-training split: all its pictures, plain and on coloured grounds, and composed scenes."""
    rows = features.rows_of(art, "model")
    pictures = features.kept(
        folder / "model.npz",
        lambda: features.art_set(art, rows, features.training_pairs(rows), grounds=True),
    )
    composed = features.kept(
        folder / f"scenes_model_{scenes}.npz", lambda: features.scene_set(art, "model", range(scenes))
    )
    return features.joined(pictures, composed)


def held_out_features(art: Path, folder: Path, scenes: int) -> dict[str, features.Arrays]:
    """Features of the evaluation split, one picture a group, and of scenes of its things."""
    rows = features.one_a_group(features.rows_of(art, "evaluation"))
    return {
        "pictures": features.kept(
            folder / "evaluation.npz",
            lambda: features.art_set(art, rows, features.judged_pairs(rows), grounds=False),
        ),
        "scenes": features.kept(
            folder / f"scenes_evaluation_{scenes}.npz",
            lambda: features.scene_set(art, "evaluation", range(FIRST_HELD_OUT, FIRST_HELD_OUT + scenes)),
        ),
    }


def counts(arrays: features.Arrays) -> dict[str, int]:
    """How much there was to learn from."""
    return {
        "pictures": len(arrays["item_group"]),
        "views": len(arrays["image"]),
        "texts": len(arrays["text"]),
        "languages": len(set(arrays["link_lang"].tolist())),
    }


if __name__ == "__main__":
    typer.run(main)
