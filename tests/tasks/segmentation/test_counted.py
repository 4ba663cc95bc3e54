"""A segmentation with pixels that do not count, labels that overlap, and masks of other readers."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from scantune.mask_codes import IGNORED
from scantune.prediction import mean_output
from scantune.preprocess.places import OwnGrid, Place
from scantune.statistics.overlap import dice
from scantune.tasks import scoring
from scantune.tasks.predictions import PredictionTable
from scantune.tasks.segmentation import saliency
from scantune.tasks.segmentation.settings import Segmentation
from scantune.tasks.segmentation.task import SegmentationTask, build

NESTED = ("background", "disc", "cup")


def own(array: np.ndarray) -> OwnGrid:
    """The grid of a picture that was not resized."""
    return OwnGrid(array.shape, (0.5, 0.5), None, lambda values, _: values, lambda labels: labels)


def test_metrics_and_volumes_are_of_the_pixels_that_count():
    task = SegmentationTask(Segmentation(classes=("background", "vessel")))
    truth = np.zeros((12, 12), np.uint8)
    truth[2:8, 2:8] = 1
    predicted = np.roll(truth, 1, axis=0)
    predicted[10:] = 1  # false positives where nothing counts
    partly = truth.copy()
    partly[9:] = IGNORED
    cut = predicted[:9], truth[:9]
    measured = task.measured(predicted, partly, (2.0, 2.0))
    assert measured == pytest.approx(task.measured(*cut, (2.0, 2.0)))
    assert measured["volume_prediction"] == 4 * 36
    sums = task.reduce(torch.from_numpy(predicted * 2.0 - 1)[None, None], {"target": torch.from_numpy(partly)[None]})
    assert sums[0, 0].tolist() == [(cut[0] & cut[1]).sum(), cut[0].sum(), cut[1].sum()]


def test_overlapping_labels_have_an_output_each():
    task = build(Segmentation(classes=NESTED, overlapping=True))
    assert (task.outputs, task.class_axis) == (2, "each")
    logits = torch.tensor([[[2.0, 2.0, -1.0]], [[-3.0, 4.0, 5.0]]])[None]  # [1, 2, 1, 3]
    assert task.masks(logits).tolist() == [[[1, 3, 2]]]
    truth = np.array([[1, 3, 3]], np.uint8)
    row = task.measured(task.masks(logits)[0].numpy().astype(np.uint8), truth, None)
    assert row["dice/disc"] == pytest.approx(dice(truth & 1 > 0, np.array([[True, True, False]])))
    assert row["dice/cup"] == 1
    assert (row["volume_target/disc"], row["volume_target/cup"], row["volume_target"]) == (3, 2, 3)
    place = Place(own=own(truth))
    np.testing.assert_array_equal(task.file_masks(logits, [place])[0], [[1, 3, 2]])
    assert saliency.subject(task, (0,)) == "disc"
    questions = saliency.questions(logits[0], task)
    assert [float(q.target(logits[0])) for q in questions] == [2, 4.5]
    assert [label for _, label in saliency.mask_questions(task, logits[0], None, {})] == [1, 2]


def test_outputs_of_several_networks_are_averaged_label_by_label():
    first, second = torch.tensor([[[[3.0]], [[-2.0]]]]), torch.tensor([[[[-1.0]], [[-2.0]]]])
    mean = mean_output([first, second], "each").sigmoid()
    torch.testing.assert_close(mean, (first.sigmoid() + second.sigmoid()) / 2)


def test_more_overlapping_classes_than_bits_are_refused():
    with pytest.raises(ValueError, match="8 classes that may overlap, at most 7"):
        Segmentation(classes=tuple("abcdefghi"), overlapping=True)


@pytest.fixture
def table() -> dict[str, np.ndarray]:
    """Columns of two samples, of which a reader has drawn the first."""
    task = SegmentationTask(Segmentation(classes=("background", "vessel"), cldice=False))
    truth = np.zeros((1, 10, 10), np.uint8)
    truth[:, 2:8, 2:8] = 1
    model, reader = np.roll(truth[0], 1, axis=0), np.roll(truth[0], 2, axis=1)
    grid = own(truth[0])
    places = [
        Place(own=grid, truth=lambda: truth[0], readers={"second": lambda: reader}),
        Place(own=grid, truth=lambda: truth[0], readers={"second": None}),
    ]
    logits = np.repeat((model * 8.0 - 4)[None, None], 2, axis=0)
    return task.answers(logits, np.repeat(truth, 2, axis=0), {}, None, places)


def test_a_reader_is_compared_with_the_reference_and_with_the_model(table):
    assert table["dice"][0] == pytest.approx(5 / 6)
    assert table["rater/second/dice"][0] == pytest.approx(4 / 6)
    assert table["rater/second/model/dice"][0] == pytest.approx(20 / 36)
    assert table["rater/second/hd95"][0] == pytest.approx(1.0)  # two pixels of 0.5 mm
    assert np.isnan(table["rater/second/dice"][1])


def test_metrics_json_has_the_reader_beside_the_model():
    rng = np.random.default_rng(3)
    n = 12
    own_dice, reader = rng.uniform(0.7, 0.8, n), rng.uniform(0.75, 0.85, n)
    reader[:2] = np.nan
    names = [f"s{i}" for i in range(n)]
    columns = {"rater/second/dice": reader, "rater/second/model/dice": own_dice - 0.1}
    table = PredictionTable.make({"sample_id": names, "subject_id": names, "dice": own_dice, **columns})
    metrics = scoring.evaluate(table, Segmentation(), draws=200)
    pairs, beside = metrics["raters"]["pairs"], metrics["raters"]["beside"]["second"]["dice"]
    assert pairs["second and reference"]["dice"]["value"] == pytest.approx(np.nanmean(reader))
    assert pairs["model and reference"]["dice"]["value"] == pytest.approx(own_dice[2:].mean())
    assert pairs["model and reference"]["dice"]["n"] == 10
    difference = (own_dice - reader)[2:]
    assert beside["value"] == pytest.approx(difference.mean())
    assert beside["lower"] < beside["value"] < beside["upper"]
    assert not [name for name in metrics["metrics"] if name.startswith("rater")]
    assert metrics["subgroups"] == {}
