import csv

import numpy as np
import pytest
from PIL import Image

from scantune import demos
from scantune.records import ScantuneError


def test_digits_with_a_table_are_the_real_ones(tmp_path):
    from sklearn.datasets import load_digits

    made = demos.make("digits", tmp_path)
    rows = list(csv.DictReader(made.table.open()))
    assert len(rows) == made.n_samples == 1797
    source = load_digits()
    for index in (0, 7, 1796):
        pixels = np.asarray(Image.open(tmp_path / rows[index]["file"]), dtype=float)
        assert pixels.shape == (8, 8)
        assert np.array_equal(np.rint(pixels * 16 / 255), source.images[index])
        assert int(rows[index]["label"]) == source.target[index]


def test_digits_in_class_folders_have_both_sides_and_all_classes(tmp_path):
    made = demos.make("digits", tmp_path, layout="folders", n=400)
    assert made.table is None
    for side in ("train", "val"):
        assert sorted(path.name for path in (tmp_path / side).iterdir()) == [str(digit) for digit in range(10)]
    assert len(list(tmp_path.rglob("*.png"))) == 400


def test_what_does_not_exist_is_named(tmp_path):
    with pytest.raises(ScantuneError, match=r"no demo cohort 'digit'.*digits"):
        demos.make("digit", tmp_path)
    with pytest.raises(ScantuneError, match=r"no option 'sites'.*layout"):
        demos.make("digits", tmp_path, sites="a")
    with pytest.raises(ScantuneError, match=r"layout: 'npz'"):
        demos.make("digits", tmp_path, layout="npz")
