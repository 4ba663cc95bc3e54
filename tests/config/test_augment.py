"""What may stand in an augmentation block, and what is said of what may not."""

from __future__ import annotations

import pytest

from scantune.config.augment import augment_config
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
    volume, video, image = (augment_config(m, None) for m in ("volume", "video", "image"))
    assert (volume.rotation, volume.translation, volume.flip_left_right) == ((-10, 10), (-0.1, 0.1), 0.5)
    assert (volume.noise, volume.contrast) == ((0.1, 0.1), (0.8, 1.2))
    assert (video.p, video.temporal_mask, video.noise, video.flip_left_right) == (0.5, 0.05, (0, 0.02), 0)
    assert (image.cutmix.alpha, image.cutmix.prob, image.mixup.alpha, image.mixup.prob) == (1.0, 0.5, 0.2, 0.5)
    assert (image.randaugment.num_ops, image.randaugment.magnitude, image.flip_left_right) == (2, 9, 0)
    assert not any(b.enabled for b in (image.cutmix, image.mixup, image.randaugment))


def test_false_switches_it_off() -> None:
    assert not augment_config("image", False).enabled
    assert augment_config("image", True).enabled


@pytest.mark.parametrize(
    "modality, written, words",
    [
        ("volume", {"rotation": [10, -10]}, r"augment.rotation: .*\[10, -10\] must rise"),
        ("volume", {"contrast": -3}, r"augment.contrast: .*within 0.05 … 20"),
        ("image", {"noise": [0.1]}, r"augment.noise: .*neither a number nor a pair"),
        ("image", {"noise": "strong"}, r"augment.noise: .*'strong'"),
        ("video", {"rotation": None}, r"augment.rotation: .*0 none"),
        ("video", {"p": 2}, r"augment.p: .*less than or equal to 1"),
        ("volume", {"temporal_mask": 0.1}, r"augment.temporal_mask: unknown key; a volume takes .*rotation"),
        ("image", {"randaugment": {"magnitude": 30}}, r"augment.randaugment.magnitude: .*10"),
    ],
)
def test_a_wrong_value_is_named_with_what_would_be_right(modality: str, written: dict, words: str) -> None:
    with pytest.raises(ScantuneError, match=words):
        augment_config(modality, written)


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
