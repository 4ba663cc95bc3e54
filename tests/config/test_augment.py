"""What may stand in an augmentation block, and what is said of what may not."""

from __future__ import annotations

import pytest
import torch

from scantune.augment import build
from scantune.config.augment import DEFAULT_SETS, augment_config, written
from scantune.config.load import parse
from scantune.config.presets import completed, completed_model
from scantune.config.train import TrainConfig
from scantune.records import ScantuneError


@pytest.mark.parametrize(
    "key, written, read",
    [
        ("rotation", 10, (-10, 10)),
        ("rotation", [-5, 15], (-5, 15)),
        ("translation", 0.1, (-0.1, 0.1)),
        ("contrast", 0.2, (0.8, 1.2)),
        ("contrast", [0.5, 0.7], (0.5, 0.7)),
        ("noise", 0.1, (0.1, 0.1)),
        ("noise", [0, 0.1], (0, 0.1)),
        ("zoom", 0, (1, 1)),
    ],
)
def test_a_number_is_widened_to_the_range_it_means(key: str, written: object, read: tuple[float, float]) -> None:
    assert getattr(augment_config("volume", {key: written}), key) == pytest.approx(read)


@pytest.mark.parametrize(
    ("written", "on"),
    [({"alpha": 0.4}, True), (True, True), ({"enabled": False, "alpha": 0.4}, False), ({}, False), (False, False)],
)
def test_mixing_that_says_anything_is_on(written: object, on: bool) -> None:
    assert augment_config("image", {"mixup": written}).mixup.enabled is on


def test_temporal_crop_is_a_share_of_the_frames() -> None:
    assert augment_config("video", {"temporal_crop": 0.8}).temporal_crop == (0.8, 1.0)


def test_defaults_per_modality() -> None:
    volume, video, image = (augment_config(m, {"default": True}) for m in ("volume", "video", "image"))
    assert (volume.rotation, volume.translation, volume.flip_left_right) == ((-10, 10), (-0.1, 0.1), 0.5)
    assert (volume.noise, volume.contrast) == ((0.1, 0.1), (0.8, 1.2))
    assert (video.p, video.temporal_mask, video.noise, video.flip_left_right) == (0.5, 0.05, (0, 0.02), 0)
    assert (image.cutmix.alpha, image.cutmix.prob, image.mixup.alpha, image.mixup.prob) == (1.0, 0.5, 0.2, 0.5)
    assert (image.randaugment.num_ops, image.randaugment.magnitude, image.flip_left_right) == (2, 9, 0)
    assert not any(b.enabled for b in (image.cutmix, image.mixup, image.randaugment))


@pytest.mark.parametrize("modality", ["image", "volume", "video"])
def test_the_default_set_is_that_of_the_builder(modality: str) -> None:
    assert build(modality, augment_config(modality, {"default": True})) == build(modality)
    assert build(modality, DEFAULT_SETS[modality]) == build(modality)


@pytest.mark.parametrize("modality", ["image", "volume", "video"])
@pytest.mark.parametrize(("key", "value"), [("rotation", [-3, 3]), ("contrast", [0.5, 2]), ("flip_left_right", 0.3)])
def test_a_key_switches_on_itself_and_nothing_else(modality: str, key: str, value: object) -> None:
    nothing, one = augment_config(modality, {}), augment_config(modality, {key: value})
    assert {name for name in type(one).model_fields if getattr(one, name) != getattr(nothing, name)} == {key}
    assert build(modality, {key: value}) == build(modality, one)
    generator = torch.Generator().manual_seed(0)
    sample = torch.rand(1, *(8,) * (2 if modality == "image" else 3))
    assert build(modality, nothing)(sample, None, generator).input.equal(sample)


def test_the_default_set_with_a_change() -> None:
    changed = augment_config("image", {"default": True, "rotation": 20})
    assert changed.rotation == (-20, 20)
    assert changed.contrast == augment_config("image", {"default": True}).contrast == (0.9, 1.1)


@pytest.mark.parametrize(("value", "block"), [("default", {"default": True}), (False, {}), (None, {}), ("none", {})])
def test_words_for_a_block(value: object, block: dict) -> None:
    assert written(value) == block


@pytest.mark.parametrize(
    "modality, block, words",
    [
        ("volume", {"rotation": [10, -10]}, r"augment.rotation: .*\[10, -10\] must rise"),
        ("volume", {"contrast": -3}, r"augment.contrast: .*within 0.05 … 20"),
        ("image", {"noise": [0.1]}, r"augment.noise: .*neither a number nor a pair"),
        ("image", {"noise": "strong"}, r"augment.noise: .*'strong'"),
        ("video", {"rotation": None}, r"augment.rotation: .*0 none"),
        ("video", {"p": 2}, r"augment.p: .*less than or equal to 1"),
        ("volume", {"temporal_mask": 0.1}, r"augment.temporal_mask: unknown key; the modality volume takes .*rotation"),
        ("image", {"randaugment": {"magnitude": 30}}, r"augment.randaugment.magnitude: .*10"),
    ],
)
def test_a_wrong_value_is_named_with_what_would_be_right(modality: str, block: dict, words: str) -> None:
    with pytest.raises(ScantuneError, match=words):
        augment_config(modality, block)


def test_all_faults_at_once() -> None:
    with pytest.raises(ScantuneError) as caught:
        augment_config("image", {"rotation": "a", "p": 7, "sharpen": 1})
    assert len(str(caught.value).splitlines()) == 3


@pytest.mark.parametrize("modality", ["image", "volume", "video"])
def test_mixup_and_cutmix_together_are_refused(modality: str) -> None:
    both = {"mixup": {"enabled": True}, "cutmix": {"enabled": True}}
    with pytest.raises(ScantuneError, match="one way only"):
        augment_config(modality, both)
    never = {"mixup": {"enabled": True, "prob": 0.0}, "cutmix": {"enabled": True}}
    assert augment_config(modality, never).cutmix.enabled


@pytest.mark.parametrize(
    ("settings", "input_keys", "fault"),
    [
        ({"hue": 10}, {"channels": 1}, "hue: inputs.digits is grey; set channels: 3 there"),
        ({"stain": 0.2}, {"channels": 3, "intensity": "zscore"}, "stain: needs values of 0 … 1"),
        ({"stain": 0.2, "saturation": 0.3}, {"channels": 3}, None),
    ],
)
def test_colour_is_refused_where_there_is_none(settings: dict, input_keys: dict, fault: str | None) -> None:
    params = {
        "datasets": {"digits": {"root": "a", "table": "t.csv", "files": "{f}", "targets": {"label": "label"}}},
        "inputs": {"digits": {"dataset": "digits", "modality": "image", **input_keys}},
        "experiments": {
            "digits": {
                "dataset": "digits",
                "input": "digits",
                "task": {"name": "classification", "target": "label"},
                "model": {"backbone": "small_cnn"},
                "train": {"augment": settings},
                "evaluate": {},
                "register": {},
            }
        },
    }
    if fault is None:
        parse(params)
        return
    with pytest.raises(ScantuneError, match=fault):
        parse(params)


@pytest.mark.parametrize("preset", ["radiograph", "microscopy", "ultrasound"])
def test_presets_of_a_modality_start_from_imagenet_weights(preset: str) -> None:
    train = completed({"preset": preset, "epochs": 3})
    assert completed_model(train, {}) == {"backbone": "tf_efficientnet_lite0", "weights": "imagenet"}
    block = TrainConfig.model_validate(train)
    assert (block.epochs, block.learning_rate, block.scheduler.name) == (3, 5e-4, "onecycle")
    modality = "video" if preset == "ultrasound" else "image"
    assert augment_config(modality, block.augment).rotation[1] >= 10
