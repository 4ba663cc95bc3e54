"""Samples of different size, trained on patches: from files to the served model, images and volumes."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
import torch
import yaml

from scantune import io
from scantune.config.load import parse
from scantune.preprocess.store import as_float
from scantune.records import ScantuneError
from scantune.registry.predictor import Predictor, Reading
from tests.stages.conftest import run_stages
from tests.stages.systems import train, weights

SIDES = ["train"] * 4 + ["validation"] * 2 + ["test"] * 2


def cohort(home: Path, modality: str) -> None:
    """Eight samples of eight sizes with a bright bar, which is the mask."""
    import cv2

    rows, random = [], np.random.default_rng(0)
    for number, side in enumerate(SIDES):
        shape = (24 + 3 * number, 40 - 2 * number) if modality == "image" else (14 + number, 20 - number, 9 + number)
        picture, mask = random.integers(0, 80, shape).astype(np.uint8), np.zeros(shape, np.uint8)
        mask[3 : 8 + number, 4:9] = 1
        picture[mask > 0] += 150
        ending = "png" if modality == "image" else "nii.gz"
        names = [f"{kind}{number}.{ending}" for kind in ("image", "mask")]
        for name, array in zip(names, (picture, mask), strict=True):
            if modality == "image":
                cv2.imwrite(str(home / name), array)
            else:
                affine = np.diag([-1.0, 1.5, 3.0, 1.0])  # read in another order of axes than it is stored
                nibabel.save(nibabel.Nifti1Image(array.astype(np.int16), affine), home / name)
        rows.append({"id": str(number), "file": names[0], "mask": names[1], "side": side})
    with (home / "cohort.csv").open("w", newline="") as table:
        writer = csv.DictWriter(table, rows[0])
        writer.writeheader()
        writer.writerows(rows)


def params(modality: str, **settings: Any) -> dict[str, Any]:
    patch = {"image": [16, 16], "volume": [8, 12, 8]}[modality]
    dataset = {"root": ".", "table": "cohort.csv", "files": "{file}", "masks": "{mask}", "sample": "{id}"}
    block = {
        "dataset": "bars",
        "input": "bars",
        "task": {"name": "segmentation", "classes": ["background", "bar"], "cldice": False},
        "model": {
            "backbone": "plain_unet",
            "normalization": "foreground",
            "options": {"channels": [4, 4, 4, 4], "deep_supervision": True},  # four stages: one of them is coarser
        },
        "train": {
            "epochs": 4,
            "batch_size": 4,
            "learning_rate": 0.02,
            "optimizer": {"name": "sgd", "momentum": 0.99, "nesterov": True},
            "scheduler": "poly",
            "precision": "32",
            "early_stopping": {"enabled": True, "patience": 9, "restore_best_weights": False},
            "augment": {"rotation": 20, "flip_left_right": 0.5, "noise": [0, 0.05], "elastic": 0.02, "gamma": 0.3},
            "patches": {"per_sample": 3, "foreground": 0.5},
            "validate_every": 3,
            **settings,
        },
        "evaluate": {"draws": 200, "write_masks": True, "saliency": {"samples": 1, "checks": False}},
        "register": {},
    }
    return {
        "datasets": {"bars": {**dataset, "subject": "id", "split": {"method": "predefined", "columns": "side"}}},
        "inputs": {"bars": {"dataset": "bars", "modality": modality, "patch": patch, "workers": 1}},
        "experiments": {"x": block},
    }


@pytest.fixture(scope="module", params=["image", pytest.param("volume", marks=pytest.mark.heavy)])
def trained(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A folder in which all stages ran."""
    home = tmp_path_factory.mktemp(request.param)
    cohort(home, request.param)
    (home / "params.yaml").write_text(yaml.safe_dump(params(request.param)))
    run_stages(home, "preprocess bars", "split bars", "train x", "evaluate x")
    return home, request.param


def test_samples_keep_their_size_and_the_model_states_the_patch(trained: tuple[Path, str]) -> None:
    home, modality = trained
    with (home / "data/cache/bars/manifest.csv").open() as table:
        shapes = {row["shape"] for row in csv.DictReader(table)}
    assert len(shapes) == 8
    facts = json.loads((home / "outputs/x/train/model/model.json").read_text())
    assert facts["training"]["shape"] == ([1, 16, 16] if modality == "image" else [1, 8, 12, 8])
    assert facts["input"]["overlap"] == 0.5


def test_epochs_between_validations_have_none(trained: tuple[Path, str]) -> None:
    home, _ = trained
    rows = json.loads((home / "outputs/x/train/history.json").read_text())["epochs"]
    assert [row["val_dice"] is not None for row in rows] == [True, False, True, True]
    assert all(row["train_loss"] is not None for row in rows)
    assert set(rows[1]) == set(rows[2])


def test_what_is_evaluated_is_what_is_served(trained: tuple[Path, str], monkeypatch: pytest.MonkeyPatch) -> None:
    home, modality = trained
    monkeypatch.chdir(home)
    with (home / "outputs/x/evaluate/predictions.csv").open() as table:
        rows = {row["sample_id"]: row for row in csv.DictReader(table) if row["split"] == "test"}
    files = sorted(home.glob("image[67].*"))
    answers = Predictor.load("outputs/x/train/model", reading=Reading(isolated=False)).predict(files)
    for file, answer in zip(files, answers, strict=True):
        row = rows[file.name[5]]
        assert float(row["volume_prediction"]) == pytest.approx(answer.values["volume_prediction"])
        assert answer.mask is not None
        shape = nibabel.load(file).shape[::-1] if modality == "volume" else answer.prepared.tensor.shape[1:]
        assert answer.mask.shape == shape
        written = home / "outputs/x/evaluate" / row["mask"]
        assert written.name.startswith(f"{row['sample_id']}.")
        array = io.read(written, labels=True, allow_constant=True).array
        np.testing.assert_array_equal(array.reshape(answer.mask.shape), answer.mask)
        truth = answer.mask.sum() * (4.5 if modality == "volume" else 1)
        assert truth == pytest.approx(answer.values["volume_prediction"])


def test_report_and_card_say_how_masks_are_postprocessed(trained: tuple[Path, str]) -> None:
    home, _ = trained
    section = json.loads((home / "outputs/x/evaluate/metrics.json").read_text())["postprocessing"]
    facts = json.loads((home / "outputs/x/train/model/model.json").read_text())
    assert section["largest_component"] == facts["fitted"]["largest_component"]
    for name in ("report.html", "model_card.md"):
        assert "connected component" in (home / "outputs/x/evaluate" / name).read_text(), name


def test_maps_are_made_of_whole_samples(trained: tuple[Path, str]) -> None:
    home, _ = trained
    saliency = json.loads((home / "outputs/x/evaluate/metrics.json").read_text())["saliency"]
    assert saliency["n_maps"] >= 1, saliency


def test_maps_of_larger_samples_are_made_window_by_window(
    trained: tuple[Path, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from scantune.config.evaluate import SaliencyConfig
    from scantune.pipeline.maps import request as maps

    home, _ = trained
    model = Predictor.load(home / "outputs/x/train/model", reading=Reading(isolated=False))
    (answer,) = model.predict([next(home.glob("image6.*"))])
    x = torch.from_numpy(as_float(answer.prepared.tensor))
    map_request = maps.MapRequest(model.networks, model.facts, model.task, SaliencyConfig(), "cpu")
    (_, (whole,)) = maps.maps_of(map_request, model.networks[0], x)
    monkeypatch.setattr(maps, "LARGEST", 10)
    (_, (windowed,)) = maps.maps_of(map_request, model.networks[0], x)
    assert windowed.map is not None
    assert windowed.map.shape == whole.map.shape == tuple(x.shape[1:])
    assert windowed.map.max() == pytest.approx(1)
    assert windowed.grid <= (16, 16), "cells of one window"


@pytest.mark.slow
@pytest.mark.parametrize("trained", ["image"], indirect=True)
def test_a_training_that_was_ended_goes_on_to_the_same_weights(
    trained: tuple[Path, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from scantune.engine import step

    home, modality = trained
    monkeypatch.chdir(home)
    monkeypatch.setenv("SCANTUNE_MLFLOW", "off")
    settings = params(modality, save_every_minutes=1e-6)
    _, whole = train(settings, tmp_path / "whole")
    real, done = step.train_step, 0

    def fails(*arguments: Any) -> Any:
        nonlocal done
        done += 1
        if done == 5:
            raise RuntimeError("the power went out")
        return real(*arguments)

    with monkeypatch.context() as broken:
        broken.setattr("scantune.engine.loop.train_step", fails)
        with pytest.raises(RuntimeError, match="power"):
            train(settings, tmp_path / "broken")
    _, resumed = train(settings, tmp_path / "broken")
    assert resumed.results[0].resumed
    np.testing.assert_array_equal(weights(resumed), weights(whole))


def test_a_patch_is_refused_where_none_can_be_drawn() -> None:
    settings = params("image")
    settings["inputs"]["bars"] = {"dataset": "bars", "modality": "video", "patch": [16, 16]}
    with pytest.raises(ScantuneError, match=r"'patch' is for images and volumes; of a video"):
        parse(settings)
    settings = params("image")
    settings["experiments"]["x"]["task"] = {"name": "classification", "target": "side"}
    settings["datasets"]["bars"]["targets"] = {"side": "side"}
    with pytest.raises(ScantuneError, match=r"inputs\.bars\.patch is for segmentation"):
        parse(settings)
    settings = params("image")
    settings["experiments"]["x"]["train"]["distance"] = True
    with pytest.raises(ScantuneError, match=r"train\.distance: needs whole samples"):
        parse(settings)
    del settings["experiments"]["x"]["train"]["distance"]
    del settings["inputs"]["bars"]["patch"]
    with pytest.raises(ScantuneError, match=r"train\.patches: inputs\.bars has no 'patch'"):
        parse(settings)
