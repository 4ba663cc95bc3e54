"""Names that are known without torch are those that are there with it."""

from __future__ import annotations

import pytest
import timm

from scantune.models import catalogue, dense, names
from scantune.models.weights.known import KNOWN


def listed():
    """The list of timm's names, each with whether timm has weights for it."""
    marked = [n + ("" if timm.get_pretrained_cfg(n).has_weights else names._WITHOUT) for n in timm.list_models()]
    return "\n".join([f"timm {timm.__version__}", *sorted(marked), ""])


def test_the_list_of_timms_names_is_current():
    """Write it anew by: python -m tests.models.test_names"""
    assert names._LIST.read_text(encoding="utf-8") == listed()


def test_another_version_of_timm_is_asked_itself(monkeypatch):
    monkeypatch.setattr(names.importlib.metadata, "version", lambda name: "0.0")
    monkeypatch.setattr(timm, "list_models", lambda: ["of_tomorrow"])
    assert names.in_timm("of_tomorrow")
    assert names.in_timm("resnet18")


def test_weights_are_known_with_their_backbones():
    assert {(name, net) for name, backbones in names.WEIGHTS.items() for net in backbones} == set(KNOWN)


@pytest.mark.parametrize(
    ("weights", "backbone", "table", "fitting"),
    [
        ("imagenet", "resnet10_3d", "volume", "those for it are: medicalnet"),
        ("kinetics", "resnet18", "image", "those for it are: imagenet"),
        ("medicalnet", "densenet121_3d", "volume", "none are known for it"),
        ("published", "small_cnn", "image", "none are known for it"),
        ("imagenet", "unet", "dense", "none are known for it"),
        ("imagenet", "botnet50ts_256", "image", "none are known for it"),
        ("raddino", "chexnet", "image", "those for it are: chexnet, imagenet"),
    ],
)
def test_weights_of_another_backbone_are_refused_with_those_that_fit(weights, backbone, table, fitting):
    fault = names.weights_fault(weights, backbone, table)
    assert f"no {weights!r} weights for the backbone {backbone!r}; {fitting}" in fault


@pytest.mark.parametrize(
    ("weights", "backbone", "table"),
    [
        ("published", "resnet18.a1_in1k", "image"),
        ("imagenet", "ResNet50", "image"),
        ("chexnet", "densenet121", "image"),
        ("published", "swinunetr", "volume"),
        ("weights/mine.pth", "small_cnn", "image"),
    ],
)
def test_weights_that_fit_pass(weights, backbone, table):
    assert names.weights_fault(weights, backbone, table) is None


def test_every_name_of_the_table_has_a_builder():
    for modality in ("image", "volume", "video"):
        for name in catalogue.names(modality):
            assert callable(catalogue.builder(name, modality))
            assert catalogue.fault(name, modality) is None
            assert catalogue.origin(name, modality).startswith("scantune.models.")
    for name in dense.names():
        assert callable(catalogue.dense_builder(name))
        assert catalogue.fault(name, "dense") is None


def test_a_name_is_told_with_the_nearest_or_with_what_it_is_for():
    assert catalogue.fault("resnet18.a1_in1k", "image") is None
    assert "did you mean resnet18" in catalogue.fault("resnt18", "image")
    assert "is for volume, not for image" in catalogue.fault("resnet10_3d", "image")
    assert "is for image and video, not for masks" in catalogue.fault("resnet18", "dense")
    assert "did you mean unet" in catalogue.fault("unett", "dense")
    assert "did you mean 'imagenet'" in names.weights_fault("imagenett", "resnet18", "image")


if __name__ == "__main__":
    names._LIST.write_text(listed(), encoding="utf-8")
