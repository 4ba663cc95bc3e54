from __future__ import annotations

import pytest
from pydantic import ValidationError

from scantune.config.train import TrainConfig
from scantune.config.training_notes import notes_of
from scantune.engine.schedule_settings import OneCycleSchedule
from scantune.engine.settings import TrainingSettings


def test_shorthand_and_full_form_are_one() -> None:
    short = TrainConfig.model_validate(
        {
            "scheduler": "onecycle",
            "loss": "huber",
            "optimizer": "sgd",
            "checkpoints": "adaptive",
            "early_stopping": False,
        }
    )
    full = TrainConfig.model_validate(
        {
            "scheduler": {"name": "onecycle"},
            "loss": {"name": "huber"},
            "optimizer": {"name": "sgd"},
            "checkpoints": {"strategy": "adaptive"},
            "early_stopping": {"enabled": False},
        }
    )
    assert short == full
    assert isinstance(short.scheduler, OneCycleSchedule)


def test_options_of_a_loss_are_handed_on() -> None:
    block = TrainConfig.model_validate({"loss": {"name": "huber", "delta": 2}})
    assert block.loss is not None
    assert block.loss.options() == {"delta": 2}


@pytest.mark.parametrize(
    "settings,words",
    [
        ({"clip_norm": 1, "clip_value": 1}, "keep one of them"),
        ({"epochs": 3, "warmup_epochs": 3}, "must be fewer than epochs"),
        ({"seed": -1}, "seed"),
        ({"seed": 2**64}, "seed"),
        ({"precision": "fp16", "device": "cpu"}, "fp16 needs a GPU"),
        ({"deterministic": True, "cudnn_benchmark": True}, "which deterministic forbids; keep one"),
        ({"folds": 1}, "not a cross-validation"),
        ({"folds": 3, "members": 2}, "keep one of them"),
        ({"ema": True, "swa": True}, "keep one of them"),
        ({"ema": 1.5}, "less than 1"),
        ({"swa": 1.0}, "less than 1"),
        ({"scheduler": "plato"}, "plateau"),
        ({"partners": {}, "augment": {"mixup": {"enabled": True}}}, r"partners and augment\.mixup"),
        ({"epoch": 3}, "Extra inputs"),
        ({"batch_size": 0}, "greater than or equal to 1"),
        ({"label_smoothing": 1}, "less than 1"),
        ({"checkpoints": {"strategy": "time", "milestones": []}}, "at least 1 item"),
        ({"checkpoints": {"strategy": "time", "milestones": [0]}}, "greater than 0"),
        ({"monitoring": {"error_ranges": [15, 5]}}, r"\[15.0, 5.0\] must rise"),
        ({"monitoring": {"range": [34, 0]}}, "must rise"),
    ],
)
def test_settings_that_cannot_work_are_refused(settings: dict[str, object], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        TrainConfig.model_validate(settings)


def test_plateau_that_would_never_cut_is_warned_of() -> None:
    late = TrainConfig.model_validate({"scheduler": {"name": "plateau", "patience": 10}})
    assert "training ends before the learning rate is reduced" in notes_of(late)[0]
    with_the_last = TrainConfig.model_validate({"scheduler": {"name": "plateau", "patience": 9}})
    assert "which takes at least 2 less than train.early_stopping.patience (10)" in notes_of(with_the_last)[0]
    assert "set 2 or more" in notes_of(TrainConfig(scheduler="plateau", early_stopping={"patience": 1}))[0]
    assert notes_of(TrainConfig.model_validate({"scheduler": {"name": "plateau", "patience": 8}})) == []
    assert notes_of(TrainConfig.model_validate({"scheduler": "plateau"})) == []
    assert notes_of(TrainConfig.model_validate({"scheduler": {"name": "plateau", "patience": 4}})) == []


def test_true_stands_for_the_usual_number_of_folds_and_copies():
    assert (TrainConfig(folds=True).folds, TrainConfig(test_time_augmentation=True).test_time_augmentation) == (5, 5)
    assert (TrainConfig(folds=False).folds, TrainConfig(folds=3).folds) == (0, 3)


def test_an_even_blur_is_refused_with_the_odd_ones_beside_it():
    with pytest.raises(ValidationError, match="odd: 3 or 5"):
        TrainConfig(partners={"blur": 4})
    assert TrainConfig(partners={"blur": 5}).partners.blur == 5


def test_averages_of_weights_by_one_key() -> None:
    assert (TrainConfig(ema=True).ema, TrainConfig(ema=False).ema, TrainConfig(ema=0.9).ema) == (0.999, None, 0.9)
    assert TrainConfig(swa=False).swa is None
    assert [TrainConfig(swa=value).swa.start for value in (True, 0.5, {"start": 0.25})] == [0.75, 0.5, 0.25]
    assert TrainConfig.model_validate({"ema_decay": 0.99, "auto_lr_find": True}) == TrainConfig(
        ema=0.99, find_learning_rate=True
    )


def test_exclusive_classes_are_trained_by_dice_and_cross_entropy():
    from scantune.config.names import loss_name
    from scantune.config.train import TrainConfig
    from scantune.tasks.segmentation.settings import Segmentation

    assert loss_name(Segmentation(), TrainConfig()) == "default"
    assert loss_name(Segmentation(classes=("background", "head", "tail")), TrainConfig()) == "dice_ce"


@pytest.mark.parametrize(
    ("freezing", "late"),
    [
        ({"freeze_ratio": 0.7, "unfreeze_epochs": [2, 5]}, ["unfreeze_epochs (5)"]),
        ({"head_epochs": 6}, ["head_epochs (6)"]),
        ({"num_unfrozen_layers": 1, "progressive_every": 5}, ["progressive_every (5)"]),
        ("gradual", []),
        ({"head_epochs": 4}, []),
    ],
)
def test_layers_that_wait_for_an_epoch_that_does_not_come_are_noted(freezing, late):
    notes = notes_of(TrainConfig.model_validate({"epochs": 5, "freezing": freezing}))
    assert [note.split("train.freezing.")[1].split(" is not")[0] for note in notes] == late


def test_a_cosine_that_is_cut_off_is_noted() -> None:
    preset = {"preset": "image_classification"}
    assert notes_of(TrainConfig.model_validate(preset)) == []
    (note,) = notes_of(TrainConfig.model_validate({**preset, "epochs": 20}))
    assert "train.scheduler.T_max (100): the learning rate is still 95% of the highest when the 20 epochs end" in note
    assert notes_of(TrainConfig(epochs=20, scheduler={"name": "cosine", "T_max": 5})) == []


def test_quarters_of_two_epochs_and_steps_after_a_warm_up_that_do_not_come_are_noted() -> None:
    assert "unfreeze_epochs (quarters) needs 3 epochs" in notes_of(TrainConfig(epochs=2, freezing="gradual"))[0]
    assert notes_of(TrainConfig(epochs=3, freezing="gradual")) == []
    steps = {"name": "step", "step_size": 3}
    assert notes_of(TrainConfig(epochs=4, scheduler=steps)) == []
    (note,) = notes_of(TrainConfig(epochs=4, scheduler=steps, warmup_epochs=1))
    assert "not below train.epochs (4) less train.warmup_epochs (1)" in note


_MOVING = {"name": "default", "schedule": {"name": "cosine"}}


@pytest.mark.parametrize(
    ("block", "noted"),
    [
        ({"checkpoints": {"strategy": "best", "interval": 3}}, "train.checkpoints.interval has no effect"),
        ({"checkpoints": {"strategy": "all", "interval": 3}}, ""),
        ({"checkpoints": {"strategy": "epoch", "threshold": 0.5}}, "strategies performance, adaptive, not of epoch"),
        ({"checkpoints": {"strategy": "adaptive", "threshold": 0.5}}, ""),
        ({"checkpoints": {"strategy": "interval", "milestones": [0.5]}}, "train.checkpoints.milestones has no effect"),
        ({"checkpoints": {"strategy": "time", "milestones": [0.5]}}, ""),
        ({"warmup_lr": 1e-6}, "train.warmup_lr has no effect: there is no warm-up"),
        ({"warmup_lr": 1e-6, "warmup_epochs": 1}, ""),
        ({"epochs": 5, "scheduler": {"name": "step", "step_size": 5}}, "step_size (5) is not below train.epochs (5)"),
        ({"epochs": 5, "scheduler": {"name": "step", "step_size": 4}}, ""),
        ({"sampler": "balanced", "class_weights": "balanced"}, "so that a rare one counts twice over"),
        ({"sampler": "balanced"}, ""),
        (
            {"epochs": 12, "validate_every": 3, "checkpoints": {"strategy": "interval", "interval": 5}},
            "train.checkpoints.interval: no checkpoint is kept of the epochs 5, 10, which have no validation",
        ),
        ({"epochs": 12, "validate_every": 3, "checkpoints": {"strategy": "interval", "interval": 6}}, ""),
        (
            {"epochs": 12, "validate_every": 4, "checkpoints": {"strategy": "time", "milestones": [0.25, 1.0]}},
            "train.checkpoints.milestones: no checkpoint is kept of the epochs 3, which",
        ),
        ({"epochs": 12, "validate_every": 4}, ""),
        ({"scheduler": "onecycle", "warmup_epochs": 2}, "train.warmup_epochs: onecycle rises by itself, from 1/25"),
        ({"scheduler": "cosine", "warmup_epochs": 2}, ""),
        ({"loss": _MOVING, "early_stopping": False}, "train.monitor: val_loss has other weights in each epoch"),
        ({"loss": _MOVING, "monitor": "val_dice", "early_stopping": {"monitor": "val_loss"}}, "early_stopping.monitor"),
        ({"loss": _MOVING, "monitor": "val_dice"}, ""),
        ({"loss": {"name": "default", "schedule": "constant"}}, ""),
    ],
)
def test_keys_that_others_leave_without_effect_are_noted(block, noted):
    notes = notes_of(TrainConfig.model_validate(block))
    assert len(notes) == bool(noted)
    assert not noted or noted in notes[0]


@pytest.mark.parametrize(
    ("block", "keys"),
    [
        ({"optimizer": {"name": "adamw", "momentum": 0.5}}, ["momentum is no option of adamw"]),
        ({"optimizer": {"name": "adam", "nesterov": True}}, ["nesterov is no option of adam"]),
        ({"optimizer": {"name": "sgd", "betas": [0.8, 0.99]}}, ["betas is no option of sgd"]),
        ({"optimizer": {"name": "sgd", "momentum": 0.5}, "scheduler": "onecycle"}, ["momentum has no effect"]),
        ({"optimizer": {"name": "adam", "betas": [0.5, 0.999]}, "scheduler": "onecycle"}, ["betas (the first)"]),
        (
            {
                "optimizer": {"name": "sgd", "momentum": 0.5},
                "scheduler": {"name": "onecycle", "cycle_momentum": False},
            },
            [],
        ),
        ({"optimizer": "sgd", "scheduler": "onecycle"}, []),
        ({"optimizer": {"name": "sgd", "momentum": 0.99, "nesterov": True}}, []),
    ],
)
def test_options_of_another_optimizer_are_noted(block, keys):
    notes = notes_of(TrainConfig.model_validate(block))
    assert len(notes) == len(keys)
    assert all(f"train.optimizer.{key}" in note for key, note in zip(keys, notes))


@pytest.mark.parametrize(
    ("block", "message"),
    [
        ({"optimizer": {"name": "sgd", "momentum": 0, "nesterov": True}}, "nesterov needs a momentum above 0"),
        ({"optimizer": {"name": "adam", "betas": [1.0, 0.9]}}, "less than 1"),
        ({"ema": 0.9, "swa": True}, "two averages"),
    ],
)
def test_what_no_optimizer_takes_is_refused(block, message):
    for kind in (TrainConfig, TrainingSettings):
        with pytest.raises(ValidationError, match=message):
            kind.model_validate(block)


def test_a_schedule_that_is_saved_without_the_optimizer_is_noted():
    alone = TrainConfig.model_validate({"checkpoints": {"save_scheduler": True}})
    assert ["save_scheduler has no effect" in note for note in notes_of(alone)] == [True]
    assert notes_of(TrainConfig.model_validate({"checkpoints": {"save_scheduler": True, "save_optimizer": True}})) == []
