"""A segmentation beside one threshold and one mask for all, on the same test samples."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from scantune.cohort.manifest import Sample
from scantune.pipeline.data.sides import Sides
from scantune.pipeline.evaluate.mask_baselines import mask_baselines
from scantune.preprocess import store
from scantune.statistics.overlap import dice
from scantune.tasks import scoring
from scantune.tasks.build import build_task
from scantune.tasks.predictions import PredictionTable


def cohort(home: Path, n: int = 18) -> tuple[Sides, dict[str, np.ndarray]]:
    """Bright squares that move, on a ground of another brightness in each image."""
    rng = np.random.default_rng(5)
    members, masks = [], {}
    for i in range(n):
        place = rng.integers(4, 18, 2)
        mask = np.zeros((32, 32), np.uint8)
        mask[place[0] : place[0] + 6, place[1] : place[1] + 6] = 1
        image = (rng.uniform(20, 150) + 60 * mask + rng.normal(0, 3, mask.shape)).astype(np.uint8)
        store.save(home / "samples" / f"s{i}.safetensors", {"input": image[None], "mask": mask[None]}, {})
        split = ("train", "train", "test")[i % 3]
        members.append(Sample(f"s{i}", f"p{i}", split, None, (1, 32, 32), {}, {}, {}, {"spacing": "0.5x0.5"}))
        masks[f"s{i}"] = mask
    return Sides(tuple(members), home), masks


def test_baselines_are_chosen_on_training_and_measured_on_test(tmp_path: Path):
    sides, masks = cohort(tmp_path)
    schema = scoring.settings_of("segmentation")
    tested = [m.sample_id for m in sides.side("test")][::-1]  # the table's order, not the manifest's
    table = PredictionTable.make({"sample_id": tested, "subject_id": tested, "dice": np.full(len(tested), 0.9)})
    made = mask_baselines(build_task(schema), sides, table)
    assert set(made) == {"threshold", "contrast_threshold", "mean_mask"}
    for result in made.values():
        assert result.sample_id.tolist() == tested
        assert {"dice", "hd95", "nsd"} <= set(result.columns)
    mean = {name: result.numbers("dice", None).mean() for name, result in made.items()}  # type: ignore[arg-type]
    assert mean["contrast_threshold"] > mean["threshold"] + 0.2, "brightness of the ground says nothing of its contrast"
    average = made["mean_mask"].numbers("dice", None)  # type: ignore[arg-type]
    frequent = sum(masks[m.sample_id].astype(float) for m in sides.side("train"))
    assert average[0] <= max(dice(masks[tested[0]] > 0, frequent >= cut) for cut in np.unique(frequent)[1:]) + 1e-9
    metrics = scoring.evaluate(table, schema, draws=200, beside=made)
    entry = metrics["baselines"]["contrast_threshold"]["dice"]
    assert entry["value"] == pytest.approx(mean["contrast_threshold"])
    assert entry["lower"] < entry["value"] < entry["upper"]


def test_without_training_samples_there_are_none(tmp_path: Path):
    sides, _ = cohort(tmp_path, 6)
    alone = Sides(tuple(m for m in sides.members if m.split == "test"), tmp_path)
    table = PredictionTable.make({"sample_id": [m.sample_id for m in alone.members], "dice": [0.5, 0.5]})
    task = build_task(scoring.settings_of("segmentation"))
    assert mask_baselines(task, alone, table) == {}
    away, here = mask_baselines(task, alone, table, home=sides), mask_baselines(task, sides, table)
    for name, result in away.items():
        assert np.array_equal(result.columns["dice"], here[name].columns["dice"]), "chosen on the model's own training"
