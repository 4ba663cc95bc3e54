from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np

from scantune.tasks import errors
from scantune.tasks.classification.settings import Classification
from scantune.tasks.predictions import PredictionTable
from scantune.tasks.regression.settings import Regression
from scantune.tasks.segmentation.settings import Segmentation
from scantune.tasks.zones.settings import Zones


def table(n: int, **columns: object) -> PredictionTable:
    identity = {"sample_id": [f"s{i}" for i in range(n)], "split": ["test"] * (n - 1) + ["validation"]}
    return PredictionTable.make(identity | columns)  # type: ignore[arg-type]


def test_false_positives_and_negatives_come_worst_first() -> None:
    p = np.array([0.9, 0.4, 0.1, 0.6, 0.2])
    result = errors.sample_errors(
        table(5, target=["no", "yes", "yes", "yes", "no"], **{"p/no": 1 - p, "p/yes": p}),
        Classification(positive="yes"),
    )
    wrong = errors.worst(result)
    assert [(w.sample_id, w.kind) for w in wrong] == [
        ("s0", "false positive"), ("s2", "false negative"), ("s1", "false negative"),
    ]  # fmt: skip
    assert wrong[0].prediction == wrong[0].answer == "yes (0.90)"
    assert replace(wrong[0], interval="{no, yes}").answer == "yes (0.90), set {no, yes}"
    assert replace(wrong[0], interval="1 to 2").answer == "yes (0.90) (1 to 2)"
    assert errors.in_words(result, Classification()) == "3 of 4 test samples are misclassified"


def test_the_largest_regression_errors_are_shown_though_none_is_significant() -> None:
    result = errors.sample_errors(
        table(4, target=np.array([1.0, 2.0, 3.0, 4.0]), prediction=np.array([1.5, 0.9, 3.0, 9.0])), Regression()
    )
    assert errors.worst(result) == []
    filled = errors.worst(result, at_least=2)
    assert [w.sample_id for w in filled] == ["s1", "s0"]
    assert [w.kind for w in filled] == ["too low", "too high"]
    assert filled[0].error == "−1.10"


def test_zones_are_measured_by_the_grades_they_are_off() -> None:
    schema = Zones(zones=("right_sup", "left_sup"), grades=3)
    columns: dict[str, object] = {"target/right_sup": ["0", "2", "0"], "target/left_sup": ["1", "ungradable", "0"]}
    for zone, grades in (("right_sup", (2, 2, 0)), ("left_sup", (1, 0, 0))):
        for k, name in enumerate(schema.classes):
            columns[f"p/{zone}/{name}"] = np.array([1.0 if code == k else 0.0 for code in grades])
    result = errors.sample_errors(table(3, **columns), schema)
    assert [(f.size, f.kind, f.target, f.prediction) for f in result] == [
        (2.0, "1 of 2 zones", "0 1", "2 1"), (1.0, "1 of 2 zones", "2 –", "2 0"),
    ]  # fmt: skip


def test_an_undefined_dice_is_no_error_and_no_success() -> None:
    result = errors.sample_errors(table(4, dice=np.array([0.9, np.nan, 0.2, 1.0])), Segmentation())
    assert [w.sample_id for w in errors.worst(result, at_least=9)] == ["s2", "s0"]
    assert result[1].wrong is False


def test_the_file_has_sample_ids_alone_and_no_formula(tmp_path: Path) -> None:
    predictions = PredictionTable.make(
        {
            "sample_id": ["=HYPERLINK(1)", "b"],
            "subject_id": ["secret", "secret2"],
            "target": ["@x", "b"],
            "p/@x": np.array([0.1, 0.2]),
            "p/b": np.array([0.9, 0.8]),
            "site": ["+site", "-"],
        }
    )
    wrong = errors.worst(errors.sample_errors(predictions, Classification()))
    errors.write_errors(wrong, tmp_path / "errors.csv")
    text = (tmp_path / "errors.csv").read_text()
    rows = list(csv.reader(text.splitlines()))
    assert rows[0][:4] == ["rank", "sample_id", "kind", "target"]
    assert rows[1][1] == "'=HYPERLINK(1)"
    assert rows[1][3] == "'@x"
    assert "secret" not in text
    assert not any(cell.startswith(("=", "+", "@")) for row in rows for cell in row)


def test_a_label_is_doubtful_where_another_class_is_as_sure_as_on_its_own_samples(tmp_path: Path) -> None:
    """The confident joint by hand: mean probabilities of a .55, of b .66 and of c .90 on the samples labelled so."""
    p = np.array([
        [0.95, 0.03, 0.02], [0.65, 0.30, 0.05],  # labelled a
        [0.10, 0.85, 0.05], [0.02, 0.93, 0.05], [0.75, 0.20, 0.05],  # labelled b; the last is surely a
        [0.02, 0.08, 0.90], [0.02, 0.08, 0.90], [0.02, 0.08, 0.90],  # labelled c
        [0.05, 0.90, 0.05],  # labelled a: surely b
    ])  # fmt: skip
    target = list("aabbbccca")
    a, b = p[[0, 1, 8], 0].mean(), p[2:5, 1].mean()
    assert p[4, 0] > a
    assert p[8, 1] > b
    samples = errors.sample_errors(
        PredictionTable.make(
            {"sample_id": [f"s{i}" for i in range(9)], "target": target}
            | {f"p/{name}": p[:, k] for k, name in enumerate("abc")}
        ),
        Classification(),
    )
    assert [s.sample_id for s in samples if s.doubtful] == ["s4", "s8"]
    assert errors.doubts_in_words(samples).endswith("of the predicted class: s8, s4")
    errors.write_errors(errors.worst(samples), tmp_path / "errors.csv")
    with (tmp_path / "errors.csv").open() as file:
        assert [(r["sample_id"], r["check_label"]) for r in csv.DictReader(file)] == [("s8", "yes"), ("s4", "yes")]


def test_an_unsure_error_casts_no_doubt_on_its_label() -> None:
    p = np.array([0.95, 0.94, 0.6, 0.05, 0.06])
    samples = errors.sample_errors(
        PredictionTable.make(
            {
                "sample_id": [f"s{i}" for i in range(5)],
                "target": ["yes", "yes", "no", "no", "no"],
                "p/no": 1 - p,
                "p/yes": p,
            }
        ),
        Classification(positive="yes"),
    )
    assert [s.sample_id for s in samples if s.wrong] == ["s2"]
    assert errors.doubts_in_words(samples) == ""
