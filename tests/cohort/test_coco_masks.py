"""Pixels of COCO's segmentations are those of its reference implementation (pycocotools 2.0.11), written down here."""

import numpy as np
import pytest

from scantune.cohort.coco_masks import counts_of, draw, filled, from_runs

#: Height, width, polygon, what pycocotools makes of it as compressed run lengths, and its area.
REFERENCE = [
    (40, 40, [2, 2, 12, 2, 12, 12, 2, 12], "b2:n000000000000000000nR1", 100),
    (40, 40, [20, 2, 23, 2, 23, 32, 20, 32], "Ri0n0:000Ve0", 90),
    (15, 39, [27.89, 19.81, 8.18, 3.07, 38.68, 18.71, 1.1, 23.43, 30.17, 22.97, 36.36, -2.26],
     "j41?0O10O0100O100O100O010O10O001O001O001OO1M3N1NO2N1Oa1", 78),
    (38, 32, [16.21, -1.26, 24.22, 33.52, 22.09, 7.44, 32.95, 18.42, 18.48, 29.13],
     "Pc03X19F8HK5L5JC0?`0@J6N2N2N2O1N2N2N@", 160),
    (13, 16, [26.06, 30.63, 4.43, 31.3, 4.42, -0.41, 33.63, 33.9, 34.57, 16.76], "d1=1O1O1O2N1O1O1O1O1O2N1", 80),
    (34, 29, [-3.69, 24.41, 27.68, 32.77, 8.4, 5.47, 24.13, 31.42],
     "R51X40XM0f00ZN020`000100XOO<1<0O1UONd01[OOf02510OQONm032N1OU1", 41),
    (16, 20, [32.32, 3.24, 12.51, 9.94, 26.42, 3.86], "X81n00A0I", 3),
]  # fmt: skip


@pytest.mark.parametrize(("height", "width", "polygon", "runs", "area"), REFERENCE)
def test_polygons_and_run_lengths_give_the_pixels_of_the_reference(height, width, polygon, runs, area):
    expected = from_runs(counts_of({"counts": runs}), (height, width))
    assert expected.sum() == area
    np.testing.assert_array_equal(filled([polygon], (height, width)), expected)


def test_polygons_of_one_annotation_are_joined_and_a_corner_twice_changes_nothing():
    one, other = [2, 2, 12, 2, 12, 12, 2, 12], [8, 8, 20, 8, 20, 9, 8, 9]
    both = filled([one, other], (30, 30))
    np.testing.assert_array_equal(both, filled([one], (30, 30)) | filled([other], (30, 30)))
    np.testing.assert_array_equal(filled([one[:2] + one], (30, 30)), filled([one], (30, 30)))


def test_plain_run_lengths_go_down_the_columns():
    assert draw([(3, {"counts": [1, 2, 3], "size": [3, 2]})], (3, 2)).T.tolist() == [[0, 3, 3], [0, 0, 0]]
    for wrong in ({"counts": [1, 2]}, {"counts": "x!"}, {}):
        with pytest.raises(ValueError):
            from_runs(counts_of(wrong), (3, 2))
