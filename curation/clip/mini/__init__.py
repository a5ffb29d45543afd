"""The mini-CLIP: a small multilingual model that works offline. See MODEL_CARD.md beside this file."""

from pathlib import Path

#: The shipped projections, made by `python -m workflows.demo.miniclip`.
PATH = Path(__file__).with_name("projections.npz")
