"""Names that users of other systems write are taken, or answered with ours."""

from __future__ import annotations

import copy

import pytest
import yaml

from scantune.config.load import ConfigError, parse

BASE = yaml.safe_load("""
datasets:
  d: {root: data/raw/d, watch: data/raw/d, table: t.csv, files: "{f}", targets: {y: y}, masks: ["{m}"]}
inputs: {d: {dataset: d, modality: image, shape: [32, 32]}}
experiments:
  x:
    dataset: d
    input: d
    task: {name: segmentation, classes: [background, vessel]}
    model: {backbone: unet}
    train: {}
    evaluate: {}
    register: {}
""")
CLASSES = {"task": {"name": "classification", "target": "y"}, "model": {"backbone": "small_cnn"}}


def block(path: str, value: object, **others: object):
    params = copy.deepcopy(BASE)
    settings = params["experiments"]["x"] | copy.deepcopy(others)
    params["experiments"]["x"] = settings
    *parents, last = path.split(".")
    for part in parents:
        settings = settings[part]
    settings[last] = value
    return parse(params).experiments["x"]


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("reduce_lr_on_plateau", "plateau"),
        ("ReduceLROnPlateau", "plateau"),
        ("OneCycleLR", "onecycle"),
        ("CosineAnnealingLR", "cosine"),
        ("cosine_annealing_warm_restarts", "cosine_restarts"),
        ("CosineAnnealingWarmRestarts", "cosine_restarts"),
        ("StepLR", "step"),
    ],
)
def test_schedulers(written, name):
    assert block("train.scheduler", written).train.scheduler.name == name
    assert block("train.scheduler", {"type": written}).train.scheduler.name == name


@pytest.mark.parametrize(
    ("written", "name"), [(32, "32"), ("32", "32"), ("32-true", "32"), ("bf16-mixed", "bf16"), (16, "fp16")]
)
def test_precisions(written, name):
    assert block("train.precision", written).train.precision == name


def test_the_precision_of_windows_is_a_number_in_yaml_too():
    from scantune.config.input import VolumeInput

    read = VolumeInput(dataset="d", modality="volume", patch=[8, 8, 8], window_precision=32)
    assert read.window_precision == "32"


def test_no_scheduler():
    assert block("train.scheduler", "none").train.scheduler is None


def test_scheduler_keys_stay():
    scheduler = block("train.scheduler", {"type": "reduce_lr_on_plateau", "factor": 0.2, "patience": 3}).train.scheduler
    assert (scheduler.factor, scheduler.patience) == (0.2, 3)


@pytest.mark.parametrize("name", ["performance", "time", "epoch", "interval", "adaptive"])
def test_checkpoint_strategies(name):
    assert block("train.checkpoints", f"{name}_based").train.checkpoints.strategy == name
    written = {"save_strategy": f"{name}_based", "monitor_metric": "val_dice", "max_checkpoints": 3, "mode": "max"}
    kept = block("train.checkpoints", written).train.checkpoints
    assert (kept.strategy, kept.monitor, kept.max_checkpoints) == (name, "val_dice", 3)


def test_losses():
    from scantune.losses.parts import parts_of

    for written in (
        "jaccard_based",
        "focal_segmentation",
        "balanced_segmentation",
        "dice_loss",
        "default_segmentation",
    ):
        block("train.loss", written)
    assert parts_of("jaccard_based", ("binary", "masks")) == parts_of("jaccard", ("binary", "masks"))
    combined = {"type": "combined", "dice_weight": 0.6, "focal_bce_weight": 0.4}
    combined |= {"dice_config": {"smooth": 1e-5, "squared_pred": True}, "focal_config": {"gamma": 1.5}}
    loss = block("train.loss", combined).train.loss
    parts, _ = parts_of({"name": loss.name, **loss.options()}, ("binary", "masks"))
    assert parts["dice"] == {"weight": 0.6, "smooth": 1e-5, "squared_pred": True}
    assert parts["focal_bce"] == {"weight": 0.4, "gamma": 1.5}


def test_an_option_of_a_part_is_checked():
    combined = {"type": "combined", "dice_weight": 0.7, "bce_weight": 0.3, "dice_config": {"smoth": 1}}
    with pytest.raises(ConfigError, match=r"loss 'dice' has no option 'smoth'.*did you mean 'smooth'"):
        block("train.loss", combined)


def test_loggers():
    written = {"wandb": {"enabled": True, "project": "echo"}, "tensorboard": {"enabled": True}}
    loggers = block("train.loggers", written).train.loggers
    assert loggers.wandb.project == "echo"
    assert loggers.tensorboard
    assert block("train.loggers", {"wandb": {"enabled": False}}).train.loggers.wandb is None
    assert block("train.loggers", {"wandb": True}).train.loggers.wandb.mode == "offline"


@pytest.mark.parametrize(
    ("written", "own", "value"),
    [
        ("lr", "learning_rate", 0.1),
        ("num_epochs", "epochs", 3),
        ("num_workers", "workers", 4),
        ("gradient_accumulation_steps", "grad_accumulation_steps", 4),
        ("monitor_metric", "monitor", "val_dice"),
        ("num_augmentations", "test_time_augmentation", 5),
        ("random_seed", "seed", 1),
    ],
)
def test_keys_of_train(written, own, value):
    assert getattr(block(f"train.{written}", value).train, own) == value


def test_one_setting_under_two_names_is_refused():
    with pytest.raises(ConfigError, match="lr and learning_rate are one setting; keep learning_rate"):
        block("train", {"lr": 0.1, "learning_rate": 0.2})


@pytest.mark.parametrize(
    ("path", "place"),
    [
        ("train.num_unfrozen_layers", "train.freezing.num_unfrozen_layers"),
        ("train.patience", "train.early_stopping.patience"),
        ("train.save_strategy", "train.checkpoints.strategy"),
        ("train.mixup", "train.augment.mixup"),
        ("train.wandb", "train.loggers.wandb"),
        ("model.freeze_backbone", "train.freezing.freeze_backbone"),
        ("data_dir", "datasets.<name>.root"),
    ],
)
def test_keys_of_other_blocks_are_answered(path, place):
    with pytest.raises(ConfigError) as caught:
        block(path, 1)
    assert f"experiments.x.{path}: unknown key; here it is {place}" in str(caught.value)


def test_metrics():
    assert block("evaluate.primary", "roc_auc", **CLASSES).evaluate.primary == "auroc"
    with pytest.raises(ConfigError, match="'val_roc_auc' is 'auroc' here"):
        block("train.monitor", "val_roc_auc", **CLASSES)


@pytest.mark.parametrize("name", ["CheXNet", "RadDINO", "Custom_1", "ResNet50"])
def test_backbones(name):
    assert block("model.backbone", name, task=CLASSES["task"]).model.backbone == name.lower()


def test_ranges_of_an_error_under_their_former_names_are_answered():
    task = {"name": "regression", "target": "y", "range": [0, 34], "score_ranges": [5, 15]}
    with pytest.raises(ConfigError, match="'val_mae_ge15' is 'mae_from_15' here"):
        block("train.monitor", "val_mae_ge15", task=task, model=CLASSES["model"])
    assert block("train.monitor", "val_mae_from_15", task=task, model=CLASSES["model"])
