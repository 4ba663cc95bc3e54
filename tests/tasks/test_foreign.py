"""Predictions files as other tools write them: what their columns settle, logits, calls, gaps, several files."""

import csv
import re

import numpy as np
import pandas as pd
import pytest

from scantune.records import ScantuneError
from scantune.tasks.foreign import load, settings_for
from scantune.tasks.predictions import PredictionsError, PredictionTable, write
from scantune.tasks.scoring import score_file
from scantune.tasks.several import score_files

N = 60


def rng():
    return np.random.default_rng(3)


def saved(folder, columns, name="predictions.csv"):
    path = folder / name
    write(PredictionTable.make({"sample_id": [f"x{i}" for i in range(N)], **columns}), path)
    return path


def classes(sharp=2.0, seed=3):
    r = np.random.default_rng(seed)
    y = r.integers(0, 3, N)
    z = r.normal(size=(N, 3))
    z[np.arange(N), y] += sharp
    return y, z


def softmax(z):
    e = np.exp(z - z.max(1, keepdims=True))
    return e / e.sum(1, keepdims=True)


def graded(grades, ungradable, zones=("apex", "base")):
    r = rng()
    columns = {}
    for zone in zones:
        y = r.integers(0, grades, N)
        p = r.dirichlet(np.ones(grades + ungradable), N)
        p[np.arange(N), y] += 0.5
        p /= p.sum(1, keepdims=True)
        columns[f"target/{zone}"] = y
        names = [*map(str, range(grades)), *["ungradable"][:ungradable]]
        columns |= {f"p/{zone}/{c}": p[:, k] for k, c in enumerate(names)}
    return columns


@pytest.mark.parametrize("grades", [3, 4, 6])
@pytest.mark.parametrize("ungradable", [0, 1])
def test_zones_and_grades_are_those_of_the_columns(tmp_path, grades, ungradable):
    path = saved(tmp_path, graded(grades, ungradable))
    result = score_file(path, "zones", draws=50)
    settings = settings_for("zones", {}, list(graded(grades, ungradable)))
    assert (settings.zones, settings.grades) == (("apex", "base"), grades)
    assert result["metrics"]["kappa_quadratic"]["n_subjects"] == N
    assert f"f1/{grades - 1}" in result["metrics"]
    if not ungradable:
        assert result["metrics"]["coverage"]["value"] == 1


def test_a_number_of_grades_that_the_file_contradicts_is_refused(tmp_path):
    path = saved(tmp_path, graded(4, 0))
    settings = settings_for("zones", {"grades": 3}, list(graded(4, 0)))
    with pytest.raises(PredictionsError, match="column p/apex/3: with grades: 3 the grades are 0 to 2; state 4"):
        score_file(path, settings)
    with pytest.raises(PredictionsError, match="columns of unknown classes: p/apex/5"):
        score_file(saved(tmp_path, graded(6, 1)), settings_for("zones", {"grades": 4}, list(graded(6, 1))))


def test_logits_are_scored_as_their_probabilities(tmp_path):
    y, z = classes()
    names = ("a", "b", "c")
    truth = {"target": np.array(names)[y]}
    plain = saved(tmp_path, truth | {f"p/{c}": softmax(z)[:, k] for k, c in enumerate(names)}, "p.csv")
    logits = saved(tmp_path, truth | {f"logit/{c}": z[:, k] for k, c in enumerate(names)}, "z.csv")
    result = [score_file(path, "classification", draws=50) for path in (plain, logits)]
    assert "read_as" not in result[0]
    assert result[1]["read_as"] == ["probabilities: softmax of the columns logit/…"]
    for name in ("auroc", "brier", "accuracy"):
        assert result[1]["metrics"][name]["value"] == pytest.approx(result[0]["metrics"][name]["value"])


def test_one_logit_of_two_classes_and_of_findings_goes_through_the_logistic_function(tmp_path):
    y, z = classes()
    two = saved(tmp_path, {"target": y == 1, "logit/1": z[:, 1]}, "two.csv")
    table, notes = load(two, settings_for("classification", {}))
    np.testing.assert_allclose(table.columns["p/1"], 1 / (1 + np.exp(-z[:, 1])))
    assert notes == ["probabilities: the logistic function of the columns logit/…"]
    both = {"target/x": y == 1, "target/y": y == 2, "logit/x": z[:, 1], "logit/y": z[:, 2]}
    result = score_file(saved(tmp_path, both, "findings.csv"), "multilabel", draws=50)
    assert result["metrics"]["auroc/x"]["value"] > 0.5


def test_a_readers_classes_count_as_probabilities_0_and_1(tmp_path):
    y, z = classes()
    path = saved(tmp_path, {"target": y, "prediction": z.argmax(1)})
    result = score_file(path, "classification", draws=50)
    assert result["metrics"]["accuracy"]["value"] == pytest.approx((y == z.argmax(1)).mean())
    assert result["read_as"] == ["probabilities: 0 and 1, by the classes in prediction"]


def test_a_class_that_nobody_called_has_its_column(tmp_path):
    three = {"target": ["a", "b", "a", "b"] * 15, "prediction": ["a", "b", "b", "b"] * 15}
    path = saved(tmp_path, three)
    result = score_file(path, settings_for("classification", {"classes": ["c", "a", "b"]}), draws=50)
    assert result["confusion"] == {"classes": ["c", "a", "b"], "matrix": [[0, 0, 0], [0, 15, 15], [0, 0, 30]]}
    grades = {f"{kind}/{zone}": [0, 1, 2, 0] * 15 for kind in ("target", "prediction") for zone in ("upper", "lower")}
    grades["prediction/lower"] = [0, 1, 1, 4] * 15  # 4 of 4 grades: cannot be graded
    result = score_file(saved(tmp_path, grades, "zones.csv"), "zones", draws=50)
    assert result["metrics"]["coverage/upper"]["value"] == 1
    assert result["metrics"]["coverage/lower"]["value"] == 0.75
    assert result["metrics"]["f1_macro/upper"]["value"] == 1


def test_a_call_of_a_finding_is_1_or_0(tmp_path):
    columns = {"target/x": [0, 1] * 30, "prediction/x": ["0.7", "yes"] * 30}
    message = "column prediction/x: a call is 1 or 0; probabilities belong in p/x: row 2 ('0.7'), row 3 ('yes')"
    with pytest.raises(PredictionsError, match=re.escape(message)):
        score_file(saved(tmp_path, columns), "multilabel")


def test_logits_of_classes_with_a_slash_in_their_names_go_through_one_softmax(tmp_path):
    path = saved(tmp_path, {"target": ["T1/T2", "T3"] * 30, "logit/T1/T2": [2.0, 0] * 30, "logit/T3": [0.0, 1] * 30})
    table, notes = load(path, settings_for("classification", {}))
    np.testing.assert_allclose(table.columns["p/T3"][:2], 1 / (1 + np.exp([2.0, -1])))
    assert "softmax" in notes[0]


@pytest.mark.parametrize(
    ("task", "columns", "column"),
    [
        ("classification", {"target": ["a", "b"] * 30, "p/a": [0.2] * 59 + [np.nan], "p/b": [0.8] * 60}, "p/a"),
        ("regression", {"target": np.arange(60), "prediction": [1.0] * 59 + [np.nan]}, "prediction"),
        ("multilabel", {"target/a": [0, 1] * 30, "p/a": [0.2] * 59 + [np.nan]}, "p/a"),
        (
            "survival",
            {"target/time": np.arange(60), "target/event": [0, 1] * 30, "prediction": [1.0] * 59 + [np.nan]},
            "prediction",
        ),
    ],
)
def test_a_missing_probability_or_prediction_is_refused_with_its_row(tmp_path, task, columns, column):
    with pytest.raises(PredictionsError, match=rf"column {column}: missing, or no finite number: row 61"):
        score_file(saved(tmp_path, columns), task)


def test_horizons_of_survival_are_those_of_the_columns(tmp_path):
    r = rng()
    risk = r.normal(size=N)
    time = r.exponential(np.exp(-risk) * 2)
    columns = {"target/time": time, "target/event": r.random(N) < 0.7, "prediction": risk}
    columns |= {f"p/{h}/event": 1 - np.exp(-h * np.exp(risk) / 2) for h in (0.5, 2)}
    result = score_file(saved(tmp_path, columns), "survival", draws=50)
    assert result["metrics"]["auroc/0.5"]["value"] > 0.5
    assert "auroc/1" not in result["metrics"]


def test_what_was_noticed_of_the_file_is_told(tmp_path):
    frame = pd.DataFrame({"target": ["a", "Ä"], "p/a": [0.75, 0.25], "p/Ä": [0.25, 0.75]})
    with pd.ExcelWriter(tmp_path / "p.xlsx") as book:
        for sheet in ("old", "new"):
            frame.to_excel(book, sheet_name=sheet, index=False)
    frame.to_csv(tmp_path / "latin.csv", index=False, encoding="latin-1")
    frame.to_csv(tmp_path / "p.csv", index=False, encoding="utf-8-sig")
    task = settings_for("classification", {})
    assert "'new'" in " ".join(load(tmp_path / "p.xlsx", task)[1])
    assert "Latin-1" in " ".join(load(tmp_path / "latin.csv", task)[1])
    assert load(tmp_path / "p.csv", task)[1] == []


def test_a_setting_that_does_not_exist_names_those_that_do():
    with pytest.raises(ScantuneError, match=r"--set gradez: .*zones has the settings name, zones, grades"):
        settings_for("zones", {"gradez": 3})


def test_files_of_several_models_are_scored_and_each_compared_with_the_first(tmp_path):
    y, _ = classes()
    paths = []
    for name, sharp in (("a", 2.0), ("b", 0.2), ("c", 2.1)):
        p = softmax(classes(sharp)[1])
        paths.append(saved(tmp_path, {"target": y} | {f"p/{k}": p[:, k] for k in range(3)}, f"{name}.csv"))
    other = softmax(classes(seed=4)[1])
    paths.append(
        saved(tmp_path, {"target": classes(seed=4)[0]} | {f"p/{k}": other[:, k] for k in range(3)}, "other.csv")
    )
    result = score_files(paths, settings_for("classification", {}), tmp_path / "out.json", draws=50)
    assert list(result["files"]) == ["a", "b", "c", "other"]
    assert (tmp_path / "out.json").exists()
    b, c = (result["comparisons"][n] for n in "bc")
    p = [e["metrics"][e["primary"]]["difference"]["p_value"] for e in (b, c)]
    assert [b["p_holm_files"], c["p_holm_files"]] == pytest.approx([min(1, 2 * min(p)), max(2 * min(p), max(p))])
    assert "another target" in result["comparisons"]["other"]["reason"]


def test_rows_of_one_of_several_files_are_those_of_the_file(tmp_path):
    for name, target in (("a", "3"), ("b", "x")):
        (tmp_path / f"{name}.csv").write_text(f"sample_id,target,prediction\n\ns1,1,2\ns2,{target},2\ns3,2,2\n")
    with pytest.raises(PredictionsError, match=r"(?s)^b .*column target: not a number: row 4 \('x'\)"):
        score_files([tmp_path / "a.csv", tmp_path / "b.csv"], settings_for("regression", {}), draws=50)


@pytest.mark.parametrize("delimiter", [";", "\t", ","])
def test_decimal_commas_are_read_and_told(tmp_path, delimiter):
    y, z = classes()
    p = softmax(z)
    points = saved(tmp_path, {"target": y} | {f"p/{k}": p[:, k].round(4) for k in range(3)}, "points.csv")
    rows = [line.split(",") for line in points.read_text().splitlines()]
    commas = tmp_path / "commas.csv"
    with commas.open("w", newline="") as file:
        csv.writer(file, delimiter=delimiter).writerows([[c.replace(".", ",") for c in row] for row in rows])
    result = score_file(commas, "classification", draws=50)
    assert result["read_as"] == ["decimal commas: p/0, p/1, p/2"]
    assert result["metrics"] == score_file(points, "classification", draws=50)["metrics"]


def test_commas_that_may_separate_thousands_are_no_decimals(tmp_path):
    path = saved(tmp_path, {"target": ["1,234"] * N, "prediction": np.arange(N)})
    with pytest.raises(PredictionsError, match=r"column target: not a number: row 2 \('1,234'\)"):
        score_file(path, "regression")


@pytest.mark.parametrize("form", ["{:.1f}%", "{:.1f} %", "{:.1f}\N{NO-BREAK SPACE}%"])
def test_probabilities_with_a_percent_sign_are_shares(tmp_path, form):
    y, z = classes()
    p = softmax(z)
    written = {f"p/{k}": [form.format(100 * v) for v in p[:, k]] for k in range(3)}
    result = score_file(saved(tmp_path, {"target": y} | written), "classification", draws=50)
    assert result["read_as"] == ["percent, read as shares: p/0, p/1, p/2"]
    assert result["metrics"]["accuracy"]["value"] == pytest.approx((y == z.argmax(1)).mean())


def test_an_empty_column_of_probabilities_is_not_said_to_be_percent(tmp_path):
    empty = {"target/time": [3.0] * N, "target/event": [0, 1] * 30, "prediction": np.arange(N), "p/1/event": [""] * N}
    result = score_file(saved(tmp_path, empty), "survival", draws=50)
    assert "read_as" not in result
    assert "has rows without a number" in result["metrics"]["brier/1"]["reason"]


@pytest.mark.parametrize(
    ("task", "columns"),
    [
        ("classification", {"target": [0, 1] * 30, "p/1": [37.4] * N}),
        ("multilabel", {"target/a": [0, 1] * 30, "p/a": [37.4] * N}),
        (
            "survival",
            {"target/time": [3.0] * N, "target/event": [0, 1] * 30, "prediction": [1] * N, "p/1/event": [37] * N},
        ),
    ],
)
def test_percent_without_a_sign_is_refused_with_what_to_write(tmp_path, task, columns):
    with pytest.raises(
        PredictionsError, match=r"1 fault:\n  column p/\S+: .*where they are percent, write 37.4% or 0.374"
    ):
        score_file(saved(tmp_path, columns), task)


def test_one_column_of_two_classes_and_reference_of_one(tmp_path):
    p = np.linspace(0.2, 0.9, N)
    result = score_file(saved(tmp_path, {"target": [1] * N, "p/1": p}), "classification", draws=50)
    assert result["positive"] == "1"
    assert result["metrics"]["recall"]["value"] == pytest.approx((p > 0.5).mean())
    assert result["metrics"]["auroc"]["reason"] == "undefined: every sample is of class 1"
    with pytest.raises(PredictionsError, match=r"column p/sick alone .* name sick: .*--set classes=\[no,yes\]"):
        score_file(saved(tmp_path, {"target": ["sick"] * N, "p/sick": p}), "classification")


def test_the_positive_class_is_named(tmp_path):
    p = np.linspace(0.2, 0.9, N)
    path = saved(tmp_path, {"target": ["sick", "well"] * 30, "p/sick": p, "p/well": 1 - p})
    assert score_file(path, "classification", draws=50)["positive"] == "well"
    settings = settings_for("classification", {"positive": "sick"})
    assert score_file(path, settings, draws=50)["positive"] == "sick"


def test_a_horizon_beyond_the_follow_up_may_be_empty_in_a_whole_partition_and_not_here_and_there(tmp_path):
    """So are those of a model that was calibrated on validation with a shorter follow-up."""
    rng, split = np.random.default_rng(0), np.repeat(["validation", "test"], 20)
    columns = {"sample_id": [f"x{i}" for i in range(40)], "split": split, "target/time": rng.random(40) * 6}
    columns |= {"target/event": rng.integers(0, 2, 40), "prediction": rng.normal(size=40)}
    columns |= {"p/1/event": rng.random(40) / 2, "p/5/event": [""] * 40}
    path = tmp_path / "predictions.csv"
    write(PredictionTable.make(columns), path)
    metrics = score_file(path, settings_for("survival", {}, list(columns)))
    assert metrics["metrics"]["brier/5"]["value"] is None
    assert metrics["metrics"]["brier/1"]["value"] is not None
    write(PredictionTable.make(columns | {"p/1/event": ["0.2", *[""] * 39]}), path)
    with pytest.raises(PredictionsError, match=r"column p/1/event: missing, or no finite number: row 3 \(''\)"):
        score_file(path, settings_for("survival", {}, list(columns)))


def test_ids_of_one_subject_in_several_forms_are_told_without_the_ids(tmp_path):
    path = tmp_path / "predictions.csv"
    rows = [("P1", 1, 2), ("p1", 2, 2), ("P1 ", 3, 4), ("P2", 4, 4), ("7.0", 1, 1), ("007", 2, 3)]
    path.write_text("subject_id,target,prediction\n" + "".join(f"{s},{y},{p}\n" for s, y, p in rows))
    _, notes = load(path, settings_for("regression", {}))
    assert len(notes) == 1
    assert notes[0].startswith("2 subject ids too many, if ids that differ in case")


def test_codes_of_missing_targets_are_told(tmp_path):
    path = tmp_path / "predictions.csv"
    path.write_text("target,prediction\n1,2\n30,12\n-999,8\n4,4\n")
    assert load(path, settings_for("regression", {}))[1] == [
        "column target: -999 in 1 rows count as values; leave the cells or rows of missing ones out"
    ]


def test_the_unit_of_a_survival_that_no_column_states_is_not_taken_for_years() -> None:
    columns = ("target/time", "target/event", "prediction", "p/12/event")
    assert settings_for("survival", {}, columns).unit == "units of time"
    assert settings_for("survival", {"unit": "months"}, columns).unit == "months"
