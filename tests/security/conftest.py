"""A small model of random weights, and files for it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from scantune import io, models
from scantune.registry.model import ModelFacts, save_model


@pytest.fixture(scope="session")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A regression of grey pictures of 12 × 12 pixels. Copy it before you damage it."""
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("attacked") / "model"
    backbone = models.build("small_cnn", modality="image", in_channels=1, size=(12, 12))
    network = models.Network(backbone, torch.nn.Linear(backbone.feature_dim, 1)).eval()
    settings = {"dataset": "mine", "modality": "image", "shape": [12, 12], "time_limit": 20.0}
    save_model(folder, ModelFacts("tiny", "mine", {"name": "regression", "target": "score"}, settings), [network])
    return folder


def picture(path: Path, value: int = 0) -> Path:
    """A picture with something in it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    return io.write_png(path, np.arange(value, value + 140, dtype=np.uint8).reshape(14, 10))
