"""A check shows the masks: outlines by class, counts and sizes by label, labels that are absent or cut."""

from __future__ import annotations

import dataclasses
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from rich.console import Console

from scantune import io
from scantune.cohort.load import Cohort
from scantune.config.input import ImageInput, VolumeInput
from scantune.preprocess import own_grid
from scantune.preprocess.check import check, print_check, write_check
from scantune.preprocess.check.findings import Findings
from scantune.preprocess.check.pictures import COLOURS, SIDE_WITH_MASKS
from scantune.preprocess.mask_labels import described
from scantune.records import Record

CLASSES = {"cells": ("background", "nucleus", "cytoplasm", "granule")}


@pytest.fixture(scope="module")
def findings(tmp_path_factory: pytest.TempPathFactory) -> Findings:
    """Four coloured pictures, of which the network sees the middle alone; one mask reaches beyond it."""
    folder = tmp_path_factory.mktemp("cells")
    records = []
    for i in range(4):
        mask = np.zeros((40, 60), np.uint8)
        mask[10:30, 15:45] = 2
        mask[15:25, 25:35] = 1
        if i == 3:
            mask[10:30, 5:15] = 2
        colour = np.random.default_rng(i).integers(0, 60, (40, 60, 3)).astype(np.uint8)
        colour[mask == 1, 0] = 250
        Image.fromarray(colour).save(folder / f"i{i}.png")
        Image.fromarray(mask).save(folder / f"m{i}.png")
        records.append(Record(f"c{i}", f"c{i}", (folder / f"i{i}.png",), (folder / f"m{i}.png",)))
    settings = ImageInput(dataset="d", modality="image", shape=[40, 40], resize="crop", channels=3, workers=1)
    return check(Cohort(records, 4), settings, folder / "store", mask_classes=CLASSES, progress=False)


def test_labels_are_counted_with_their_sizes(findings: Findings):
    assert findings.mask_sizes["nucleus"] == {
        "samples": 4,
        "of": 4,
        "median": "100 pixels",
        "smallest": "100 pixels",
        "largest": "100 pixels",
    }
    assert findings.mask_sizes["granule"] == {"samples": 0, "of": 4}


def test_what_the_input_cuts_is_told_by_sample(findings: Findings):
    assert findings.mask_cuts == {"c3": "14.3 % of cytoplasm outside of the network's input"}


def test_pictures_have_colours_and_outlines(findings: Findings, tmp_path: Path):
    picture = findings.thumbnails["c0"]
    assert picture.shape == (SIDE_WITH_MASKS, SIDE_WITH_MASKS, 3)
    for colour in COLOURS[:2]:
        drawn = (picture == np.array(list(bytes.fromhex(colour[1:])))).all(axis=2)
        assert 200 < drawn.sum() < 5000, "a line, not an area"
    middle = picture[SIDE_WITH_MASKS // 2, SIDE_WITH_MASKS // 2]
    assert middle[0] > 200 > middle[1], "colours are red, green, blue"
    write_check(tmp_path, "cells", findings)
    page = (tmp_path / "check.html").read_text()
    assert "0 of 4" in page
    assert f"border-color: {COLOURS[0]}" in page
    screen = StringIO()
    print_check("cells", findings, Console(file=screen, width=160))
    assert "in 4 of 4 masks, median 100 pixels" in screen.getvalue()
    assert "masks cut by the network's input" in screen.getvalue()


def test_words_of_a_table_are_shown_and_not_obeyed(findings: Findings):
    odd = dataclasses.replace(findings, histograms={"group size [mm] [/b]": {"a\x1b[31mb [red]": 3}})
    screen = StringIO()
    print_check("cells", odd, Console(file=screen, width=160))
    assert "group size [mm] [/b]" in screen.getvalue()
    assert "a\ufffd[31mb [red]" in screen.getvalue()


def test_a_volume_is_shown_where_most_is_marked_and_its_sizes_are_in_mm(tmp_path: Path):
    array = np.random.default_rng(0).normal(0, 1, (12, 20, 16)).astype(np.float32)
    mask = np.zeros_like(array)
    mask[9, 2:10, 4:12] = 1  # anterior is the end of the second axis
    affine = np.diag([1.0, 1.0, 2.5, 1.0])
    for name, values in {"i": array, "m": mask}.items():
        io.write_nifti(tmp_path / f"{name}.nii.gz", io.Volume(values, affine))
    record = Record("v", "v", (tmp_path / "i.nii.gz",), (tmp_path / "m.nii.gz",))
    settings = VolumeInput(dataset="d", modality="volume", shape=[16, 20, 12], workers=1)
    result = check(
        Cohort([record], 1), settings, tmp_path / "store", mask_classes={"e": ("b", "lesion")}, progress=False
    )
    assert result.mask_sizes["lesion"]["median"] == "160 mm³"
    assert result.mask_cuts == {}
    drawn = (result.thumbnails["v"] == np.array(list(bytes.fromhex(COLOURS[0][1:])))).all(axis=2)
    assert drawn.any()
    assert np.argwhere(drawn)[:, 0].min() > SIDE_WITH_MASKS // 2 - 5, "posterior lies below"


def test_what_mends_a_mask_on_another_grid_is_told_once(tmp_path: Path):
    records = []
    for i, length in enumerate((8, 8, 6)):
        for name, shape in (("i", (8, 8, 8)), ("m", (length, 8, 8))):
            values = np.random.default_rng(i).random(shape, np.float32) if name == "i" else np.ones(shape, np.float32)
            volume = io.Volume(values, np.eye(4))
            io.write_nifti(tmp_path / f"{name}{i}.nii.gz", volume)
        records.append(Record(f"s{i}", f"s{i}", (tmp_path / f"i{i}.nii.gz",), (tmp_path / f"m{i}.nii.gz",)))
    settings = VolumeInput(dataset="d", modality="volume", shape=[8, 8, 8], workers=1)
    result = check(Cohort(records, 3), settings, tmp_path / "store", progress=False)
    screen = StringIO()
    print_check("d", result, Console(file=screen, width=900))
    assert screen.getvalue().count("mask and image differ in geometry: 8×8×8") == 3
    assert screen.getvalue().count("SimpleITK.Resample") == 1
    (fault,) = [fault for fault in result.faults if "mask that does not fit" in fault]
    assert "8×8×6" in fault


def test_what_a_crop_of_a_volume_cuts_is_counted_by_the_middles_of_voxels():
    mask = np.zeros((6, 8, 10), np.uint8)
    mask[1:5, 2:6, :] = 1
    facts = {
        "own_affine": np.eye(4).tolist(),
        "affine": np.array([[2, 0, 0, 3], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]),
    }
    beyond = own_grid.cut_away(mask, facts, (6, 8, 2))  # voxels 2 … 6 of ten along W
    assert len(beyond) == 16 * 5
    assert len(own_grid.cut_away(mask, facts | {"affine": np.eye(4).tolist()}, (6, 8, 10))) == 0


def test_a_label_is_described_by_its_class_and_pixels():
    assert described("1=12 2=7 ignored=3", ("background", "anterior")) == "anterior 12, label 2 7 pixels"
    assert described("255=4", ("background", "vessel")) == "vessel 4 pixels"
    assert described("", ("background", "vessel")) == ""


def test_a_line_is_whole_however_narrow_the_screen(tmp_path: Path):
    folder = tmp_path / "Aufnahmen der Klinik, Größe 5 %" / "a folder with a name of many words"
    folder.mkdir(parents=True)
    records = []
    for i in range(3):
        name = folder / f"picture number {i}.png"
        pixels = np.random.default_rng(min(i, 1)).integers(0, 255, (16, 16), np.uint8)  # the last two are alike
        Image.fromarray(pixels).save(name)
        records.append(Record(f"sample_{i}", f"sample_{i}", (name,)))
    broken = folder / "picture number 3.png"
    broken.write_bytes(b"")
    records.append(Record("sample_3", "sample_3", (broken,)))
    settings = ImageInput(dataset="d", modality="image", shape=[16, 16], workers=1)
    result = check(Cohort(records, 4), settings, tmp_path / "store", progress=False)
    for screen in (Console(file=StringIO(), width=80), Console(file=StringIO(), width=80, force_terminal=True)):
        print_check("d", result, screen)
        text = screen.file.getvalue()  # type: ignore[attr-defined]
        assert f"{folder / 'picture number 1.png'} (sample_1)" in text, "one of two that are the same"
        assert str(broken) in text, "one that cannot be used"
