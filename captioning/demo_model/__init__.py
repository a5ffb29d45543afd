"""The demonstration captioner's folder, which vLLM and transformers load. See MODEL_CARD.md for what it is and is not."""

from pathlib import Path

PATH = Path(__file__).parent
