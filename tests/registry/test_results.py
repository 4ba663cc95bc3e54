"""What a model's answer says of a study: each prediction with its interval, or the probabilities."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from torch import nn

from scantune import io
from scantune.records import ScantuneError
from scantune.registry.model import ModelFacts
from scantune.registry.predictor import Predictor, Reading
from scantune.registry.results import measured, write_mask


def of(values: dict[str, Any]) -> list[Any]:
    return measured(SimpleNamespace(values=values))  # type: ignore[arg-type]


def test_a_prediction_has_its_interval() -> None:
    assert of({"prediction": 4.0, "prediction_sd": 1.0, "lower": 2.0, "upper": 6.0}) == [
        io.Measured("prediction", 4.0, 2.0, 6.0)
    ]


def test_of_several_targets_each_has_its_own() -> None:
    values = {"prediction/age": 63.0, "lower/age": 55.0, "upper/age": 71.0, "prediction/score": 4.0}
    assert of(values) == [io.Measured("prediction age", 63.0, 55.0, 71.0), io.Measured("prediction score", 4.0)]


def test_without_a_prediction_they_are_the_probabilities() -> None:
    assert of({"p/a": 0.25, "set": "a|b"}) == [io.Measured("a", 0.25)]


def test_of_a_survival_they_are_the_risk_and_the_probabilities_by_each_horizon_that_was_followed() -> None:
    values = {"prediction": 0.4, "prediction_sd": 0.1, "p/1/event": 0.2, "p/5/event": float("nan"), "distance": 0.3}
    assert of(values) == [io.Measured("prediction", 0.4), io.Measured("1 event", 0.2)]


def test_of_neither_they_are_all_numbers_but_the_distance() -> None:
    assert of({"volume_prediction": 12.0, "distance": 0.3}) == [io.Measured("volume_prediction", 12.0)]


def test_the_mask_of_a_mosaic_is_a_nifti_file_on_its_grid(tmp_path: Path) -> None:
    from tests.io.test_volumes_of_a_series import mosaic, volume

    made = volume(turned=(10, -20, 5))
    source = mosaic(tmp_path / "1.dcm", made, 1)
    settings = {"dataset": "d", "modality": "volume", "shape": [8, 8, 8], "intensity": {"name": "zscore"}, "workers": 1}
    facts = ModelFacts("m", "d", {"name": "segmentation"}, settings)
    model = Predictor(facts, [nn.Identity()], reading=Reading(isolated=False))
    (answer,) = model.predict([source])
    assert (answer.reason, bool(answer.mask.any())) == ("", True)
    path = write_mask(tmp_path / "masks", source, answer, model)
    written = io.read(path)
    assert path.name.endswith(".nii.gz")
    np.testing.assert_array_equal(written.array, answer.mask)
    np.testing.assert_allclose(written.affine, made.affine, atol=1e-3)


def test_an_empty_mask_of_a_dicom_file_has_its_reason(tmp_path: Path) -> None:
    film = io.write_dicom_image(
        tmp_path / "1.dcm", np.arange(80, dtype=np.uint16).reshape(8, 10), patient_id="p", seed="a"
    )
    settings = {"dataset": "d", "modality": "image", "shape": [8, 8], "intensity": {"name": "scale"}, "workers": 1}
    facts = ModelFacts("m", "d", {"name": "segmentation"}, settings)
    network = nn.Conv2d(1, 1, 1)
    nn.init.constant_(network.weight, 0.0)
    nn.init.constant_(network.bias, -9.0)
    model = Predictor(facts, [network], reading=Reading(isolated=False))
    (answer,) = model.predict([film])
    with pytest.raises(ScantuneError, match="the mask is empty: nothing was marked"):
        write_mask(tmp_path / "masks", film, answer, model)
