"""The numbers in a prepared mask."""

from __future__ import annotations

import numpy as np

from scantune.mask_codes import IGNORED, code_of, counted, marked, pixels_by_label, plane


def test_labels_that_exclude_each_other_are_themselves():
    mask = np.array([[0, 1, 2, IGNORED]], np.uint8)
    assert plane(mask, 2).tolist() == [[False, False, True, False]]
    assert marked(mask).tolist() == [[False, True, True, False]]
    assert counted(mask).tolist() == [[0, 1, 2, 0]]
    assert pixels_by_label(mask) == {1: 1, 2: 1}


def test_labels_that_overlap_have_a_bit_each():
    assert [code_of(label, True) for label in (1, 2, 3)] == [1, 2, 4]
    mask = np.array([[0, 1, 3, 6, IGNORED]], np.uint8)
    assert plane(mask, 2, overlapping=True).tolist() == [[False, False, True, True, False]]
    assert pixels_by_label(mask, overlapping=True) == {1: 2, 2: 2, 3: 1}
