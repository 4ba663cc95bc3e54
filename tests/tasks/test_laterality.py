"""Which answers change places in a mirrored image."""

import pytest

from scantune.pipeline.train.augmentation import settled
from scantune.tasks.classification.task import ClassificationTask
from scantune.tasks.laterality import mirrored, pairs
from scantune.tasks.regression.settings import Regression
from scantune.tasks.regression.task import RegressionTask


def test_by_name_or_as_stated():
    names = ("right_effusion", "cardiomegaly", "left_effusion", "right_nodule")
    assert pairs(names) == {"right_effusion": "left_effusion"}
    assert mirrored(names) == (2, 1, 0, 3)
    assert mirrored(("Effusion right", "bright spot", "Effusion left", "LEFT-LUNG", "RIGHT-LUNG")) == (2, 1, 0, 4, 3)
    assert mirrored(("a", "b"), {"a": "b"}) == (1, 0)
    assert mirrored(("a", "b"), {}) == (0, 1)


def regression(*names: str) -> RegressionTask:
    return RegressionTask(Regression(name="regression", targets=dict.fromkeys(names)))


@pytest.mark.parametrize(
    ("task", "sided"),
    [
        (ClassificationTask("organ", ("liver", "kidney-left", "kidney-right")), True),
        (ClassificationTask("side", ("Left", "Right"), sigmoid=True), True),
        (ClassificationTask("organ", ("liver", "spleen")), False),
        (ClassificationTask("side", ("none", "left")), True),
        (ClassificationTask("right_effusion", ("0", "1"), sigmoid=True), True),
        (ClassificationTask("look", ("bright", "leftover")), False),
        (RegressionTask(Regression(name="regression", target="hippocampus right")), True),
        (regression("hippocampus left", "hippocampus right"), True),
        (regression("age", "weight"), False),
    ],
)
def test_the_usual_set_does_not_mirror_where_left_and_right_are_different_answers(task, sided):
    assert task.sided is sided
    assert settled({"default": True}, task).get("flip_left_right") == (0.0 if sided else None)
    stated = {"default": True, "flip_left_right": 0.5}
    assert settled(stated, task) == stated
    assert settled({}, task) == {}
