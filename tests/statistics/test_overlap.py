import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.spatial.distance import cdist

from scantune.statistics import overlap
from scantune.statistics.surfels import sizes

masks = st.sampled_from([(5, 6), (4, 5, 3)]).flatmap(lambda shape: st.tuples(arrays(bool, shape), arrays(bool, shape)))


def disc(size, centre, radius):
    grid = np.stack(np.meshgrid(*(np.arange(s) for s in size), indexing="ij"), -1)
    return ((grid - np.array(centre)) ** 2).sum(-1) <= radius**2


@settings(deadline=None, max_examples=60)
@given(masks)
def test_counts_by_sets(pair):
    truth, predicted = pair
    t, s = set(np.flatnonzero(truth)), set(np.flatnonzero(predicted))
    expected = {
        "dice": (2 * len(t & s), len(t) + len(s)),
        "iou": (len(t & s), len(t | s)),
        "precision": (len(t & s), len(s)),
        "recall": (len(t & s), len(t)),
    }
    for name, (top, bottom) in expected.items():
        value = getattr(overlap, name)(truth, predicted)
        assert value == pytest.approx(top / bottom) if bottom else math.isnan(value)


@settings(deadline=None, max_examples=40)
@given(masks)
def test_surfaces_are_symmetric_and_blind_to_mirroring(pair):
    truth, predicted = pair
    spacing = (0.7, 1.3, 2.0)[: truth.ndim]
    there, back = overlap.surfaces(truth, predicted, spacing), overlap.surfaces(predicted, truth, spacing)
    mirrored = overlap.surfaces(np.flip(truth, 0), np.flip(predicted, 0), spacing)
    for other in (back, mirrored):
        assert other.hausdorff(100) == pytest.approx(there.hausdorff(100), nan_ok=True)
        assert other.nsd(1.0) == pytest.approx(there.nsd(1.0), nan_ok=True)


def test_distances_equal_brute_force():
    rng = np.random.default_rng(0)
    truth, predicted = rng.random((6, 7, 5)) > 0.7, rng.random((6, 7, 5)) > 0.7
    spacing = np.array([2.0, 0.5, 1.0])
    result = overlap.surfaces(truth, predicted, spacing)

    def corners(mask):
        padded = np.pad(mask, 1).astype(int)
        views = [padded[i : i + 7, j : j + 8, k : k + 6] for i in (0, 1) for j in (0, 1) for k in (0, 1)]
        total = np.sum(views, axis=0)
        return np.argwhere((total > 0) & (total < 8)) * spacing

    between = cdist(corners(truth), corners(predicted))
    np.testing.assert_allclose(np.sort(result.from_truth), np.sort(between.min(1)))
    np.testing.assert_allclose(np.sort(result.from_prediction), np.sort(between.min(0)))


def test_area_of_a_box_and_of_a_ball():
    spacing = (2.0, 1.0, 0.5)
    box = np.zeros((30, 30, 30), bool)
    box[5:25, 5:25, 5:25] = True
    result = overlap.surfaces(box, box, spacing)
    exact = 2 * (40 * 20 + 40 * 10 + 20 * 10)
    assert result.area_truth.sum() == pytest.approx(exact, rel=0.06)  # edges are cut off
    ball = disc((41, 41, 41), (20, 20, 20), 15)
    area = overlap.surfaces(ball, ball).area_truth.sum()
    assert area == pytest.approx(4 * math.pi * 15**2, rel=0.12)


def test_sizes_know_the_axes():
    assert sizes((2.0, 3.0))[3] == 3.0
    assert sizes((2.0, 3.0))[5] == 2.0
    assert sizes((1.0, 1.0, 1.0))[15] == 1.0
    assert sizes((2.0, 3.0, 5.0))[15] == 15.0  # a face across the first axis
    np.testing.assert_array_equal(sizes((1.0, 2.0, 3.0)), sizes((1.0, 2.0, 3.0))[::-1])


def test_shifted_discs():
    truth, predicted = disc((40, 40), (20, 20), 10), disc((40, 40), (20, 23), 10)
    figures = overlap.overlap_figures(predicted, truth, spacing=(1.0, 0.5), tolerance=2.0, cldice=False)
    assert figures["hd95"] == pytest.approx(1.5, abs=0.3)
    assert figures["nsd"] == 1
    assert figures["dice"] > 0.7
    assert math.isnan(figures["cldice"])


def test_empty_masks_follow_the_stated_rule():
    nothing, something = np.zeros((3, 4), bool), np.eye(3, 4, dtype=bool)
    both = overlap.overlap_figures(nothing, nothing)
    assert all(math.isnan(v) for v in both.values())
    right = overlap.overlap_figures(nothing, nothing, empty="one")
    assert right == {**dict.fromkeys(overlap.MEASURES, 1.0), "hd95": 0.0}
    for predicted, truth in ((nothing, something), (something, nothing)):
        wrong = overlap.overlap_figures(predicted, truth, spacing=(2, 1))
        assert wrong == {**dict.fromkeys(overlap.MEASURES, 0.0), "hd95": math.sqrt(36 + 16)}
        assert overlap.overlap_figures(predicted, truth, missed="infinite")["hd95"] == math.inf


def test_centre_line_dice_sees_a_lost_vessel_that_dice_overlooks():
    truth = np.zeros((60, 60), bool)
    truth[25:35, 5:55] = True
    truth[5:55, 10] = True  # a thin branch
    without = truth.copy()
    without[5:25, 10] = without[35:55, 10] = False
    thinner = truth.copy()
    thinner[25] = False
    assert overlap.centre_line_dice(truth, truth) == 1
    assert overlap.dice(truth, without) > 0.9
    assert overlap.centre_line_dice(truth, without) < 0.85
    assert overlap.centre_line_dice(truth, thinner) > overlap.centre_line_dice(truth, without)


def test_centre_line_lies_inside_and_in_3d():
    tube = np.zeros((20, 9, 9), bool)
    tube[:, 2:7, 2:7] = True
    line = overlap.skeleton(np.pad(tube, 1))[1:-1, 1:-1, 1:-1]
    assert (line & ~tube).sum() == 0
    assert 0 < line.sum() < tube.sum() / 4
    assert overlap.centre_line_dice(tube, tube) == 1
    assert math.isnan(overlap.centre_line_dice(np.zeros_like(tube), np.zeros_like(tube)))


def test_shapes_must_fit():
    with pytest.raises(ValueError, match="one 2D or 3D shape"):
        overlap.surfaces(np.zeros((3, 3), bool), np.zeros((3, 4), bool))
    with pytest.raises(ValueError, match="one 2D or 3D shape"):
        overlap.surfaces(np.zeros((3, 3), bool), np.zeros((3, 3), bool), (1, 1, 1))


@pytest.mark.heavy
@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_dice_and_hausdorff_beside_monai():
    """MONAI measures between voxels of the border, not corners with areas: equal within a voxel's diagonal."""
    import torch
    from monai.metrics import compute_dice, compute_hausdorff_distance

    rng = np.random.default_rng(0)
    for seed in range(5):
        truth = disc((40, 40, 20), (20, 20, 10), 8)
        predicted = disc((40, 40, 20), (20 + seed, 20 - rng.integers(0, 3), 10), 7)
        both = [torch.tensor(m)[None, None].float() for m in (predicted, truth)]
        assert overlap.dice(truth, predicted) == pytest.approx(float(compute_dice(*both)), abs=1e-6)
        peer = float(compute_hausdorff_distance(*both, percentile=95, spacing=(1, 1, 2)))
        assert overlap.surfaces(truth, predicted, (1, 1, 2)).hausdorff(95) == pytest.approx(peer, abs=math.sqrt(6))


@pytest.mark.parametrize(
    ("step", "steps", "tolerance"), [(0.1, 3, 0.3), (float(np.float32(0.3)), 1, 0.3), (0.7, 3, 2.1)]
)
def test_a_surface_at_the_tolerance_is_within_it_whatever_floats_say(step, steps, tolerance):
    truth = np.zeros((12, 12, 12), bool)
    truth[3:6, 3:6, 3:6] = True
    moved = overlap.surfaces(truth, np.roll(truth, steps, 0), [step] * 3)
    assert moved.nsd(tolerance) == 1
    assert moved.nsd(tolerance - step / 100) < 1
