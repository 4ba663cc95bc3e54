"""Metrics of several targets: each as if it stood alone, means, comparisons, errors, faults of a table."""

import numpy as np
import pytest
from sklearn import metrics as peer

from scantune.tasks import scoring
from scantune.tasks.aggregating import join
from scantune.tasks.comparing import compare
from scantune.tasks.errors import in_words, sample_errors, worst
from scantune.tasks.joining import Aggregate
from scantune.tasks.predictions import Faults, PredictionsError, PredictionTable, write
from scantune.tasks.regression import words
from scantune.tasks.regression.settings import Regression
from scantune.tasks.subgroups import grouping_columns

TASK = Regression.model_validate(
    {
        "targets": {
            "age": {"significant_error": 5, "unit": "years"},
            "lesion_score": {"range": [0, 34], "significant_error": 2, "score_ranges": [5, 15]},
        }
    }
)


def table(n=240, seed=0, unknown=0.2, noise=3.0):
    rng = np.random.default_rng(seed)
    columns = {
        "sample_id": [f"x{i}" for i in range(n)],
        "subject_id": [f"s{i // 2}" for i in range(n)],
        "split": np.where(np.arange(n) // 2 % 3 == 0, "validation", "test"),
        "sex": np.array(["F", "M"])[np.arange(n) // 2 % 2],
    }
    for name, high in (("age", 80), ("lesion_score", 34)):
        target = np.round(rng.uniform(0, high, n))
        prediction = target + rng.normal(0, noise, n)
        columns[f"prediction/{name}"] = prediction
        columns[f"lower/{name}"], columns[f"upper/{name}"] = prediction - 5, prediction + 5
        columns[f"rater/first_{name}"] = np.round(target + rng.normal(0, 1, n))
        columns[f"target/{name}"] = np.where(rng.random(n) < unknown, np.nan, target)
    return PredictionTable.make(columns)


def alone(predictions, name):
    """The table of one target on the rows that have it."""
    numbers = predictions.numbers(f"target/{name}", Faults())
    rows = predictions.take(np.flatnonzero(np.isfinite(numbers)))
    kept = {c: rows.columns[c] for c in ("sample_id", "subject_id", "split", "sex")}
    kept |= {kind: rows.columns[f"{kind}/{name}"] for kind in ("target", "prediction", "lower", "upper")}
    return PredictionTable.make({**kept, "rater/first": rows.columns[f"rater/first_{name}"]})


def close(actual, expected):
    assert set(actual) == set(expected)
    for key, value in expected.items():
        if key == "p_holm":  # adjusted for the ranges of the other target too
            assert actual[key] is None or actual[key] >= value - 1e-9
        elif isinstance(value, dict):
            close(actual[key], value)
        else:
            assert actual[key] == (pytest.approx(value, rel=1e-9, abs=1e-12) if isinstance(value, float) else value), (
                key
            )


@pytest.fixture(scope="module")
def scores():
    return scoring.evaluate(table(), TASK, draws=50)


@pytest.mark.parametrize("name", ["age", "lesion_score"])
def test_each_target_is_judged_as_if_it_stood_alone(scores, name):
    expected = scoring.evaluate(
        alone(table(), name), Regression(target=name, **TASK.targets[name].model_dump()), draws=50
    )
    for metric, entry in expected["metrics"].items():
        close(scores["metrics"][f"{metric}/{name}"], entry)
    for level, entries in expected["subgroups"]["sex"].items():
        for metric, entry in entries.items():
            close(scores["subgroups"]["sex"][level][f"{metric}/{name}"], entry)
    close(scores["conformal"]["targets"][name]["within_groups"]["sex"], expected["conformal"]["within_groups"]["sex"])
    close(scores["stated_intervals"]["targets"][name], expected["stated_intervals"])
    close(scores["raters"]["targets"][name], expected["raters"])
    for baseline in ("mean", "covariates"):
        entry = expected["baselines"][baseline]["mae"]
        close(scores["baselines"][baseline][f"mae/{name}"], entry)


def test_the_headline_is_the_mean_r2_with_an_interval(scores):
    predictions = table()
    test = predictions.take(np.flatnonzero(predictions.split == "test"))
    each = []
    for name in TASK.targets:
        target, prediction = (test.numbers(f"{kind}/{name}", Faults()) for kind in ("target", "prediction"))
        known = np.isfinite(target)
        each.append(peer.r2_score(target[known], prediction[known]))
    r2 = scores["metrics"]["r2"]
    assert scores["headline"][0] == "r2"
    assert r2["value"] == pytest.approx(np.mean(each))
    assert r2["lower"] < r2["value"] < r2["upper"]
    rho = [scores["metrics"][f"spearman_rho/{name}"]["value"] for name in TASK.targets]
    assert scores["metrics"]["spearman_rho"]["value"] == pytest.approx(np.mean(rho))
    assert set(scores["headline"]) <= set(scores["metrics"])
    assert {"sex", "score_range/lesion_score"} == set(scores["subgroups"])
    assert scores["baselines"]["mean"]["r2"]["difference"]["lower"] > 0


def test_a_target_s_unit_changes_no_mean_and_its_order_nothing(scores):
    predictions = table()
    kinds = ("target", "prediction", "lower", "upper")
    days = {f"{kind}/age": 365.25 * predictions.numbers(f"{kind}/age", Faults()) for kind in kinds}
    other = scoring.evaluate(predictions.with_columns(days), TASK, draws=50)["metrics"]
    for name in ("r2", "pearson_r", "spearman_rho", "ccc"):
        assert other[name]["value"] == pytest.approx(scores["metrics"][name]["value"])
        assert other[name]["lower"] == pytest.approx(scores["metrics"][name]["lower"])
    turned = Regression.model_validate({"targets": dict(reversed(TASK.model_dump()["targets"].items()))})
    again = scoring.evaluate(predictions, turned, draws=50)["metrics"]
    for name, entry in scores["metrics"].items():
        assert again[name]["value"] == (None if entry["value"] is None else pytest.approx(entry["value"]))


def test_a_target_that_no_tested_sample_has_is_undefined_with_its_reason_and_so_are_the_means():
    predictions = table()
    empty = predictions.with_columns({"target/age": np.full(len(predictions), np.nan)})
    metrics = scoring.evaluate(empty, TASK, draws=50)
    assert metrics["metrics"]["mae/age"]["reason"] == "undefined: no sample has a value of age"
    assert metrics["metrics"]["r2"]["value"] is None
    assert "age" in metrics["metrics"]["r2"]["reason"]
    assert metrics["metrics"]["mae/lesion_score"]["value"] > 0
    constant = predictions.with_columns({"target/age": np.full(len(predictions), 50.0)})
    reason = scoring.evaluate(constant, TASK, draws=50)["metrics"]["r2"]["reason"]
    assert reason == "undefined: the target is constant (age)"


def test_a_level_in_which_nobody_has_a_target_is_undefined_there():
    predictions = table()
    age = np.where(predictions.text("sex") == "F", np.nan, predictions.numbers("target/age", Faults()))
    result = scoring.evaluate(predictions.with_columns({"target/age": age}), TASK, draws=50)["subgroups"]["sex"]
    assert result["F"]["mae/age"]["value"] is None
    assert result["F"]["mae/lesion_score"]["value"] > 0
    assert result["M"]["mae/age"]["gap"]["value"] is None


def test_models_are_compared_by_the_mean_r2_and_each_metric_by_its_direction():
    better, worse = table(noise=2.0), table(noise=6.0)
    result = compare(worse, better, TASK, draws=50)
    assert result["primary"] == "r2"
    assert result["decision"]["superior"]
    assert {"mae/age", "clinical_error_rate/lesion_score"} <= set(result["lower_is_better"])
    by_age = compare(worse, better, TASK, primary="mae/age", draws=50)
    assert by_age["metrics"]["mae/age"]["difference"]["upper"] < 0
    assert by_age["decision"]["superior"]


def test_a_limit_of_one_target_is_not_that_of_another():
    stated = Regression.model_validate(
        {"targets": {"age": {"significant_error": 5, "unit": "years"}, "lesion_score": {}}}
    )
    result = scoring.evaluate(table(), stated, draws=20)
    assert [name for name in result["metrics"] if name.startswith("clinical")] == ["clinical_error_rate/age"]
    assert [name for name in result["headline"] if name.startswith("clinical")] == ["clinical_error_rate/age"]
    assert words.headline_notes(result)[0] == (
        "Clinically significant errors: age more than 5 years from the reference."
    )
    samples = sample_errors(table(), stated)
    tested = table().split == "test"
    in_years = np.abs(table().columns["prediction/age"] - table().columns["target/age"])[tested]
    assert [s.wrong for s in samples] == (in_years > 5).tolist()


def test_an_interval_of_an_error_ends_where_the_scale_does():
    """Of five subjects with one large error the rule's upper bound is far beyond any error that there can be."""
    target, off = np.array([0.0, 0, 5, 20, 34, 2]), np.array([0.5, 0.1, 0.2, -18.0, -0.2, 0.3])
    values = PredictionTable.make({"target": target, "prediction": target + off})
    beyond = scoring.evaluate(values, Regression(), draws=20)["metrics"]
    ended = scoring.evaluate(values, Regression(range=(0, 34), score_ranges=(3,)), draws=20)["metrics"]
    for name in ("mae", "rmse"):
        assert beyond[name]["upper"] > 34 > beyond[name]["value"]
        assert ended[name] == beyond[name] | {"upper": 34.0}
    outside = scoring.evaluate(
        values.with_columns({"prediction": target + off - 1}), Regression(range=(0, 34)), draws=20
    )
    assert outside["metrics"]["mae"]["upper"] > 34, "values off the scale: no end is known"
    both = {f"{kind}/{name}": values.columns[kind] for kind in ("target", "prediction") for name in "ab"}
    stated = Regression.model_validate({"targets": {"a": {"range": [0, 34]}, "b": {}}})
    several = scoring.evaluate(PredictionTable.make(both), stated, draws=20)["metrics"]
    assert (several["mae/a"]["upper"], several["mae/b"]["upper"]) == (34.0, beyond["mae"]["upper"])


def test_errors_without_a_limit_are_ranked_in_standard_deviations_of_their_target():
    columns = {
        "target/age": [40.0, 60.0], "prediction/age": [46.0, 60.0],  # 0.6 SD
        "target/volume": [1.0, 2.0], "prediction/volume": [1.0, 2.4],  # 0.8 SD
    }  # fmt: skip
    samples = sample_errors(PredictionTable.make(columns), Regression.model_validate({"targets": ["age", "volume"]}))
    assert [s.size for s in samples] == pytest.approx([0.6, 0.8])
    assert [s.kind for s in samples] == ["age too high", "volume too high"]
    assert not any(s.wrong for s in samples)
    stated = in_words(samples, Regression.model_validate({"targets": ["age", "volume"]}))
    assert stated.startswith("The largest errors of 2 test samples; none is called clinically significant")
    assert in_words(samples, TASK) == "0 of 2 test samples are wrong by more than the clinically significant error"


def test_the_largest_error_is_that_in_units_of_what_is_significant():
    columns = {
        "target/age": [50, 50, np.nan, np.nan], "prediction/age": [56, 51, 50, 50],
        "target/lesion_score": [4, 10, 7, np.nan], "prediction/lesion_score": [4, 15, 7.5, 0],
    }  # fmt: skip
    samples = sample_errors(PredictionTable.make(columns), TASK)
    assert [s.size for s in samples[:3]] == pytest.approx([1.2, 2.5, 0.25])
    assert [s.wrong for s in samples] == [True, True, False, False]
    assert samples[1].kind == "lesion score too high"
    assert samples[0].target == "age 50.0 years, lesion score 4.00"
    assert samples[2].target == "lesion score 7.00"
    assert [s.sample_id for s in worst(samples, at_least=4)] == ["row-3", "row-2", "row-4"]


def test_samples_of_a_subject_join_by_target_of_those_that_are_known():
    columns = {
        "subject_id": ["a", "a", "b"],
        "target/age": [50, np.nan, np.nan], "prediction/age": [52, 54, 60],
        "lower/age": [1, 1, 1], "upper/age": [9, 9, 9],
    }  # fmt: skip
    joined = join(PredictionTable.make(columns), Aggregate(name="mean"), Faults())
    np.testing.assert_array_equal(joined.numbers("target/age", Faults()), [50, np.nan])
    assert joined.numbers("prediction/age", Faults()).tolist() == [53, 60]
    assert "lower/age" not in joined
    assert grouping_columns(PredictionTable.make(columns)) == []


def test_faults_name_column_and_row():
    predictions = table(12, unknown=0)
    text = predictions.text("target/age").copy()
    text[3] = "old"
    with pytest.raises(PredictionsError, match=r"target/age.*row 5 \('old'\)"):
        scoring.evaluate(predictions.with_columns({"target/age": text}), TASK)
    kept = {name: values for name, values in predictions.columns.items() if name != "prediction/lesion_score"}
    with pytest.raises(PredictionsError, match="prediction/lesion_score"):
        scoring.evaluate(PredictionTable.make(kept), TASK)
    holes = predictions.numbers("prediction/age", Faults())
    holes[-1] = np.nan
    metrics = scoring.evaluate(predictions.with_columns({"prediction/age": holes}), TASK, draws=20)
    assert metrics["metrics"]["r2"]["reason"].startswith("prediction/age: not a finite number in 1 of")


def test_a_file_is_scored_by_its_columns_and_by_settings_of_each_target(tmp_path):
    from scantune.commands.scoring import task_settings

    write(table(90), tmp_path / "p.csv")
    read_off = scoring.score_file(tmp_path / "p.csv", "regression", tmp_path / "metrics.json", draws=20)["metrics"]
    assert read_off["mae/age"]["value"] == pytest.approx(2.4, abs=0.6)
    assert read_off["r2"]["lower"] < read_off["r2"]["value"]
    stated = ["targets={age: {significant_error: 0.001}, lesion_score: {range: [0, 34]}}"]
    columns = list(table(90).columns)
    result = scoring.score_file(tmp_path / "p.csv", task_settings("regression", stated, columns), draws=20)
    assert result["metrics"]["clinical_error_rate/age"]["value"] == 1
    write(table(90).with_columns({"prediction/age": [""] * 90}), tmp_path / "p.csv")
    with pytest.raises(PredictionsError, match="column prediction/age: missing"):
        scoring.score_file(tmp_path / "p.csv", "regression")
