"""Vessels in volumes: the same blocks, files, stages and figures as in frames, with a 3D network."""

from __future__ import annotations

import json

import pytest
import yaml

from tests.stages.conftest import run_stages
from tests.stages.systems import params_of


@pytest.mark.heavy
def test_a_volume_is_segmented_from_file_to_figure(tmp_path):
    params = params_of(
        "angio", {"epochs": 30, "batch_size": 2, "loss": "dice_focused", "early_stopping": {"patience": 50}}
    )
    params["demo"]["angio"]["options"] = {"n": 9, "ndim": 3, "edge": 48, "unusable": False}
    params["inputs"]["angio"] = {"dataset": "angio", "modality": "volume", "shape": [48, 48, 48], "workers": 1}
    params["experiments"]["x"]["model"]["options"] = {"channels": [8, 8, 16, 16, 16]}
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(params))
    run_stages(tmp_path, "demo angio", "preprocess angio", "split angio", "train x", "evaluate x")
    home = tmp_path / "outputs" / "x"
    rows = json.loads((home / "train" / "history.json").read_text())["epochs"]
    assert max(row["val_dice"] for row in rows) > rows[0]["val_dice"] + 0.05
    assert {"train_dice_loss", "train_bce_loss", "val_dice_loss", "val_bce_loss"} <= set(rows[0])
    figures = json.loads((home / "evaluate" / "metrics.json").read_text())["metrics"]
    assert {"dice", "iou", "precision", "recall", "hd95", "nsd", "cldice"} <= set(figures)
    assert figures["dice"]["n_subjects"] == 2
    assert figures["dice"]["value"] > 0.02, "vessels are a few voxels in a thousand"
