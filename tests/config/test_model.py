"""The ``model:`` block and ``train.freezing:``: short and full form, and what contradicts itself."""

import pytest
from pydantic import TypeAdapter, ValidationError

from scantune.config.model import Freezing, FreezingConfig, ModelConfig

FREEZING = TypeAdapter(Freezing)


def test_a_beginner_writes_the_backbone_alone():
    block = ModelConfig(backbone="ResNet18")
    assert block.backbone == "resnet18"
    assert block.source is None


def test_one_word_freezes_as_the_full_form_does():
    short = FREEZING.validate_python("gradual")
    full = {"freeze_ratio": 0.7, "unfreeze_epochs": "quarters", "backbone_factor": 0.1}
    assert short == FREEZING.validate_python(full)
    assert FREEZING.validate_python("none") == FreezingConfig()
    assert FREEZING.validate_python("low_learning_rate").low_learning_rate == 1e-5


def test_pretrained_is_short_for_published_weights():
    assert ModelConfig(backbone="resnet18", pretrained=True).source == "published"
    with pytest.raises(ValidationError, match="give one of them"):
        ModelConfig(backbone="resnet18", pretrained=True, weights="mine.pth")


@pytest.mark.parametrize(
    ("freezing", "message"),
    [
        ("half", "'half' is not known"),
        ({"freeze_ratio": 0.5, "freeze_layers": 2}, "both set"),
        ({"freeze_ratio": 0.5, "unfreeze_epochs": [3, 1]}, "must rise"),
        ({"freeze_ratio": 0.5, "unfreeze_epochs": []}, "at least 1 item"),
        ({"freeze_ratio": 0.5, "unfreeze_epochs": [-1, 3]}, "greater than or equal to 0"),
        ({"num_unfrozen_layers": 1, "layer_decay": 0.5}, "layer_decay has no effect, because one block trains"),
        ({"unfreeze_epochs": [3]}, "nothing to thaw|has no effect"),
        ({"progressive_every": 2}, "progressive_every has no effect"),
        ({"freeze_ratio": 0.0, "progressive_every": 2}, "progressive_every has no effect"),
        ({"freeze_ratio": 0.5, "num_unfrozen_layers": 0}, "both set"),
        ({"freeze_ratio": 0.5, "unfreeze_epochs": [3], "progressive_every": 1}, "both set"),
        ({"freeze_backbone": True, "backbone_factor": 0.1}, "backbone_factor has no effect, because the whole"),
        ({"freeze_ratio": 1, "layer_decay": 0.5}, "layer_decay has no effect"),
        ({"num_unfrozen_layers": 0, "head_epochs": 2}, "head_epochs has no effect"),
        ({"freeze_backbone": True, "low_learning_rate": 1e-5}, "low_learning_rate has no effect"),
        ({"low_learning_rate": 1e-5, "backbone_factor": 0.1}, "takes the place of backbone_factor; give one"),
        ({"freeze_ratio": 1.5}, "less than or equal to 1"),
        ({"freez_ratio": 0.5}, "Extra inputs"),
    ],
)
def test_what_contradicts_itself_is_named(freezing, message):
    with pytest.raises(ValidationError, match=message):
        FREEZING.validate_python(freezing)


def test_a_normalisation_needs_as_many_deviations_above_zero():
    assert ModelConfig(backbone="x", normalization={"mean": [0.5], "std": [0.2]}).normalization.std == (0.2,)
    with pytest.raises(ValidationError, match="std above 0"):
        ModelConfig(backbone="x", normalization={"mean": [0.5], "std": [0.0]})


@pytest.mark.parametrize(
    "freezing",
    [
        {"freeze_backbone": True, "unfreeze_epochs": [2], "backbone_factor": 0.1, "layer_decay": 0.5, "head_epochs": 1},
        {"num_unfrozen_layers": 0, "progressive_every": 1, "low_learning_rate": 1e-5, "layer_decay": 0.5},
        {"freeze_ratio": 0.5, "backbone_factor": 0.1, "head_epochs": 1},
        {"freeze_backbone": True, "backbone_factor": 1.0},
    ],
)
def test_rates_of_layers_that_train_at_some_time_are_taken(freezing):
    FREEZING.validate_python(freezing)


def test_no_block_that_trains_at_first_is_a_way_to_freeze():
    block = FREEZING.validate_python({"num_unfrozen_layers": 0, "unfreeze_epochs": "quarters"})
    assert block.num_unfrozen_layers == 0
