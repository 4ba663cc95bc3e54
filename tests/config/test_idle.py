"""Keys without effect beside others, or against them, are refused when params.yaml is read, with what to do."""

from __future__ import annotations

import copy
import re
from typing import Any

import pytest

from scantune.config.augment import BY_MODALITY, augment_config, changes_samples
from scantune.config.load import ConfigError, parse
from scantune.config.names import loss_spec
from tests.config.test_load import GOOD

TASKS: dict[str, dict[str, Any]] = {
    "two": {"name": "classification", "target": "grade", "classes": ["a", "b"]},
    "three": {"name": "classification", "target": "grade", "classes": ["a", "b", "c"]},
    "regression": {"name": "regression", "target": "grade"},
    "targets": {"name": "regression", "targets": ["grade", "time"]},
    "zones": {"name": "zones", "zones": ["grade"], "grades": 3},
    "sides": {"name": "zones", "zones": ["right_lung", "left_lung"], "grades": 3},
    "findings": {"name": "multilabel", "findings": ["grade"]},
    "listed": {"name": "multilabel", "target": "grade"},
    "survival": {"name": "survival", "time": "time", "event": "event"},
    "masks": {"name": "segmentation", "classes": ["background", "bone"]},
}
WEIGHTED = {"name": "weighted_cross_entropy", "class_weights": "balanced", "unknown_weight": 0.1}
PARTS = {"name": "combined", "parts": {"weighted_cross_entropy": 0.7, "focal": 0.3}}
FULL = {"name": "combined", "parts": {"weighted_cross_entropy": 0.7, "focal_cross_entropy": 0.3}}
FOCAL = {"name": "combined", "focal_cross_entropy_weight": 1}


def knees(kind: str, changes: dict[str, Any]) -> dict[str, Any]:
    """Settings of an experiment; ``changes`` are those of its blocks ``task`` and ``train``."""
    params: dict[str, Any] = copy.deepcopy(GOOD)
    names = ("grade", "time", "event", "right_lung", "left_lung")
    dataset = params["datasets"]["knees"]
    dataset |= {"targets": {name: name for name in names}, "groups": ["scanner", "site"], "masks": "{id}_mask.png"}
    block = params["experiments"]["knees"]
    block["task"] = {**TASKS[kind], **changes.get("task", {})}
    block["train"] = {"epochs": 2, **changes.get("train", {})}
    if kind == "masks":
        block["model"] = {"backbone": "unet"}
    for name in ("model", "evaluate"):
        block[name] = {**block[name], **changes.get(name, {})}
    params["inputs"]["knees"] |= changes.get("input", {})
    dataset |= changes.get("dataset", {})
    return params


MIXUP = {"mixup": True}
COPIES = "experiments.knees.train.test_time_augmentation: 3 copies, but train.augment"
REFUSED: list[tuple[str, dict[str, Any], str]] = [
    ("two", {"train": {"augment": MIXUP, "batch_size": 1}}, "augment.mixup: mixes the samples of a batch"),
    ("masks", {"train": {"augment": MIXUP, "batch_size": 1}}, "augment.mixup: mixes the samples"),
    ("two", {"train": {"scanner_consistency": {}, "batch_size": 1}}, "scanner_consistency: compares the scanners"),
    ("two", {"train": {"scanner_consistency": {}, "augment": MIXUP}}, "of no one scanner; remove train.augment.mixup"),
    ("two", {"train": {"test_time_augmentation": 3, "augment": MIXUP}}, COPIES),
    ("regression", {"train": {"test_time_augmentation": 3, "augment": {"enabled": False, "rotation": 5}}}, COPIES),
    ("survival", {"train": {"test_time_augmentation": 3, "augment": {"p": 0, "rotation": 5}}}, COPIES),
    ("sides", {"train": {"test_time_augmentation": 3, "augment": {"flip_left_right": 0.5}}}, "swap left and right"),
    ("two", {"train": {"augment": {"p": 1}}}, "augment.p: has no effect, because no transform is switched on"),
    ("two", {"train": {"augment": {"fill": "mirror"}}}, "augment.fill: has no effect"),
    ("three", {"task": {"positive": "a"}}, "task.positive: has no effect: it is of two classes, and there are 3"),
    ("three", {"task": {"sensitivities": [0.8]}}, "task.sensitivities: has no effect"),
    ("zones", {"task": {"unknown_weight": 0.1}, "train": {"loss": "cross_entropy"}}, "not of cross_entropy; remove"),
    ("zones", {"task": {"unknown_weight": 0.1}, "train": {"class_weights": "balanced"}}, "with class_weights; remove"),
    ("zones", {"task": {"unknown_weight": 0.1}, "train": {"class_weights": "balanced", "loss": FULL}}, "remove it"),
    ("zones", {"task": {"unknown_weight": 0.1}, "train": {"loss": FOCAL}}, "of the loss weighted_cross_entropy"),
    ("zones", {"task": {"unknown_weight": 0.1}, "train": {"loss": "focal"}}, "not of focal; remove"),
    ("survival", {"task": {"cuts": [1, 3, 5]}}, "task.cuts: has no effect: they are of the loss discrete_hazard"),
    ("findings", {"task": {"separator": ";"}}, "task.separator: has no effect"),
    ("findings", {"task": {"ignored": ["x"]}}, "task.ignored: has no effect"),
    ("listed", {"task": {"uncertain": "present"}}, "task.uncertain: has no effect"),
    ("two", {"train": {"monitoring": {"error_ranges": [5]}}}, "error_ranges: absolute errors are of a regression"),
    ("targets", {"train": {"monitoring": {"error_ranges": [5]}}}, "error_ranges: absolute errors are of a regression"),
    ("three", {"train": {"monitoring": {"bins": 20}}}, "monitoring.bins: histograms are of a regression of one target"),
    ("masks", {"train": {"monitoring": {"range": [0, 1]}}}, "monitoring.range: histograms are of a regression"),
    ("regression", {"train": {"monitoring": {"pictures": 4}}}, "monitoring.pictures: has no effect: TensorBoard and"),
    (
        "masks",
        {"task": {"largest_component": False}, "train": {"calibration_fraction": 0.3}},
        "calibration_fraction: nothing is fitted",
    ),
    (
        "survival",
        {"train": {"loss": "discrete_hazard", "calibration_fraction": 0.3}},
        "calibration_fraction: nothing is fitted",
    ),
    (
        "findings",
        {"task": {"threshold": "half"}, "train": {"calibration": "none", "calibration_fraction": 0.3}},
        "calibration_fraction: nothing is fitted",
    ),
    (
        "two",
        {"train": {"loss": {"name": "cross_entropy", "class_weights": [1, 2]}, "class_weights": [3, 4]}},
        "train.class_weights: [3.0, 4.0], but experiments.knees.train.loss.class_weights is [1, 2]; keep one",
    ),
    (
        "two",
        {"train": {"loss": {"name": "cross_entropy", "label_smoothing": 0.1}, "label_smoothing": 0.2}},
        "train.label_smoothing: 0.2, but experiments.knees.train.loss.label_smoothing is 0.1",
    ),
    *(
        ("two", {"dataset": {"masks": []}, "input": {key: value}}, f"inputs.knees.{key}: has no effect: datasets.knees")
        for key, value in {
            "mask_labels": [1],
            "mask_values": {255: 1},
            "mask_overlap": True,
            "mask_threshold": 0.5,
            "mask_instances": True,
            "mask_grid": "stored",
            "empty_mask": "exclude",
        }.items()
    ),
    *(
        (task, {"model": {"init_output": False}}, "model.init_output: has no effect: the output layer of a")
        for task in ("two", "three", "zones", "survival", "masks")
    ),
    ("two", {"train": {"augment": {"p": 1, "randaugment": True}}}, "augment.p: has no effect, because it is not of"),
    ("two", {"train": {"augment": {"p": 1, "mixup": True}}}, "augment.p: has no effect, because no transform"),
    ("two", {"train": {"augment": {"fill": "mirror", "noise": 0.3}}}, "augment.fill: has no effect, because it is not"),
    ("two", {"train": {"augment": {"p": 0, "rotation": 5, "gamma": 0.3}}}, "so that rotation, gamma never happens"),
    ("two", {"train": {"augment": {"p": 0, "default": True}}}, "augment.p: 0, so that rotation, translation"),
    ("two", {"train": {"augment": {"mixup": {"prob": 0}}}}, "augment.mixup.prob: 0, so that no batch is mixed"),
    ("two", {"evaluate": {"saliency": {"animation": "mp4"}}}, "saliency.animation: has no effect: it is of loops"),
    ("two", {"evaluate": {"age_bands": [30, 60]}}, "evaluate.age_bands: has no effect: the groups"),
    ("two", {"train": {"mode": "max"}}, "'val_loss' is better when lower, and mode is max"),
    ("two", {"train": {"monitor": "val_auroc", "mode": "min"}}, "'val_auroc' is better when higher, and mode is min"),
    ("two", {"train": {"early_stopping": {"mode": "max"}}}, "train.early_stopping.monitor: 'val_loss' is better when"),
    (
        "masks",
        {"train": {"checkpoints": {"monitor": "val_dice_loss", "mode": "max"}}},
        "checkpoints.monitor: 'val_dice_loss' is better when lower",
    ),
]


@pytest.mark.parametrize(("task", "changes", "why"), REFUSED, ids=[f"{task}: {why[:40]}" for task, _, why in REFUSED])
def test_what_has_no_effect_is_refused_by_key_with_what_to_do(task: str, changes: dict[str, Any], why: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(why)):
        parse(knees(task, changes))


@pytest.mark.parametrize(
    ("task", "changes"),
    [
        *((task, {}) for task in TASKS),
        *((task, {"train": {"augment": MIXUP, "batch_size": 2}}) for task in TASKS),
        *((task, {"train": {"test_time_augmentation": 3}}) for task in TASKS),
        ("two", {"train": {"test_time_augmentation": 3, "augment": MIXUP | {"noise": 0.1}}}),
        ("two", {"train": {"test_time_augmentation": 3, "augment": {"gamma": 0.1}}}),
        ("masks", {"train": {"test_time_augmentation": 3, "augment": {"enabled": False}}}),
        ("two", {"train": {"augment": {"enabled": False}, "batch_size": 1}}),
        ("two", {"train": {"augment": MIXUP | {"enabled": False}, "batch_size": 1, "partners": {}}}),
        ("two", {"train": {"augment": {"p": 1, "default": True}}}),
        ("two", {"task": {"positive": "a", "sensitivities": [0.8], "specificities": []}}),
        ("zones", {"task": {"unknown_weight": 0.1}}),
        ("zones", {"task": {"unknown_weight": 0.1}, "train": {"loss": PARTS}}),
        ("zones", {"train": {"class_weights": "balanced"}}),
        ("zones", {"train": {"loss": WEIGHTED}}),
        ("survival", {"task": {"cuts": [1, 3, 5]}, "train": {"loss": "discrete_hazard"}}),
        ("survival", {"train": {"calibration": "none", "calibration_fraction": 0.3}}),
        ("masks", {"train": {"calibration_fraction": 0.3}}),
        ("regression", {"train": {"monitoring": {"error_ranges": [5]}, "calibration_fraction": 0.3}}),
        ("regression", {"train": {"monitoring": {"bins": 20, "range": [0, 34]}}}),
        ("masks", {"train": {"monitoring": {"pictures": 0}}}),
        ("listed", {"task": {"separator": ";", "ignored": ["x"], "blank": "absent"}}),
        ("findings", {"task": {"uncertain": "present"}}),
        ("two", {"train": {"loss": {"name": "cross_entropy", "class_weights": [1, 2]}, "class_weights": [1, 2]}}),
        ("masks", {"input": {"mask_values": {255: 1}, "empty_mask": "exclude"}}),
        ("two", {"input": {"mask_values": {255: 1}}}),
        ("two", {"model": {"min_matched": 0.9, "download": True}}),  # of an experiment without its starting weights
        *((task, {"model": {"init_output": False}}) for task in ("regression", "targets", "findings", "listed")),
        ("survival", {"model": {"init_output": False}, "train": {"loss": "discrete_hazard"}}),
        *(("two", {"train": {"augment": {"p": 1, name: 0.3}}}) for name in ("rotation", "noise", "gamma")),
        ("two", {"train": {"augment": {"p": 0, "default": True, "enabled": False}}}),
        *(("two", {"train": {"augment": {"fill": "mirror", name: 0.3}}}) for name in ("rotation", "elastic", "zoom")),
        ("two", {"train": {"augment": {"fill": "mirror", "randaugment": True}}}),
        ("two", {"evaluate": {"saliency": {"enabled": False, "animation": "mp4"}}}),
        ("two", {"evaluate": {"age_bands": [30, 60]}, "dataset": {"groups": ["scanner", "Patient_Age"]}}),
        ("two", {"train": {"mode": "min"}}),
        ("two", {"train": {"monitor": "val_auroc", "mode": "max", "early_stopping": {"mode": "max"}}}),
    ],
)
def test_what_has_an_effect_and_what_is_written_as_it_is_by_default_is_read(task: str, changes: dict[str, Any]) -> None:
    parse(knees(task, changes))


@pytest.mark.parametrize("modality", BY_MODALITY)
def test_every_transform_changes_samples_and_nothing_else_does(modality: str) -> None:
    still = {"modality", "enabled", "p", "fill", "mixup", "cutmix"}
    strong: dict[str, Any] = {"low_resolution": 0.5, "temporal_crop": 0.5, "randaugment": {"num_ops": 3}}
    assert not changes_samples(augment_config(modality, {}))
    for name in BY_MODALITY[modality].model_fields.keys() - still:
        config = augment_config(modality, {name: strong.get(name, 0.2)})
        assert changes_samples(config), name
        assert changes_samples(config, mirrored=False) != name.startswith("flip"), name
        assert not changes_samples(augment_config(modality, {name: strong.get(name, 0.2), "enabled": False}))
    for mixed in ("mixup", "cutmix"):
        assert not changes_samples(augment_config(modality, {mixed: True}))


def test_a_network_of_two_axes_is_refused_on_volumes_before_anything_is_prepared() -> None:
    params = knees("masks", {"model": {"backbone": "timm_unet", "options": {"encoder": "resnet18"}}})
    parse(params)
    params["inputs"]["knees"] = {"dataset": "knees", "modality": "volume", "shape": [8, 8, 8]}
    with pytest.raises(
        ConfigError, match=r"model\.backbone: timm_unet is for images, and inputs\.knees is of volumes; use"
    ):
        parse(params)
    params["experiments"]["knees"]["model"] = {"backbone": "unet"}
    parse(params)


@pytest.mark.parametrize(
    ("means", "channels", "weights", "right"),
    [(1, 1, None, True), (1, 3, None, True), (3, 3, None, True), (3, 1, None, False), (2, 3, None, False)]
    + [(3, 1, "imagenet", True), (2, 1, "imagenet", False)],
)
def test_a_normalization_has_one_number_or_one_a_channel(means: int, channels: int, weights: Any, right: bool) -> None:
    numbers = {"mean": [0.4] * means, "std": [0.2] * means}
    params = knees("two", {"model": {"normalization": numbers, "weights": weights}, "input": {"channels": channels}})
    if right:
        parse(params)
        return
    with pytest.raises(ConfigError, match=f"normalization: mean and std have {means} numbers each, and inputs.knees"):
        parse(params)


def test_keys_of_masks_of_an_external_validation_are_those_of_its_models_input() -> None:
    params = knees("two", {"input": {"mask_values": {255: 1}}})
    params["datasets"]["far"] = {k: v for k, v in params["datasets"]["knees"].items() if k != "masks"}
    params["inputs"]["far"] = params["inputs"]["knees"] | {"dataset": "far"}
    with pytest.raises(ConfigError, match=r"inputs\.far\.mask_values: has no effect"):
        parse(params)
    params["external"] = {"away": {"experiment": "knees", "dataset": "far", "input": "far"}}
    parse(params)
    del params["external"]
    params["experiments"]["twin"] = params["experiments"]["knees"]
    joined = {"dataset": "knees", "input": "knees", "members": ["knees", "twin"], "evaluate": {}, "register": {}}
    params["ensembles"] = {"both": joined}
    params["ensemble_members"] = {one: {"ensemble": "both", "member": one} for one in ("knees", "twin")}
    params["external_ensembles"] = {"away": {"ensemble": "both", "dataset": "far", "input": "far"}}
    parse(params)


@pytest.mark.parametrize("key", [{"interpolation": "nearest"}, {"antialias": False}])
def test_how_volumes_are_resampled_is_of_those_that_are(key: dict[str, Any]) -> None:
    params = knees("two", {"model": {"backbone": "small_cnn"}})
    volume = {"dataset": "knees", "modality": "volume", "shape": [8, 8, 8], **key}
    params["inputs"]["knees"] = volume
    with pytest.raises(ConfigError, match=rf"inputs\.knees\.{next(iter(key))}: has no effect without spacing"):
        parse(params)
    params["inputs"]["knees"] = volume | {"spacing": [1, 1, 1]}
    parse(params)
    params["inputs"]["knees"] = volume
    params["datasets"]["knees"]["files"] = ["{id}_t1.nii.gz", "{id}_t2.nii.gz"]
    parse(params)


def test_bins_are_of_a_split_that_is_balanced_by_a_number() -> None:
    split = {"method": "stratified", "on": "grade", "bins": 3}
    parse(knees("two", {"dataset": {"split": split}}))
    with pytest.raises(ConfigError, match=r"datasets\.knees\.split\.bins: has no effect: nothing is balanced"):
        parse(knees("two", {"dataset": {"split": {"method": "random", "bins": 3}}}))


def test_the_part_of_a_combined_loss_has_the_weights_that_the_task_gives_it():
    block = parse(knees("zones", {"task": {"unknown_weight": 0.1}, "train": {"loss": PARTS}})).experiments["knees"]
    spec = loss_spec(block.task, block.train)
    assert spec["parts"]["weighted_cross_entropy"] == {"weight": 0.7, "class_weights": [1.0, 1.0, 1.0, 0.1]}
    assert "class_weights" not in spec["parts"]["focal_cross_entropy"]
    stated = {**PARTS, "weighted_cross_entropy_config": {"class_weights": "balanced"}}
    block = parse(knees("zones", {"train": {"loss": stated}})).experiments["knees"]
    assert loss_spec(block.task, block.train) == stated
