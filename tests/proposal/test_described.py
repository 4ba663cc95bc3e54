"""Names of labels from the file that lies beside the masks."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from scantune import io
from scantune.proposal.blocks import propose

SNAP = """################################################
# ITK-SnAP Label Description File
################################################
    0     0    0    0        0  0  0    "Clear Label"
    1   255    0    0        1  1  1    "left ventricle"
    2     0  255    0      0.5  1  1    "myocardium"
"""
SLICER = "# Color table file\n0 Background 0 0 0 0\n1 left_ventricle 128 174 128 255\n2 myocardium 241 214 145 255\n"
BY_NUMBER = {"0": "background", "1": "left ventricle", "2": "myocardium"}


def segmented(values: tuple[int, ...]) -> None:
    for i in range(8):
        rng = np.random.default_rng(i)
        for folder, array in (("images", rng.normal(0, 1, (12, 12, 8))), ("labels", rng.choice(values, (12, 12, 8)))):
            path = Path("raw", folder, f"heart_{i:02d}.nii.gz")
            path.parent.mkdir(parents=True, exist_ok=True)
            io.write_nifti(
                path,
                io.Volume(array.astype(np.float32), np.eye(4)),
                dtype="uint8" if folder == "labels" else None,
            )


def classes_with(path: str, text: str) -> list[str]:
    Path("raw", path).write_text(text)
    (experiment,) = propose(Path("raw")).blocks["experiments"].values()
    return experiment["task"]["classes"]


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("labels.json", json.dumps(BY_NUMBER)),
        ("labels/label_names.json", json.dumps({name: int(value) for value, name in BY_NUMBER.items()})),
        ("classes.json", json.dumps({"labels": [{"id": int(v), "name": name} for v, name in BY_NUMBER.items()]})),
        ("itksnap_labels.txt", SNAP),
        ("labels/Heart.label", SNAP),
        ("Segmentation-label.ctbl", SLICER),
        ("legend.txt", "1: left ventricle\n2: myocardium\n"),
    ],
)
def test_classes_have_the_names_that_a_file_states(tmp_path, monkeypatch, path, text):
    monkeypatch.chdir(tmp_path)
    segmented((0, 1, 2))
    names = [name.replace("_", " ") for name in classes_with(path, text)]
    assert names == ["background", "left ventricle", "myocardium"]


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("labels.json", json.dumps({"1": "left ventricle"})),  # 2 has no name
        ("labels.json", "no JSON"),
        ("labels.json", json.dumps({"1": "heart", "2": "heart"})),
        ("label_notes.txt", "1 patient was left out\nThe others were drawn by J. M.\n"),
    ],
)
def test_what_does_not_name_each_label_names_none(tmp_path, monkeypatch, path, text):
    monkeypatch.chdir(tmp_path)
    segmented((0, 1, 2))
    assert classes_with(path, text) == ["background", "label_1", "label_2"]


def test_regions_of_several_values_are_told(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    segmented((0, 1, 2))
    stated = {"labels": {"background": 0, "whole heart": [1, 2], "myocardium": 2}, "regions_class_order": [1, 2]}
    Path("raw/dataset.json").write_text(json.dumps(stated))
    notes = propose(Path("raw")).notes
    assert any("regions of several values of the masks (whole heart: 1, 2)" in note for note in notes)
