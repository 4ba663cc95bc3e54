"""What the tasks' settings refuse, and what they derive."""

import pytest
from pydantic import ValidationError

from scantune.config.base import documentation
from scantune.config.evaluate import EvaluateConfig
from scantune.records import ScantuneError
from scantune.tasks.classification.settings import Classification
from scantune.tasks.regression.settings import Regression
from scantune.tasks.segmentation.settings import Segmentation
from scantune.tasks.zones.settings import Zones


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Regression(range=(3, 3)), "must be below the highest"),
        (lambda: Regression(score_ranges=(5, 5)), "cut points must ascend"),
        (lambda: Regression(aggregate="vote"), "aggregates by mean, median or max"),
        (lambda: Regression(significant_error=0), "greater than 0"),
        (lambda: Regression(significant=2), "Extra inputs"),
        (lambda: Classification(classes=["a", "a"]), "occurs twice"),
        (lambda: Classification(classes=["a", "b"], positive="c"), "not one of the classes"),
        (lambda: Classification(classes=["1", "1.0"]), "'1' and '1.0' are one class"),
        (lambda: Classification(classes=["a|b", "c"]), r"'a\|b' has a \|, which separates classes"),
        (lambda: Classification(classes=[False, True]), r"False is a boolean in YAML.* in quotes.*'False'"),
        (lambda: Classification(sensitivities=(1.0,)), "between 0 and 1"),
        (lambda: Zones(zones=("a", "a")), "occurs twice"),
        (lambda: Zones(cut_offs=(2.2, 1.3)), "ascending"),
        (lambda: Zones(sides={"right_sup": "elsewhere"}), "not one of the zones"),
        (lambda: Segmentation(classes=("background", "a", "a")), "occurs twice"),
        (lambda: Segmentation(classes=tuple(map(str, range(256)))), "256 classes, at most 255"),
        (lambda: Segmentation(nsd_tolerance=-1), "greater than 0"),
        (lambda: EvaluateConfig(age_bands=(40, 18)), "must ascend"),
        (lambda: EvaluateConfig(confidence=0.3), "greater than 0.5"),
    ],
)
def test_refused(make, message):
    with pytest.raises(ValidationError, match=message):
        make()


def test_numbers_become_the_names_of_classes():
    made = Classification(classes=[0, 1], positive=1)
    assert made.classes == ("0", "1")
    assert made.positive == "1"


def test_mirroring_swaps_left_and_right_zones():
    six = Zones()
    assert six.mirrored() == (1, 0, 3, 2, 5, 4)
    assert six.pairs()["right_mid"] == "left_mid"
    assert six.classes == ("0", "1", "2", "3", "ungradable")
    assert Zones(zones=("right_top", "middle", "left_top")).mirrored() == (2, 1, 0)
    assert Zones(zones=("a", "b"), sides={"a": "b"}).mirrored() == (1, 0)


def test_cut_points_inside_the_range_only():
    assert Regression(range=(0, 34), score_ranges=(5, 15)).cuts() == (5, 15)
    assert Regression(range=(0, 10), score_ranges=(5, 15)).cuts() == (5,)
    assert Regression(range=(0, 1), score_ranges=(5, 15)).cuts() == ()
    assert Regression(score_ranges=(5, 15)).cuts() == (5, 15)
    assert Regression().cuts() == ()


def test_short_form_of_joining():
    assert Classification(aggregate="vote").aggregate.by == "subject_id"
    assert Zones(aggregate={"name": "max", "by": "study"}).aggregate.by == "study"


def test_every_setting_is_documented():
    for schema in (Regression, Classification, Zones, Segmentation, EvaluateConfig):
        assert set(schema.model_fields) - set(documentation(schema)) <= {"name"}, schema.__name__


def test_a_positive_class_that_the_data_lack_is_told_before_the_training():
    rows = [{"label": text} for text in ("0", "1", "1.0", "")]
    assert Classification(target="label", positive=1).classes_in(rows)[0] == "0"
    with pytest.raises(ScantuneError, match=r"task\.positive: 'yes' is not one of the classes in the data: 0, 1"):
        Classification(target="label", positive="yes").classes_in(rows)
