"""Masks of public data sets as their makers laid them out: fields of view, second observers, what a page shows."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from scantune.cohort.load import Cohort
from scantune.config.input import ImageInput
from scantune.mask_codes import IGNORED
from scantune.preprocess.check import check
from scantune.records import Record
from scantune.statistics.overlap import dice
from tests.preprocess.direct import prepare_image

pytestmark = pytest.mark.real
DATA = os.environ.get("SCANTUNE_REAL_DATA", "")


def _folder(name: str) -> Path:
    if not DATA or not Path(DATA, name).is_dir():
        pytest.skip(f"SCANTUNE_REAL_DATA has no folder {name}, or is not set")
    return Path(DATA, name).absolute()


def test_the_second_observer_of_drive_has_the_published_dice_inside_the_field_of_view():
    home = _folder("drive") / "testing"
    scores = []
    for i in range(1, 21):
        prepared = prepare_image(
            [home / f"images/{i:02d}_test.tif"],
            [home / f"1st_manual/{i:02d}_manual1.gif"],
            shape=[64, 64],
            channels=3,
            intensity={"name": "scale"},
            region=home / f"mask/{i:02d}_test_mask.gif",
            rater_masks={"second": [home / f"2nd_manual/{i:02d}_manual2.gif"]},
        )
        counts = prepared.own_mask != IGNORED
        assert 0.6 < counts.mean() < 0.75, "the field of view is a circle in the picture"
        scores.append(dice(prepared.own_mask[counts] == 1, prepared.rater_masks["second"][counts] == 1))
    assert np.mean(scores) == pytest.approx(0.788, abs=5e-4)


def test_cells_have_two_labels_and_are_shown_in_colour(tmp_path: Path):
    home = _folder("wbc") / "Dataset 1"
    records = [Record(f"c{i}", f"c{i}", (home / f"{i:03d}_image.png",), (home / f"{i:03d}.png",)) for i in range(1, 5)]
    names = {"cells": ("background", "cytoplasm", "nucleus")}
    mapped = {"mask_values": {128: 1, 255: 2}, "resize": "crop", "channels": 3, "workers": 1}
    whole = ImageInput(dataset="d", modality="image", shape=[120, 120], **mapped)
    result = check(Cohort(records, 4), whole, tmp_path, mask_classes=names, progress=False)
    assert {name: entry["samples"] for name, entry in result.mask_sizes.items()} == {"cytoplasm": 4, "nucleus": 4}
    assert not result.mask_cuts
    assert all(picture.ndim == 3 for picture in result.thumbnails.values())
