"""The shipped configs of trainings are read strictly, and their models exist."""

from __future__ import annotations

from pathlib import Path

import pytest

from workflows.training.__main__ import read_config
from workflows.training.model import architecture

CONFIGS = sorted((Path(__file__).parents[3] / "configs" / "training").glob("*.yaml"))


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_it_is_read_and_its_model_is_known(path: Path) -> None:
    config = read_config(path)
    assert architecture(config)["embed_dim"] > 0
    assert config.precision == "bf16"


def test_every_loss_has_one() -> None:
    assert {read_config(path).loss for path in CONFIGS} == {"clip", "siglip", "dreamlip", "longclip", "tips"}
