"""Which task a column of a table is proposed for."""

import pytest

from scantune.tasks.classification.settings import Classification
from scantune.tasks.regression.settings import Regression
from scantune.tasks.suggestion import LabelTable


@pytest.mark.parametrize(
    ("cells", "task"),
    [
        (["benign", "malignant", "benign"], "classification"),
        (["0", "1", "1", ""], "classification"),
        (["1.0", "2.0", "3.0", "2.0"], "classification"),  # whole numbers as a spreadsheet writes them
        ([f"{number / 10}" for number in range(10)], "regression"),  # a quality score of ten values
        (["0", "0.5", "1"], "regression"),
        ([str(number) for number in range(11)], "regression"),
    ],
)
def test_fractions_and_many_numbers_are_measured_and_words_and_few_whole_numbers_are_classes(cells, task):
    table = LabelTable({"label": cells}, "label")
    suggested = [kind.suggest(table) for kind in (Classification, Regression)]
    assert [one.task["name"] for one in suggested if one] == [task]
