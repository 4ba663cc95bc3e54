"""The ``model:`` block: short and full form, and what contradicts itself."""

import pytest
from pydantic import ValidationError

from scantune.config.model import FreezingConfig, ModelConfig


def test_a_beginner_writes_the_backbone_alone():
    block = ModelConfig(backbone="ResNet18")
    assert block.backbone == "resnet18"
    assert block.source is None
    assert block.freeze == FreezingConfig()


def test_one_word_freezes_as_the_full_form_does():
    short = ModelConfig(backbone="resnet18", freeze="gradual").freeze
    full = {"freeze_ratio": 0.7, "unfreeze_epochs": "quarters", "backbone_factor": 0.1}
    assert short == ModelConfig(backbone="resnet18", freeze=full).freeze
    assert ModelConfig(backbone="resnet18", freeze="low_learning_rate").freeze.low_learning_rate == 1e-5


def test_pretrained_is_short_for_published_weights():
    assert ModelConfig(backbone="resnet18", pretrained=True).source == "published"
    with pytest.raises(ValidationError, match="give one of them"):
        ModelConfig(backbone="resnet18", pretrained=True, weights="mine.pth")


@pytest.mark.parametrize(
    ("freeze", "message"),
    [
        ("half", "'half' is not known"),
        ({"freeze_ratio": 0.5, "freeze_layers": 2}, "both set"),
        ({"freeze_ratio": 0.5, "unfreeze_epochs": [3, 1]}, "must rise"),
        ({"unfreeze_epochs": [3]}, "nothing to thaw|thaws nothing"),
        ({"freeze_ratio": 0.5, "unfreeze_epochs": [3], "progressive_every": 1}, "both set"),
        ({"freeze_ratio": 1.5}, "less than or equal to 1"),
        ({"freez_ratio": 0.5}, "Extra inputs"),
    ],
)
def test_what_contradicts_itself_is_named(freeze, message):
    with pytest.raises(ValidationError, match=message):
        ModelConfig(backbone="resnet18", freeze=freeze)


def test_a_normalisation_needs_as_many_deviations_above_zero():
    assert ModelConfig(backbone="x", normalization={"mean": [0.5], "std": [0.2]}).normalization.std == (0.2,)
    with pytest.raises(ValidationError, match="std above 0"):
        ModelConfig(backbone="x", normalization={"mean": [0.5], "std": [0.0]})
