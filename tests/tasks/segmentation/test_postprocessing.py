"""The largest connected component of a class alone, where validation says so."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from scantune.mask_codes import IGNORED
from scantune.prediction import TensorPredictor
from scantune.preprocess.places import OwnGrid, Place
from scantune.statistics.overlap import dice
from scantune.tasks import scoring
from scantune.tasks.predictions import PredictionTable
from scantune.tasks.segmentation.settings import Segmentation
from scantune.tasks.segmentation.task import build
from scantune.tasks.segmentation.words import headline_notes, postprocessing

CLASSES = ("background", "liver", "lesion")


def logits_of(mask: np.ndarray, outputs: int = 3) -> torch.Tensor:
    """Logits [1, outputs, …space] whose labels are ``mask``."""
    return torch.nn.functional.one_hot(torch.from_numpy(mask).long(), outputs).movedim(-1, 0)[None] * 8.0


@pytest.fixture
def truth() -> np.ndarray:
    """One organ, two lesions."""
    mask = np.zeros((12, 12), np.uint8)
    mask[1:5, 1:5], mask[7:9, 1:3], mask[7:9, 6:8] = 1, 2, 2
    return mask


@pytest.fixture
def predicted(truth: np.ndarray) -> np.ndarray:
    """The truth and a second organ that is not there."""
    mask = truth.copy()
    mask[10:12, 9:12] = 1
    return mask


def test_a_class_is_its_largest_component_where_its_dice_on_validation_is_higher_so(truth, predicted):
    task = build(Segmentation(classes=CLASSES))
    rows = task.fit_rows(logits_of(predicted), torch.from_numpy(truth)[None], [Place()])
    assert rows.shape == (1, 2, 2)
    assert rows[0, 0] == pytest.approx([dice(predicted == 1, truth == 1), 1.0])
    assert rows[0, 1] == pytest.approx([1.0, 2 / 3])
    fitted = task.fit(rows, rows, ["a"])
    assert {name: entry["chosen"] for name, entry in fitted["largest_component"].items()} == {
        "liver": True,
        "lesion": False,
    }
    np.testing.assert_array_equal(task.prepared_masks(logits_of(predicted), fitted)[0], truth)
    np.testing.assert_array_equal(task.prepared_masks(logits_of(predicted))[0], predicted)
    off = build(Segmentation(classes=CLASSES, largest_component=False))
    rows = off.fit_rows(logits_of(predicted), torch.from_numpy(truth)[None], [Place()])
    assert off.fit(rows, rows, ["a"]) == {}


def test_it_is_chosen_on_the_grid_of_the_files_and_applied_there(truth, predicted):
    """On a file's grid of every third pixel, of which the second organ has one alone."""
    task = build(Segmentation(classes=CLASSES))
    grid = OwnGrid((4, 4), (3.0, 3.0), None, lambda values, _: values[::3, ::3], lambda labels: labels[::3, ::3])
    place = Place((1.0, 1.0), grid, lambda: truth[::3, ::3])
    rows = task.fit_rows(logits_of(predicted), torch.from_numpy(truth)[None], [place])
    assert rows[0, 0, 0] == dice(predicted[::3, ::3] == 1, truth[::3, ::3] == 1)
    fitted = {"largest_component": {"liver": {"chosen": True}}}
    columns = task.answers(logits_of(predicted).numpy(), truth[None], fitted, None, [place])
    assert columns["dice_prepared"][0] == 1.0


def test_nothing_is_chosen_without_a_gain_and_what_is_undefined_is_null():
    task = build(Segmentation(classes=CLASSES))
    nothing = np.zeros((6, 6), np.uint8)
    nothing[:, 3:] = IGNORED
    blob = np.zeros((6, 6), np.uint8)
    blob[1, 1] = 1
    rows = task.fit_rows(logits_of(blob), torch.from_numpy(nothing)[None], [Place()])
    fitted = task.fit(rows, rows, ["a"])
    assert not any(entry["chosen"] for entry in fitted["largest_component"].values())
    assert fitted["largest_component"]["lesion"] == {"chosen": False, "dice_all": None, "dice_largest": None}
    json.dumps(fitted, allow_nan=False)


def test_of_labels_that_overlap_one_loses_its_rest_alone():
    task = build(Segmentation(classes=CLASSES, overlapping=True))
    mask = np.zeros((8, 8), np.uint8)
    mask[1:5, 1:5] = 1  # liver
    mask[2, 2] = mask[6, 6] = 3  # liver and lesion
    output = torch.stack([torch.from_numpy((mask >> i) & 1) * 8.0 - 4 for i in range(2)])[None]
    (cleaned,) = task.prepared_masks(output, {"largest_component": {"liver": {"chosen": True}}})
    expected = mask.copy()
    expected[6, 6] = 2
    np.testing.assert_array_equal(cleaned, expected)


def test_every_mask_of_the_predictor_is_cleaned(truth, predicted):
    class Fixed(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return logits_of(predicted).expand(len(x), -1, -1, -1)

    fitted = {"largest_component": {"liver": {"chosen": True}}}
    predictor = TensorPredictor([Fixed()], build(Segmentation(classes=CLASSES)), fitted)
    output = predictor.output(torch.zeros(1, 1, 12, 12))
    np.testing.assert_array_equal(predictor.masks(output)[0], truth)
    np.testing.assert_array_equal(predictor.file_masks(output, [Place()])[0], truth)
    assert predictor.columns(output, truth[None])["dice/liver"][0] == 1.0
    assert predictor.columns(output)["volume_prediction/liver"][0] == 16
    assert predictor.with_fitted({}).columns(output, truth[None])["dice/liver"][0] < 1.0


def test_metrics_json_report_and_card_say_what_was_chosen(truth, predicted):
    task = build(Segmentation(classes=CLASSES))
    rows = task.fit_rows(logits_of(predicted), torch.from_numpy(truth)[None], [Place()])
    fitted = {**task.fit(rows, rows, ["a"]), "fitted_on": "validation"}
    columns = task.answers(logits_of(predicted).numpy(), truth[None], fitted)
    names = [f"s{i}" for i in range(4)]
    repeated = {name: np.repeat(values, 4) for name, values in columns.items()}
    table = PredictionTable.make({"sample_id": names, "subject_id": names, **repeated})
    scores = scoring.evaluate(table, Segmentation(classes=CLASSES), draws=200, served=fitted)
    assert scores["postprocessing"] == fitted
    (line,) = postprocessing(scores)
    assert "largest connected component" in line
    assert "on validation: liver (from 0.842 to 1.000)" in line
    assert line in headline_notes(scores)
    fitted["largest_component"]["liver"]["chosen"] = False
    assert "All connected components are kept" in postprocessing({"postprocessing": fitted})[0]
    assert postprocessing({}) == []


def test_components_below_a_size_are_removed_on_the_grid_of_the_file():
    """Components of 1, 2 and 4 pixels, two of them neighbours by a corner: of 6, 12 and 24 mm² at 2 by 3 mm."""
    mask = np.zeros((8, 8), np.uint8)
    mask[0, 0], mask[3, 3], mask[4, 4], mask[6:8, 0:2] = 1, 1, 1, 1
    mask[0, 6] = 2  # a class of its own, of one pixel
    grid = OwnGrid((8, 8), (2.0, 3.0), None, lambda values, _: values, lambda labels: labels)

    def sizes(least: float | None, place: Place, **settings: object) -> list[int]:
        task = build(Segmentation(classes=CLASSES, min_component=least, **settings))
        (cleaned,) = task.file_masks(logits_of(mask), [place])
        (prepared,) = task.prepared_masks(logits_of(mask), {}, [place])
        np.testing.assert_array_equal(cleaned, prepared)
        columns = task.answers(logits_of(mask).numpy(), mask[None], {}, None, [place])
        pixel = 6 if place.own is not None and place.own.spacing else 1
        assert columns["volume_prediction"][0] == pixel * np.count_nonzero(cleaned)
        return [int((cleaned == label).sum()) for label in (1, 2)]

    own = Place((2.0, 3.0), grid)
    assert sizes(None, own) == [7, 1]
    assert sizes(6, own) == [7, 1], "what has this size stays"
    assert sizes(6.5, own) == [6, 0]
    assert sizes(12.5, own) == [4, 0]
    assert sizes(25, own) == [0, 0]
    assert sizes(2, Place()) == [6, 0], "pixels without a spacing"
    assert sizes(2, own) == [7, 1]


def test_pixels_of_a_file_without_spacing_are_counted_on_the_prepared_grid_too():
    """Of every third pixel of the file: one prepared pixel is nine of the file."""
    grid = OwnGrid((18, 18), None, None, lambda v, _: v.repeat(3, 0).repeat(3, 1), lambda labels: labels, pixels=9.0)
    mask = np.zeros((6, 6), np.uint8)
    mask[0, 0], mask[3:5, 3] = 1, 1
    for least, expected in ((9, 3), (10, 2), (18, 2), (19, 0)):
        task = build(Segmentation(min_component=least))
        output = torch.from_numpy(mask)[None, None] * 8.0 - 4
        (prepared,), (cleaned,) = (
            task.prepared_masks(output, {}, [Place(None, grid)]),
            task.file_masks(output, [Place(None, grid)]),
        )
        assert np.count_nonzero(prepared) == expected
        assert np.count_nonzero(cleaned) == 9 * expected


def test_of_labels_that_overlap_a_small_one_loses_its_own_bit_alone():
    mask = np.zeros((8, 8), np.uint8)
    mask[1:5, 1:5], mask[2, 2] = 1, 3  # a lesion of one pixel inside the liver
    task = build(Segmentation(classes=CLASSES, overlapping=True, min_component=2))
    output = torch.stack([torch.from_numpy((mask >> i) & 1) * 8.0 - 4 for i in range(2)])[None]
    (cleaned,) = task.prepared_masks(output)
    np.testing.assert_array_equal(cleaned, (mask > 0).astype(np.uint8))


def test_report_and_card_state_the_size(truth, predicted):
    task = build(Segmentation(classes=CLASSES, min_component=7, largest_component=False))
    columns = task.answers(logits_of(predicted).numpy(), truth[None], {})
    assert columns["dice/liver"][0] == 1.0
    repeated = {name: np.repeat(values, 4) for name, values in columns.items()}
    names = [f"s{i}" for i in range(4)]
    table = PredictionTable.make({"sample_id": names, "subject_id": names, **repeated})
    scores = scoring.evaluate(table, task.metrics.settings, draws=200, served={})
    assert scores["postprocessing"] == {"min_component": 7}
    assert "smaller than 7" in postprocessing(scores)[0]
    assert "postprocessing" not in scoring.evaluate(table, task.metrics.settings, draws=200), "of another program"


def test_one_sample_that_gains_much_does_not_choose_where_more_lose():
    dice = np.array([[[0.79, 0.77]], [[0.75, 0.74]], [[0.64, 0.71]]])
    task = build(Segmentation(classes=("background", "vessel")))
    assert not task.fit(dice, dice, ["a", "b", "c"])["largest_component"]["vessel"]["chosen"]
    dice[1, 0, 1] = 0.76
    assert task.fit(dice, dice, ["a", "b", "c"])["largest_component"]["vessel"]["chosen"]
