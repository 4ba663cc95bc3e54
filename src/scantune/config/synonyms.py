"""What other systems call keys and values of ``params.yaml``: taken where the meaning is the same, else answered."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from pydantic import BeforeValidator, model_validator


def also(**names: str) -> Any:
    """A validator for a block: keys under other systems' names become its own.

    Args:
        names: the other name to the block's own, such as ``lr="learning_rate"``.

    Example:
        >>> class Example(Block):
        ...     learning_rate: float
        ...     _also = also(lr="learning_rate")
    """

    return model_validator(mode="before")(lambda cls, value: renamed(value, names))  # pydantic goes by the name ``cls``


def renamed(value: object, names: Mapping[str, str]) -> object:
    """A block with its own keys in place of other systems' ``names``; anything else as it came.

    Raises:
        ValueError: one setting under both names.
    """
    if not isinstance(value, Mapping) or not names.keys() & value.keys():
        return value
    for key in value:
        if key in names and names[key] in value:
            raise ValueError(f"{key} and {names[key]} are one setting; keep {names[key]}")
    return {names.get(key, key): entry for key, entry in value.items()}


def spelled(words: Mapping[str, str | None], key: str = "name", other: str = "type") -> BeforeValidator:
    """A validator of a name, alone or as ``key`` (or ``other``) of a block: other systems' words become ours.

    Case, ``_``, ``-`` and blanks do not matter.

    Args:
        words: other word, in lower-case letters and digits, to ours; None where ours is no value at all.
        key: of the block.
        other: what other systems call the key.
    """

    def taken(value: object) -> object:
        if isinstance(value, str):
            return words.get(_letters(value), value)
        if isinstance(value, Mapping):
            block = dict(value)
            if other in block and key not in block:
                block[key] = block.pop(other)
            if isinstance(block.get(key), str):
                block[key] = words.get(_letters(block[key]), block[key])
            return block if block.get(key, "") is not None else None
        return value

    return BeforeValidator(taken)


def _letters(word: str) -> str:
    return re.sub(r"[^a-z0-9]", "", word.lower())


TRAIN_KEYS = {
    "ema_decay": "ema",
    "swa_start": "swa",
    "auto_lr_find": "find_learning_rate",
    "lr": "learning_rate",
    "num_epochs": "epochs",
    "max_epochs": "epochs",
    "num_workers": "workers",
    "lr_scheduler": "scheduler",
    "criterion": "loss",
    "monitor_metric": "monitor",
    "gradient_accumulation_steps": "grad_accumulation_steps",
    "accumulate_grad_batches": "grad_accumulation_steps",
    "gradient_clip_val": "clip_norm",
    "max_grad_norm": "clip_norm",
    "num_augmentations": "test_time_augmentation",
    "tta": "test_time_augmentation",
    "augmentation": "augment",
    "random_seed": "seed",
}
MODEL_KEYS = {
    "architecture": "backbone",
    "model_name": "backbone",
    "name": "backbone",
    "pretrained_weights": "weights",
    "weights_path": "weights",
    "dropout_rate": "dropout",
}

OPTIMIZERS = {"adam": "adam", "adamw": "adamw", "sgd": "sgd"}

DEVICES = {"gpu": "cuda"}

PRECISIONS = {"32true": "32", "bf16mixed": "bf16", "16mixed": "fp16", "16": "fp16"}

SCHEDULERS: dict[str, str | None] = {
    "plateau": "plateau",
    "reducelronplateau": "plateau",
    "onecycle": "onecycle",
    "onecyclelr": "onecycle",
    "cosine": "cosine",
    "cosineannealing": "cosine",
    "cosineannealinglr": "cosine",
    "step": "step",
    "steplr": "step",
    "cosinerestarts": "cosine_restarts",
    "cosinewarmrestarts": "cosine_restarts",
    "cosinewithwarmrestarts": "cosine_restarts",
    "cosineannealingwarmrestarts": "cosine_restarts",
    "poly": "poly",
    "polynomial": "poly",
    "polynomiallr": "poly",
    "polylr": "poly",
    "none": None,
    "constant": None,
}

STRATEGIES = {
    **{f"{name}{end}": name for name in ("best", "epoch", "interval", "adaptive", "performance", "time")
       for end in ("", "based", "only")},
    "all": "all",
}  # fmt: skip

#: Metrics of the evaluation.
METRICS = {
    "rocauc": "auroc",
    "auc": "auroc",
    "aucroc": "auroc",
    "prauc": "auprc",
    "averageprecision": "auprc",
    "f1score": "f1",
    "balancedacc": "balanced_accuracy",
    "acc": "accuracy",
    "pearson": "pearson_r",
    "spearman": "spearman_rho",
    "kendall": "kendall_tau",
    "r2score": "r2",
    "meanabsoluteerror": "mae",
    "rootmeansquarederror": "rmse",
    "dicescore": "dice",
    "jaccard": "iou",
    "hausdorff95": "hd95",
    "quadraticweightedkappa": "kappa_quadratic",
    "qwk": "kappa_quadratic",
}


def metric_name(name: str) -> str:
    """Our name of a metric: ``roc_auc`` is ``auroc``, ``mae_ge15`` ``mae_from_15``; any other name as it is."""
    for pattern, ours in _RANGES:
        if re.fullmatch(pattern, name):
            return re.sub(pattern, ours, name)
    return METRICS.get(_letters(name), name)


_RANGES = (
    (r"mae_lt([\d.]+)", r"mae_below_\1"),
    (r"mae_([\d.]+)_([\d.]+)", r"mae_\1_to_\2"),
    (r"mae_ge([\d.]+)", r"mae_from_\1"),
)


_CLASSES = "not needed: the data, or task.classes, give the number of classes"

#: Keys that stand in another block here, by the class of the block in which they were written.
ELSEWHERE: dict[str, dict[str, str]] = {
    "TrainConfig": {
        **dict.fromkeys(
            ("freeze_ratio", "freeze_layers", "num_unfrozen_layers", "freeze_backbone", "unfreeze_epochs",
             "progressive_every", "head_epochs", "backbone_factor", "layer_decay", "low_learning_rate"),
            "train.freezing.{key}",
        ),
        **dict.fromkeys(("mixup", "cutmix", "randaugment", "rotation", "noise"), "train.augment.{key}"),
        **dict.fromkeys(("max_checkpoints", "save_optimizer", "save_scheduler"), "train.checkpoints.{key}"),
        **dict.fromkeys(("patience", "min_delta", "restore_best_weights"), "train.early_stopping.{key}"),
        **dict.fromkeys(
            ("T_max", "T_0", "T_mult", "eta_min", "max_lr", "pct_start", "factor"), "train.scheduler.{key}"
        ),
        **dict.fromkeys(("wandb", "tensorboard"), "train.loggers.{key}"),
        **dict.fromkeys(("gamma", "alpha", "delta", "dice_weight", "bce_weight", "smooth"), "train.loss.{key}"),
        **dict.fromkeys(("temperature",), "train.distillation.{key}"),
        "early_stopping_patience": "train.early_stopping.patience",
        "save_strategy": "train.checkpoints.strategy",
        "checkpoint_strategy": "train.checkpoints.strategy",
        "momentum": "train.optimizer.momentum",
        "weights": "model.weights",
        "pretrained": "model.pretrained",
        "backbone": "model.backbone",
        "unknown_weight": "task.unknown_weight",
        "target_layer": "evaluate.saliency.layer",
        "n_trials": "search.n_trials",
    },
    "ModelConfig": {
        "num_classes": _CLASSES,
        "in_channels": "inputs.<name>.channels",
        **dict.fromkeys(
            ("freeze_backbone", "freeze_layers", "freeze_ratio", "num_unfrozen_layers"), "train.freezing.{key}"
        ),
    },
    "ExperimentConfig": {
        "preset": "train.preset, which DVC watches",
        "data_dir": "datasets.<name>.root",
        "num_classes": _CLASSES,
        "training": "train",
        "evaluation": "evaluate",
    },
    "EvaluateConfig": {"target_layer": "evaluate.saliency.layer"},
    "DatasetConfig": {
        "train_fraction": "datasets.<name>.split.train_fraction",
        "num_classes": _CLASSES,
        "batch_size": "experiments.<name>.train.batch_size",
    },
}  # fmt: skip


def elsewhere(block: type, key: str) -> str:
    """What a user is told of another system's key that no key of this block replaces; "" for nothing."""
    for cls in block.__mro__:
        if key in ELSEWHERE.get(cls.__name__, {}):
            place = ELSEWHERE[cls.__name__][key].format(key=key)
            return place if place == _CLASSES else f"here it is {place}"
    return ""
