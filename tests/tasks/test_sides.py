"""Which answers change places in a mirrored image."""

import numpy as np
import pytest

from scantune.tasks.classification.settings import Classification
from scantune.tasks.classification.task import ClassificationTask
from scantune.tasks.regression.settings import Regression
from scantune.tasks.regression.task import RegressionTask
from scantune.tasks.sides import mirrored, pairs


def test_by_name_or_as_stated():
    names = ("right_effusion", "cardiomegaly", "left_effusion", "right_nodule")
    assert pairs(names) == {"right_effusion": "left_effusion"}
    assert mirrored(names) == (2, 1, 0, 3)
    assert mirrored(("a", "b"), {"a": "b"}) == (1, 0)
    assert mirrored(("a", "b"), {}) == (0, 1)


@pytest.mark.parametrize(
    ("names", "places"),
    [
        (("liver", "kidney-right", "kidney-left"), (0, 2, 1)),
        (("Left", "Right", "none"), (1, 0, 2)),
        (("volume left", "volume right"), (1, 0)),
        (("bright", "left", "upright"), (0, 1, 2)),  # no word right
        (("right lung", "Left Lung"), (1, 0)),
    ],
)
def test_by_the_words_wherever_they_stand(names, places):
    assert mirrored(names) == places


@pytest.mark.parametrize("sigmoid", [False, True])
def test_a_mirrored_kidney_is_of_the_other_side(sigmoid):
    names = ("kidney-left", "kidney-right") if sigmoid else ("liver", "kidney-left", "kidney-right")
    task = ClassificationTask("organ", names, sigmoid=sigmoid)
    left, right = (task.encode({"organ": name}) for name in names[-2:])
    flipped = task.flip(left)
    assert flipped.dtype == left.dtype
    assert flipped.shape == left.shape
    np.testing.assert_array_equal(flipped, right)
    np.testing.assert_array_equal(task.flip(right), left)
    assert sigmoid or task.flip(task.encode({"organ": "liver"})) == 0
    assert task.sided
    assert Classification(name="classification", target="organ", classes=names).sided
    assert not ClassificationTask("organ", ("liver", "spleen")).sided


def test_measures_of_both_sides_change_places():
    settings = Regression(name="regression", targets={"age": None, "hippocampus left": None, "hippocampus right": None})
    task = RegressionTask(settings)
    target = task.encode({"age": "70", "hippocampus left": "3.1", "hippocampus right": "2.9"})
    np.testing.assert_array_equal(task.flip(target), np.array([70, 2.9, 3.1], np.float32))
    assert task.sided
    assert settings.sided
    one = RegressionTask(Regression(name="regression", target="age"))
    np.testing.assert_array_equal(one.flip(one.encode({"age": "70"})), np.array([70], np.float32))
