"""Names that are known without torch are those that are there with it."""

from __future__ import annotations

import timm

from scantune.models import catalogue, dense, names
from scantune.models.weights.known import KNOWN


def test_the_list_of_timms_names_is_current():
    """Write it anew by: python -m tests.models.test_names"""
    assert names._LIST.read_text(encoding="utf-8") == names.timm_list(timm.__version__, timm.list_models())


def test_another_version_of_timm_is_asked_itself(monkeypatch):
    monkeypatch.setattr(names.importlib.metadata, "version", lambda name: "0.0")
    monkeypatch.setattr(timm, "list_models", lambda: ["of_tomorrow"])
    assert names.in_timm("of_tomorrow")
    assert names.in_timm("resnet18")


def test_names_of_weights_are_all_of_them():
    assert set(names.WEIGHTS) == {name for name, _ in KNOWN} | {"imagenet"}


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
    assert "is for image, not for masks" in catalogue.fault("resnet18", "dense")
    assert "did you mean unet" in catalogue.fault("unett", "dense")
    assert "did you mean 'imagenet'" in names.weights_fault("imagenett")
    assert names.weights_fault("weights/mine.pth") is None


if __name__ == "__main__":
    names._LIST.write_text(names.timm_list(timm.__version__, timm.list_models()), encoding="utf-8")
