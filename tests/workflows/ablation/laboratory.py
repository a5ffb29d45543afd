"""An ablation of a small real pool: coloured shapes, a recipe of real and small steps, held-out shapes, and models of two layers."""

from __future__ import annotations

import json
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import typer
import yaml

sys.path.insert(0, str(Path(__file__).parents[1] / "report"))  # its pool is this one's

from report_pool import COLOURS, HOST, THINGS, picture

from workflows.cli import app
from workflows.export.sample import Sample
from workflows.export.writer import writing

MICRO: dict[str, Any] = {
    "embed_dim": 32,
    "vision_cfg": {"image_size": 32, "layers": 2, "width": 64, "head_width": 32, "patch_size": 16},
    "text_cfg": {"context_length": 12, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 1},
}
RULES = [{"column": "unique.keep", "is_true": True}, {"column": "clip.clip_score", "min": 0.15}]
RECIPE: dict[str, Any] = {
    "lang": {"kind": "langid", "threshold": 0.4},
    "words": {"kind": "caption-quality"},
    "match": {"kind": "match"},
    "counts": {"kind": "match-counts"},
    "balance": {"kind": "balance", "t_en": 12},
    "chosen": {"kind": "select", "rules": [{"column": "words.junk", "is_null": True, "reason": "junk caption"}]},
    "download": {"kind": "report_pool:Paint"},
    "clip": {"kind": "report_pool:Score"},
    "unique": {"kind": "report_pool:Alone"},
    "select": {"kind": "select", "after": "chosen", "rules": RULES},
    "captions": {"kind": "report_pool:Write", "only": "select"},
    "shards": {"kind": "export", "texts": {"caption_alt": "rows.caption", "caption_short": "captions.short"}},
    "report": {"kind": "report", "look": None, "model": None},
}
ABLATION: dict[str, Any] = {
    "train": {
        "model": "micro", "architecture": MICRO, "batch": 16, "steps": 3, "threads": 1, "device": "cpu",
        "captions": {"caption_alt": 1},
    },
    "seeds": [0, 1],
    "selections": {
        "raw": {"rules": [{"column": "download.width", "not_null": True}]},
        "fewer": {"rules": [{"column": "download.width", "not_null": True}], "share": 0.5},
    },
    "arms": {
        "raw": {"rows": "raw"},
        "fewer": {"rows": "fewer"},
        "curated": {"rows": "select"},
        "mixed": {"rows": "select", "train": {"captions": {"caption_alt": 0.5, "caption_short": 0.5}}},
    },
    "compare": [["curated", "raw"], ["mixed", "curated"]],
}  # fmt: skip


@dataclass(frozen=True)
class Lab:
    """A folder with a recipe whose pool is done, and an ablation of it."""

    root: Path

    @property
    def pool(self) -> Path:
        return self.root / "pool"

    @property
    def recipe(self) -> Path:
        return self.root / "recipe.yaml"

    @property
    def config(self) -> Path:
        return self.root / "ablate.yaml"

    def describe(self) -> None:
        """Write the recipe and the ablation."""
        steps: dict[str, Any] = {"rows": {"kind": "intake", "urls": str(self.root / "urls.parquet"), "shard_rows": 50}}
        steps |= RECIPE | {"match": {"kind": "match", "metadata": str(self.root / "metadata")}}
        config = {"pool": str(self.pool), "execution": {"engine": "local"}, "steps": steps}
        self.recipe.write_text(yaml.safe_dump(config, sort_keys=False))
        self.change()

    def change(self, **changes: Any) -> None:
        """Write the ablation with other values."""
        given = {"recipe": str(self.recipe), "holdout": str(self.root / "holdout")}
        split = {"pictures": str(self.root / "pictures.parquet"), "pool": str(self.root / "truth.parquet")}
        self.config.write_text(yaml.safe_dump(ABLATION | given | {"split": split} | changes, sort_keys=False))

    def command(self, *arguments: str) -> None:
        """The command line, in this process."""
        with suppress(typer.Exit):
            app([*arguments, "--engine", "local"], standalone_mode=False)

    def found(self) -> dict[str, Any]:
        """The newest results."""
        newest = max(self.pool.glob("ablation/ablate/*/*/ablation.json"), key=lambda path: path.stat().st_mtime_ns)
        told: dict[str, Any] = json.loads(newest.read_text())
        return told

    def trials(self) -> dict[str, bytes]:
        """The committed trials, by the name of their step: the bytes of their entries."""
        return {
            path.parts[-3]: path.read_bytes() for path in sorted(self.pool.glob("ledger/ablate-*-s[0-9]/1/*.0.json"))
        }


def write_holdout(lab: Lab, count: int = 40) -> None:
    """Held-out shapes of other groups than the pool's, in the table that says whose split they are."""
    rows = [{"uid": f"{k:032x}", "group": f"held {k}", "split": "evaluation"} for k in range(count)]
    rows += [{"uid": f"{k + count:032x}", "group": f"model {k}", "split": "model"} for k in range(count)]
    pq.write_table(pa.Table.from_pylist(rows), lab.root / "pictures.parquet")
    with writing(lab.root / "holdout", samples=100) as writer:
        for k in range(count):
            colour, thing = COLOURS[k % len(COLOURS)], THINGS[k % len(THINGS)]
            image = picture(f"{HOST}/clean/{colour}/{thing}/{k}.png")
            writer.add(Sample(f"held{k}", image, f"a {colour} {thing}", {"uid": f"{k:032x}"}))
        writer.close()
