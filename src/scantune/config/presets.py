"""``train.preset``: defaults of a modality or of a system, in one line; a key that is written replaces its value.

Those of a modality fine-tune all layers of a small network from ImageNet weights, at one rate that rises and falls, and
keep the average of the weights over the last steps.
``benchmarks/defaults.py`` compares them with what they differ in; docs/real_images.md has the results.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from scantune.config.synonyms import MODEL_KEYS, TRAIN_KEYS

_WEIGHTS = {"backbone": "tf_efficientnet_lite0", "weights": "imagenet"}
#: From published weights, of any modality.
TUNING: dict[str, Any] = {
    "batch_size": 16,
    "learning_rate": 5e-4,
    "scheduler": "onecycle",
    "ema": 0.99,
    "channels_last": True,
}
_MILD: dict[str, Any] = {"rotation": 10, "translation": 0.08, "zoom": 0.12, "brightness": 0.15, "contrast": 0.15}

#: Preset → ``model:`` and ``train:`` as they would be written. The loss that is not stated is the task's own.
PRESETS: dict[str, dict[str, dict[str, Any]]] = {
    # Changed copies in predictions lower the validation loss of films; of cells and of loops they do not.
    "radiograph": {
        "model": _WEIGHTS,
        "train": {
            **TUNING,
            "epochs": 10,
            "augment": {**_MILD, "flip_left_right": 0.5},
            "test_time_augmentation": 5,
        },
    },
    # Cells lie in any direction; stronger changes of colour and size lost more at home than they won elsewhere.
    "microscopy": {
        "model": _WEIGHTS,
        "train": {
            **TUNING,
            "epochs": 20,
            "augment": {
                **_MILD,
                "fill": "mirror",
                "rotation": 180,
                "flip_left_right": 0.5,
                "flip_up_down": 0.5,
                "saturation": 0.3,
                "stain": 0.1,
            },
        },
    },
    "ultrasound": {
        "model": _WEIGHTS,
        "train": {**TUNING, "batch_size": 8, "epochs": 10, "augment": {**_MILD, "flip_left_right": 0.5}},
    },
    "loes": {
        "model": {"backbone": "resnet50_3d", "pretrained": True},
        "train": {
            "epochs": 50,
            "learning_rate": 1e-4,
            "optimizer": "adam",
            "scheduler": "plateau",
            "loss": "mse",
            "freezing": "gradual",
            "augment": "default",
            "monitoring": {"bins": 35, "range": [0, 34]},
        },
    },
    "image_classification": {
        "model": {"backbone": "resnet50", "pretrained": True},
        "train": {
            "epochs": 100,
            "grad_accumulation_steps": 4,
            "scheduler": {"name": "cosine", "T_max": 100, "eta_min": 1e-6},
            "warmup_epochs": 5,
            "warmup_lr": 1e-5,
            "augment": {
                "cutmix": {"enabled": True, "alpha": 1.0, "prob": 0.5},
                "randaugment": {"enabled": True, "num_ops": 2, "magnitude": 9},
            },
        },
    },
    "echo_quality": {
        "model": {"backbone": "r2plus1d_18", "pretrained": True},
        "train": {
            "epochs": 20,
            "batch_size": 8,
            "learning_rate": 1e-4,
            "weight_decay": 1e-5,
            "optimizer": "adam",
            "scheduler": "plateau",
            "freezing": {"num_unfrozen_layers": 2},
            "augment": "default",
        },
    },
    "coronary": {
        "model": {"backbone": "unet"},
        "train": {
            "loss": "default",
            "monitor": "val_dice",
            "mode": "max",
            "checkpoints": {
                "strategy": "best",
                "max_checkpoints": 5,
                "save_optimizer": True,
                "save_scheduler": True,
            },
        },
    },
    "csi": {
        "model": {"backbone": "resnet50", "pretrained": True},
        "train": {
            "epochs": 100,
            "batch_size": 32,
            "learning_rate": 1e-3,
            "weight_decay": 1e-4,
            "optimizer": "adam",
            "scheduler": {"name": "plateau", "factor": 0.5},
            "early_stopping": {"patience": 10, "min_delta": 0.001, "restore_best_weights": True},
            "workers": 4,
            "pin_memory": True,
        },
    },
}


def completed(train: object, names: Mapping[str, str] = TRAIN_KEYS) -> object:
    """A ``train:`` block with what its ``preset`` adds to it.

    Args:
        train: as written; anything but a block with a known preset is returned as it came.
        names: other names of its keys.
    """
    preset = preset_of(train)
    return _beneath(PRESETS[preset]["train"], train, names) if preset else train


def completed_model(train: object, model: object) -> object:
    """A ``model:`` block with what the preset of its ``train:`` block adds to it."""
    preset = preset_of(train)
    if not preset or not isinstance(model, Mapping | None):
        return model
    written = model or {}
    added = PRESETS[preset]["model"]
    if "weights" in {MODEL_KEYS.get(key, key) for key in written}:
        added = {key: value for key, value in added.items() if key != "pretrained"}
    return _beneath(added, written, MODEL_KEYS)


def preset_of(train: object) -> str:
    """The preset that a ``train:`` block names; "" where it names none that is known."""
    named = train.get("preset") if isinstance(train, Mapping) else None
    return named if isinstance(named, str) and named in PRESETS else ""


def _beneath(added: Mapping[str, Any], written: Any, names: Mapping[str, str]) -> dict[str, Any]:
    written_keys = {names.get(key, key) for key in written}
    return {**{key: value for key, value in added.items() if key not in written_keys}, **written}
