"""From the files of a table to the metrics: a region, pixels that do not count, a second reader, overlapping labels."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from pydantic import TypeAdapter

from scantune import cohort
from scantune.config.dataset import DatasetConfig
from scantune.config.input import InputConfig
from scantune.mask_codes import IGNORED
from scantune.pipeline.data.datasets import samples, training_samples
from scantune.pipeline.data.sides import read_sides
from scantune.pipeline.predictions import part_of
from scantune.preprocess.prepare import prepare
from scantune.preprocess.run import run
from scantune.registry.model import ModelFacts
from scantune.registry.predictor import Predictor, Reading
from scantune.registry.results import write_mask
from scantune.tasks import scoring
from scantune.tasks.predictions import PredictionTable
from scantune.tasks.segmentation.settings import Segmentation
from tests.pipeline.test_predictions import blob, dicom

UNSURE = 200


class Above(torch.nn.Module):
    """One logit for each cut, above which the label is."""

    def __init__(self, *cuts: float) -> None:
        super().__init__()
        self.cuts = cuts

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.cat([(x[:, :1] - cut) * 30 for cut in self.cuts], 1)


def table_of(predictor: Predictor, folder: Path, **keys: Any) -> dict[str, np.ndarray]:
    """Columns of the test samples of ``table.csv`` in a folder."""
    dataset = DatasetConfig(root=str(folder), table="table.csv", files="{image}", sample="{id}", **keys)
    records = cohort.read(dataset, folder)
    block = TypeAdapter(InputConfig).validate_python(dict(predictor.facts.input))
    run(records, block, folder / "cache", folder / "store", progress=False)
    side = read_sides(folder / "cache", None).side("test")
    return {name: np.asarray(values) for name, values in part_of(predictor.tensors, side, "test").items()}


def dice(one: np.ndarray, other: np.ndarray) -> float:
    return float(2 * (one & other).sum() / (one.sum() + other.sum()))


@pytest.fixture
def eyes(tmp_path: Path) -> Path:
    """Four pictures with a field of view, pixels of which the reader is unsure, and a second reader for three."""
    lines = ["id,image,mask,field,second"]
    for i in range(4):
        image = (blob((60, 80), seed=i) * 255).astype(np.uint8)
        truth = np.where(np.roll(image, 1, axis=0) > 140, 1, 0).astype(np.uint8)
        truth[:8] = UNSURE
        field = np.zeros_like(image)
        field[4:50, 10:70] = 255
        arrays = {"image": image, "mask": truth, "field": field, "second": (np.roll(image, 2, axis=1) > 140) * 1}
        for name, array in arrays.items():
            Image.fromarray(array.astype(np.uint8)).save(tmp_path / f"{name}{i}.png")
        lines.append(f"e{i},image{i}.png,mask{i}.png,field{i}.png,{f'second{i}.png' if i else ''}")
    (tmp_path / "table.csv").write_text("\n".join(lines))
    return tmp_path


def test_metrics_are_those_inside_the_region_and_readers_stand_beside_the_model(eyes: Path):
    settings = {"dataset": "d", "modality": "image", "shape": [60, 80], "workers": 1}
    settings |= {"mask_values": {UNSURE: "ignore"}}
    task = {"name": "segmentation", "classes": ["background", "vessel"]}
    predictor = Predictor(ModelFacts("m", "d", task, settings), [Above(0.55)], reading=Reading(isolated=False))
    keys = {"masks": "{mask}", "region": "{field}", "rater_masks": {"second": "{second}"}}
    columns = table_of(predictor, eyes, **keys)
    for i in range(4):
        image, mask, field, second = (
            np.asarray(Image.open(eyes / f"{name}{i}.png")) for name in ("image", "mask", "field", "second")
        )
        counts = (field > 0) & (mask != UNSURE)
        model = (image / 255 > 0.55)[counts]
        truth = (mask == 1)[counts]
        assert columns["dice"][i] == pytest.approx(dice(model, truth))
        assert columns["dice_prepared"][i] == pytest.approx(dice(model, truth)), "on this grid it is the same"
        assert columns["volume_target"][i] == truth.sum()
        if not i:
            assert np.isnan(columns["rater/second/dice"][i])
            continue
        assert columns["rater/second/dice"][i] == pytest.approx(dice(second[counts] > 0, truth))
        assert columns["rater/second/model/dice"][i] == pytest.approx(dice(model, second[counts] > 0))
    side = read_sides(eyes / "cache", None).side("test")
    task = predictor.task
    learned, measured = training_samples(side, task, patches=None)[0], samples(side, task)[0]
    outside = np.asarray(Image.open(eyes / "field0.png")) == 0
    assert (measured["target"].numpy()[outside] == IGNORED).all()
    assert not (learned["target"].numpy()[8:] == IGNORED).any(), "what lies outside is trained on"
    result = scoring.evaluate(PredictionTable.make(columns), Segmentation(), draws=100)
    assert result["raters"]["pairs"]["second and reference"]["dice"]["n"] == 3


def test_overlapping_labels_from_files_to_a_written_mask(tmp_path: Path):
    lines = ["id,image,disc,cup"]
    for i in range(2):
        image = (blob((60, 80), seed=i) * 255).astype(np.uint8)
        Image.fromarray(image).save(tmp_path / f"i{i}.png")
        for name, cut in {"disc": 130, "cup": 180}.items():
            Image.fromarray(((np.roll(image, 1, axis=0) > cut) * 255).astype(np.uint8)).save(
                tmp_path / f"{name}{i}.png"
            )
        lines.append(f"e{i},i{i}.png,disc{i}.png,cup{i}.png")
    (tmp_path / "table.csv").write_text("\n".join(lines))
    settings = {"dataset": "d", "modality": "image", "shape": [30, 40], "workers": 1, "mask_overlap": True}
    task = {"name": "segmentation", "classes": ["background", "disc", "cup"], "overlapping": True}
    predictor = Predictor(ModelFacts("m", "d", task, settings), [Above(0.5, 0.7)], reading=Reading(isolated=False))
    columns = table_of(predictor, tmp_path, masks=["{disc}", "{cup}"])
    (answer,) = predictor.predict([tmp_path / "i0.png"])
    written = np.asarray(Image.open(write_mask(tmp_path / "seg", tmp_path / "i0.png", answer, predictor)))
    for bit, name in enumerate(("disc", "cup")):
        truth = np.asarray(Image.open(tmp_path / f"{name}0.png")) > 0
        assert columns[f"dice/{name}"][0] == pytest.approx(dice(written >> bit & 1 > 0, truth))
    assert set(np.unique(written)) == {0, 1, 3}, "the cup lies inside the disc"


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning", "ignore::FutureWarning")
def test_overlapping_labels_are_segments_of_a_dicom_object_that_is_read_again(tmp_path: Path):
    files = dicom(tmp_path)
    settings = {"dataset": "d", "workers": 1, **files.settings}
    task = {"name": "segmentation", "classes": ["background", "whole", "core"], "overlapping": True}
    facts = ModelFacts("m", "d", task, settings | {"mask_overlap": True})
    predictor = Predictor(facts, [Above(0.5, 0.7)], reading=Reading(isolated=False))
    (answer,) = predictor.predict([files.image])
    written = write_mask(tmp_path / "seg", files.image, answer, predictor)
    again = {**settings, "mask_overlap": True, "mask_values": {"whole": 1, "core": 2}}
    prepared = prepare([files.image], [written], again)
    np.testing.assert_array_equal(prepared.own_mask, answer.mask)
    assert set(np.unique(answer.mask)) == {0, 1, 3}
