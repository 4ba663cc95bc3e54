"""Metrics of masks by class: each, their mean, and how the volumes agree."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from scantune.tasks import scoring
from scantune.tasks.predictions import PredictionTable
from scantune.tasks.segmentation.settings import Segmentation
from scantune.tasks.segmentation.task import build
from scantune.tasks.segmentation.words import headline_notes

CLASSES = ("background", "anterior", "posterior")


def masks(seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    truth = np.zeros((16, 16), np.int64)
    truth[2 : 6 + seed % 3, 3:9] = 1
    truth[9:14, 3 : 8 + seed % 2] = 2
    predicted = np.roll(truth, 1, axis=1)
    predicted[rng.integers(16), rng.integers(16)] = 1
    return predicted, truth


@pytest.fixture(scope="module")
def table() -> PredictionTable:
    task = build(Segmentation(classes=CLASSES, lesion_overlap=0.3))
    pairs = [masks(seed) for seed in range(6)]
    predicted = torch.nn.functional.one_hot(torch.from_numpy(np.stack([p for p, _ in pairs])), 3)
    logits = predicted.movedim(-1, 1).float().numpy() * 10
    columns = task.answers(logits, np.stack([t for _, t in pairs]), {})
    names = [f"s{i}" for i in range(6)]
    return PredictionTable.make({"sample_id": names, "subject_id": names, "split": ["test"] * 6, **columns})


def test_each_class_has_its_metrics_and_the_sample_their_mean(table: PredictionTable) -> None:
    predicted, truth = masks(0)
    for label, name in enumerate(CLASSES[1:], start=1):
        here, there = predicted == label, truth == label
        assert table.columns[f"dice/{name}"][0] == pytest.approx(2 * (here & there).sum() / (here.sum() + there.sum()))
        assert table.columns[f"volume_target/{name}"][0] == there.sum()
        assert table.columns[f"volume_prediction/{name}"][0] == here.sum()
    both = [table.columns[f"hd95/{name}"] for name in CLASSES[1:]]
    np.testing.assert_allclose(table.columns["hd95"], np.mean(both, axis=0))
    assert table.columns["volume_target"][0] == (truth > 0).sum()


def test_metrics_json_has_every_class_with_the_agreement_of_its_volume(table: PredictionTable) -> None:
    evaluated = scoring.evaluate(table, Segmentation(classes=CLASSES), draws=200)
    metrics = evaluated["metrics"]
    for name in CLASSES[1:]:
        difference = table.columns[f"volume_prediction/{name}"] - table.columns[f"volume_target/{name}"]
        assert metrics[f"volume_bland_altman_bias/{name}"]["value"] == pytest.approx(difference.mean())
        assert {f"{m}/{name}" for m in ("dice", "iou", "hd95", "nsd", "cldice", "lesion_f1")} <= set(metrics)
    assert metrics["dice_prepared"]["value"] == pytest.approx(metrics["dice"]["value"])
    assert "dice/anterior" not in evaluated["headline"]
    assert "mean over the structures" in headline_notes(evaluated)[0]
    assert "There is no simple baseline" in headline_notes(evaluated)[1]


def test_one_structure_has_no_columns_by_class_and_no_lesions_unless_they_are_counted() -> None:
    task = build(Segmentation())
    columns = task.answers(np.ones((1, 1, 8, 8), np.float32), np.ones((1, 8, 8), np.int64), {})
    assert not [name for name in columns if "/" in name or name.startswith("lesion")]
