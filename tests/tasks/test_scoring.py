"""``metrics.json`` of each task: names, values, intervals, reasons, subgroups, baselines, joined samples."""

import json
import math
import re
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn import metrics as peer

from scantune.cohort import ids
from scantune.records import ScantuneError
from scantune.statistics.ages import years
from scantune.statistics.discrimination import delong_interval
from scantune.tasks import aggregating, scoring
from scantune.tasks.baselining import cohort_table
from scantune.tasks.classification.settings import Classification
from scantune.tasks.joining import Aggregate
from scantune.tasks.levels import age_band, level
from scantune.tasks.predictions import Faults, PredictionsError, PredictionTable, write
from scantune.tasks.regression import words
from scantune.tasks.regression.settings import Regression
from scantune.tasks.segmentation.settings import Segmentation
from scantune.tasks.subgroups import grouping_columns
from scantune.tasks.zones.metrics import mean_score, severity
from scantune.tasks.zones.settings import Zones

KEYS = {"value", "lower", "upper", "method", "n", "n_subjects", "reason"}

LOES = Regression(range=(0, 34), significant_error=2, score_ranges=(5, 15))


def cohort(n=240, subjects=80, seed=0, **columns):
    rng = np.random.default_rng(seed)
    owner = np.arange(n) % subjects if subjects < n else np.arange(n)
    return {
        "sample_id": [f"x{i}" for i in range(n)],
        "subject_id": [f"s{i}" for i in owner],
        "split": np.where(owner % 3 == 0, "validation", "test"),
        "sex": np.array(["F", "M"])[owner % 2],
        "age": owner,
        "site": rng.choice(["a", "b"], n),
        **columns,
    }


def regression(n=240, subjects=80, seed=0, **columns):
    rng = np.random.default_rng(seed)
    target = rng.integers(0, 69, n) / 2
    return PredictionTable.make(
        cohort(n, subjects, seed) | {"target": target, "prediction": target + rng.normal(0, 2, n)} | columns
    )


def classification(classes=2, n=240, subjects=80, seed=0, sharp=1.5, **columns):
    rng = np.random.default_rng(seed)
    y = rng.integers(0, classes, n)
    z = rng.normal(size=(n, classes))
    z[np.arange(n), y] += sharp
    p = np.exp(z) / np.exp(z).sum(1, keepdims=True)
    made = cohort(n, subjects, seed) | {"target": y} | {f"p/{k}": p[:, k] for k in range(classes)}
    return PredictionTable.make(made | columns)


def zones(n=120, seed=0, task=None):
    task = task or Zones()
    rng = np.random.default_rng(seed)
    made = cohort(n, n, seed)
    for zone in task.zones:
        y = rng.integers(0, 5, n)
        p = rng.dirichlet(np.ones(5), n)
        p[np.arange(n), y] += 0.3
        p /= p.sum(1, keepdims=True)
        made[f"target/{zone}"] = np.where(y == 4, "", y.astype(str))
        made |= {f"p/{zone}/{c}": p[:, k] for k, c in enumerate(task.classes)}
    return PredictionTable.make(made)


def check_structure(metrics):
    json.dumps(metrics, allow_nan=False)
    for name, figure in metrics["metrics"].items():
        assert set(figure) >= KEYS, name
        if figure["value"] is None or figure["lower"] is None:
            assert figure["reason"], name
        else:
            assert figure["method"], name
            assert figure["reason"] is None, name
            assert figure["lower"] <= figure["value"] <= figure["upper"] or "bootstrap" in figure["method"], name


def test_nothing_is_called_significant_and_no_range_is_made_up_where_none_is_stated():
    """Years, grams and fractions share no limit: limits that suit one score must not be put on another."""
    table = regression(n=80, subjects=80)
    scores = scoring.evaluate(table, Regression(unit="years"), draws=50)
    names = {*scores["metrics"], *scores["headline"], *scores["baselines"].get("mean", {})}
    assert not [name for name in names if name.startswith(("clinical", "mae_"))]
    assert "score_range" not in scores["subgroups"]
    assert "significant_error" not in scores
    assert "clinical_error_rate" not in Regression().headline_metrics()
    stated = Regression(unit="years", significant_error=5, score_ranges=(10, 20))
    scores = scoring.evaluate(table, stated, draws=50)
    assert {"clinical_error_rate", "mae_below_10", "mae_10_to_20", "mae_from_20"} < set(scores["metrics"])
    assert scores["significant_error"] == {"above": 5, "unit": "years"}
    assert words.headline_notes(scores) == ["Clinically significant errors: more than 5 years from the reference."]
    assert "clinical_error_rate" in stated.headline_metrics()


def test_regression_names_values_and_methods_for_one_sample_a_subject():
    table = regression(n=150, subjects=150)
    scores = scoring.evaluate(table, LOES)
    check_structure(scores)
    rows = table.split == "test"
    x, y = table.columns["target"][rows], table.columns["prediction"][rows]
    m = scores["metrics"]
    names = (
        *("mae", "rmse", "r2", "pearson_r", "spearman_rho", "kendall_tau", "ccc", "icc_2_1", "clinical_error_rate"),
        *("bland_altman_bias", "bland_altman_sd", "bland_altman_lower", "bland_altman_upper", "bland_altman_slope"),
        *("mae_below_5", "mae_5_to_15", "mae_from_15"),
    )
    assert set(names) <= set(m)
    assert m["mae"]["value"] == pytest.approx(np.abs(x - y).mean())
    assert m["r2"]["value"] == pytest.approx(peer.r2_score(x, y))
    for name, test in (
        ("pearson_r", stats.pearsonr),
        ("spearman_rho", stats.spearmanr),
        ("kendall_tau", stats.kendalltau),
    ):
        assert m[name]["value"] == pytest.approx(test(x, y)[0])
        assert m[name]["p_value"] == pytest.approx(test(x, y)[1], rel=1e-5, abs=1e-300)
        assert m[name]["method"] == "jackknife by subject, Student's t, on the scale of atanh"
    assert m["bland_altman_bias"]["method"] == "jackknife by subject, Student's t"
    assert m["mae"]["method"].endswith("scaled chi-squared")
    assert m["bland_altman_lower"]["method"].startswith("MOVER from bias")
    assert m["clinical_error_rate"]["method"].startswith("mid-p binomial over")
    assert m["clinical_error_rate"]["value"] == pytest.approx((np.abs(x - y) > 2).mean())
    assert m["mae_from_15"]["n"] == (x >= 15).sum()
    assert m["repeatability"]["reason"] == "nothing was measured twice"


def test_repeated_subjects_get_repeated_measures_limits_with_the_plain_ones_beside():
    scores = scoring.evaluate(regression(), LOES, draws=400)
    check_structure(scores)
    for part in ("bias", "sd", "lower", "upper"):
        assert {f"bland_altman_{part}", f"bland_altman_plain_{part}"} <= set(scores["metrics"])
    assert scores["metrics"]["kendall_tau"]["method"].startswith("jackknife by subject, Student's t")
    assert scores["metrics"]["pearson_r"]["method"].startswith("jackknife by subject, Student's t")
    assert scores["metrics"]["bland_altman_bias"]["n"] == scores["n"]
    assert set(scores["subgroups"]["score_range"]) == {"below_5", "5_to_15", "from_15"}


def test_score_ranges_outside_the_range_of_the_target_are_dropped():
    table = regression(n=60, subjects=60).with_columns({"target": np.linspace(0, 1, 60)})
    entries = scoring.evaluate(table, Regression(range=(0, 1), score_ranges=(5, 15)), draws=200)["metrics"]
    assert not [name for name in entries if name.startswith("mae_")]


def test_binary_classification_equals_scikit_learn():
    table = classification(n=200, subjects=200)
    scores = scoring.evaluate(table, Classification())
    check_structure(scores)
    rows = table.split == "test"
    y, p = table.columns["target"][rows].astype(int), table.columns["p/1"][rows]
    predicted = (p > 0.5).astype(int)
    m = scores["metrics"]
    expected = {
        "auroc": peer.roc_auc_score(y, p),
        "auprc": peer.average_precision_score(y, p),
        "accuracy": peer.accuracy_score(y, predicted),
        "balanced_accuracy": peer.balanced_accuracy_score(y, predicted),
        "precision": peer.precision_score(y, predicted),
        "recall": peer.recall_score(y, predicted),
        "specificity": peer.recall_score(y, predicted, pos_label=0),
        "f1": peer.f1_score(y, predicted),
        "f1_macro": peer.f1_score(y, predicted, average="macro"),
        "f1_weighted": peer.f1_score(y, predicted, average="weighted"),
        "mcc": peer.matthews_corrcoef(y, predicted),
        "brier": peer.brier_score_loss(y, p),
        "log_loss": peer.log_loss(y, p),
    }
    for name, value in expected.items():
        assert m[name]["value"] == pytest.approx(value), name
    assert {"ece", "calibration_slope", "calibration_intercept", "recall/0", "f1/1"} <= set(m)
    assert m["auroc"]["method"] == "DeLong, Student's t on the logit scale"
    assert (m["auroc"]["lower"], m["auroc"]["upper"]) == pytest.approx(delong_interval(p, y == 1))


def test_auroc_of_repeated_subjects_goes_by_subjects():
    method = scoring.evaluate(classification(), Classification(), draws=300)["metrics"]["auroc"]["method"]
    assert method.startswith("jackknife by subject, Student's t")
    assert method.endswith("on the logit scale")


def rare(positives=6, n=60, repeats=1):
    """``positives`` of ``n`` rows are positive, all of which are found, and one negative is called so."""
    y = (np.arange(n) < positives).astype(int)
    p = np.where(np.arange(n) <= positives, 0.8, 0.1)
    return PredictionTable.make(
        {
            "sample_id": [f"x{i}" for i in range(n)],
            "subject_id": [f"s{i // repeats}" for i in range(n)],
            "target": y,
            "p/1": p,
            "p/0": 1 - p,
            "site": np.where(np.arange(n) % 2, "a", "b"),
        }
    )


def test_shares_count_their_own_trials_wherever_they_stand():
    """6 of 6 positives among 60: 0.541 to 1 (Clopper & Pearson by hand: 0.025 ** (1 / 6)), not 0.940 to 1."""
    table = rare()
    scores = scoring.evaluate(table, Classification(), draws=200, min_group=1)
    six = scores["metrics"]["recall"]
    assert (six["value"], six["n"], six["n_subjects"]) == (1, 6, 6)
    assert (six["lower"], six["upper"]) == (pytest.approx(0.5407, abs=1e-4), 1)
    assert scores["metrics"]["recall/1"] == six
    assert scores["metrics"]["specificity/0"] == six
    assert scores["metrics"]["specificity"]["n"] == 54
    assert scores["metrics"]["precision"]["n"] == 7
    assert scores["metrics"]["f1"]["n"] == 7
    assert scores["metrics"]["accuracy"]["n"] == 60
    half = scores["operating_points"][0]["figures"]["recall"]
    assert half["lower"] == pytest.approx(0.5407, abs=1e-4)
    by_site = scores["subgroups"]["site"]["a"]["recall"]
    assert (by_site["n"], by_site["lower"]) == (3, pytest.approx(0.025 ** (1 / 3)))


def test_samples_of_one_subject_are_not_trials_of_their_own():
    every = scoring.evaluate(rare(positives=12, repeats=2), Classification(), draws=200)["metrics"]["recall"]
    assert (every["n"], every["n_subjects"]) == (12, 6)
    assert every["lower"] == pytest.approx(0.5407, abs=1e-4)
    few = scoring.evaluate(rare(positives=6, repeats=2), Classification(), draws=200)["metrics"]["recall"]
    assert few["lower"] is None
    assert few["reason"] == "no interval: 3 subjects, at least 5 are needed"


def test_grades_of_zones_count_their_own_trials():
    entries = scoring.evaluate(zones(), Zones(), draws=200)["metrics"]
    parsed = scoring.parse(zones(), Zones())
    test = np.flatnonzero(zones().split == "test")
    for name, code in (("0", 0), ("3", 3), ("ungradable", 4)):
        assert entries[f"recall/{name}"]["n"] == (parsed.target[test] == code).sum()
        assert entries[f"precision/{name}"]["n"] == (parsed.prediction[test] == code).sum()


def test_separated_classes_get_an_exact_interval_of_the_smaller_class():
    table = rare()
    perfect = table.with_columns(
        {"p/1": table.columns["target"] * 0.8 + 0.1, "p/0": 0.9 - table.columns["target"] * 0.8}
    )
    entries = scoring.evaluate(perfect, Classification(), draws=200)["metrics"]
    assert entries["auroc"]["lower"] == pytest.approx(0.025 ** (1 / 6))
    assert entries["balanced_accuracy"]["lower"] < 0.8
    assert entries["f1_macro"]["lower"] < 0.8


def test_a_prediction_that_runs_against_the_target_has_reasons_and_no_traceback():
    x = np.arange(20.0)
    for prediction in (20 - x, 19 - x, x, x + 1, np.full(20, 4.0)):
        table = PredictionTable.make({"target": x, "prediction": prediction})
        entries = scoring.evaluate(table, Regression(), draws=200)["metrics"]
        for name, entry in entries.items():
            if entry["lower"] is None:
                assert entry["reason"], name
            else:
                assert entry["lower"] < entry["upper"] or name.startswith("mae_"), name
    assert "whichever subject is left out" in entries["bland_altman_slope"]["reason"]


def test_no_p_value_without_an_interval():
    table = regression(n=40, subjects=2).with_columns({"split": ["test"] * 40})
    entries = scoring.evaluate(table, Regression(), draws=200)["metrics"]
    for name in ("pearson_r", "spearman_rho", "kendall_tau"):
        assert entries[name]["lower"] is None
        assert entries[name]["p_value"] is None
        assert entries[name]["reason"]


def test_calibration_error_is_held_against_chance_not_given_an_interval():
    rng = np.random.default_rng(3)
    p = rng.beta(2, 2, 400)
    y = rng.random(400) < p
    table = PredictionTable.make({"target": y.astype(int), "p/1": p, "p/0": 1 - p})
    entry = scoring.evaluate(table, Classification(), draws=200)["metrics"]["ece"]
    assert entry["lower"] is None
    assert "above 0 by chance" in entry["reason"]
    assert 0 < entry["consistency_lower"] < entry["value"] < entry["consistency_upper"] < 0.2
    assert entry["p_value"] > 0.05
    sure = table.with_columns({"p/1": np.where(p > 0.5, 0.97, 0.03), "p/0": np.where(p > 0.5, 0.03, 0.97)})
    entry = scoring.evaluate(sure, Classification(), draws=200)["metrics"]["ece"]
    assert entry["value"] > entry["consistency_upper"]
    assert entry["p_value"] < 0.01
    flat = table.with_columns({"p/1": np.full(400, y.mean()), "p/0": np.full(400, 1 - y.mean())})
    entry = scoring.evaluate(flat, Classification(), draws=200)["metrics"]["ece"]
    assert entry["value"] == pytest.approx(0, abs=1e-12)
    assert entry["consistency_upper"] > 0.02


def test_several_classes():
    table = classification(classes=3)
    scores = scoring.evaluate(table, Classification(ordinal=True), draws=300)
    check_structure(scores)
    rows = table.split == "test"
    y = table.columns["target"][rows].astype(int)
    p = np.stack([table.columns[f"p/{k}"][rows] for k in range(3)], 1)
    m = scores["metrics"]
    assert m["auroc"]["value"] == pytest.approx(peer.roc_auc_score(y, p, multi_class="ovr"))
    assert m["brier"]["value"] == pytest.approx(((p - np.eye(3)[y]) ** 2).sum(1).mean())
    assert m["kappa_quadratic"]["value"] == pytest.approx(peer.cohen_kappa_score(y, p.argmax(1), weights="quadratic"))
    assert "recall" not in m
    assert {"auroc/2", "auprc/0", "precision/1"} <= set(m)
    assert np.array(scores["confusion"]["matrix"]).sum() == rows.sum()


def test_zones_by_hand():
    codes = np.array([[0, 3, 4, 2], [4, 4, 4, 4], [1, 1, 2, 2]])
    np.testing.assert_allclose(mean_score(codes, 4), [5 / 3, np.nan, 1.5])
    np.testing.assert_array_equal(severity(np.array([0, 1.3, 1.31, 2.2, 2.3]), (1.3, 2.2)), [0, 0, 1, 1, 2])


def test_zones_figures():
    table, task = zones(), Zones()
    scores = scoring.evaluate(table, task, draws=300)
    check_structure(scores)
    data = scoring.parse(table, task)
    rows = table.split == "test"
    y, predicted = data.target[rows], data.prediction[rows]
    m = scores["metrics"]
    assert m["f1_macro"]["value"] == pytest.approx(peer.f1_score(y.ravel(), predicted.ravel(), average="macro"))
    assert m["f1_weighted/left_sup"]["value"] == pytest.approx(
        peer.f1_score(y[:, 1], predicted[:, 1], average="weighted")
    )
    assert m["f1_macro"]["value"] != m["f1_weighted"]["value"]
    both = (y < 4) & (predicted < 4)
    assert m["kappa_quadratic"]["value"] == pytest.approx(
        peer.cohen_kappa_score(y[both], predicted[both], weights="quadratic", labels=range(4))
    )
    assert m["coverage"]["value"] == pytest.approx((predicted < 4).mean())
    assert m["kappa/right_inf"]["ase"] > 0
    assert {"precision/ungradable", "recall/3", "kappa_linear/left_mid", "coverage/right_mid"} <= set(m)
    x, p = mean_score(y, 4), mean_score(predicted, 4)
    kept = np.isfinite(x) & np.isfinite(p)
    assert m["mean_score_mae"]["value"] == pytest.approx(np.abs(x - p)[kept].mean())
    assert m["mean_score_spearman_rho"]["value"] == pytest.approx(stats.spearmanr(x[kept], p[kept])[0])
    assert m["ahf_auroc/above_2.2"]["value"] == pytest.approx(peer.roc_auc_score(x[kept] > 2.2, p[kept]))
    assert scores["ahf_confusion"]["classes"] == ["up_to_1.3", "up_to_2.2", "above_2.2"]
    assert np.array(scores["confusion"]["zones"]["left_inf"]).sum() == rows.sum()


def test_no_gradable_zone_gives_no_score_and_never_zero():
    table, task = zones(n=30), Zones()
    blank = table.with_columns({f"target/{z}": [""] * 30 for z in task.zones})
    entries = scoring.evaluate(blank, task, draws=200)["metrics"]
    for name in ("mean_score_mae", "mean_score_rmse", "mean_score_spearman_rho"):
        assert entries[name]["value"] is None
        assert entries[name]["reason"] == "undefined: no zone is gradable"
    assert entries["kappa"]["value"] is None


def test_segmentation_means_count_only_what_is_defined():
    rng = np.random.default_rng(0)
    dice = np.where(np.arange(60) % 10 == 0, np.nan, rng.random(60))
    hd95 = np.where(np.arange(60) == 7, np.inf, 3.0)
    made = cohort(60, 60) | {"split": ["test"] * 60, "dice": dice, "hd95": hd95, "dice/artery": dice}
    volume = {"volume_target": rng.random(60) + 1, "volume_prediction": rng.random(60) + 1}
    scores = scoring.evaluate(PredictionTable.make(made | volume), Segmentation(), draws=300)
    m = scores["metrics"]
    assert m["dice"]["value"] == pytest.approx(np.nanmean(dice))
    assert m["dice"]["n"] == 54
    assert m["dice/artery"]["value"] == m["dice"]["value"]
    assert m["hd95"]["value"] is None
    assert "infinite in 1 of 60" in m["hd95"]["reason"]
    assert m["nsd"]["reason"] == "not measured: the file has no column nsd"
    assert m["volume_bland_altman_bias"]["value"] == pytest.approx(
        (volume["volume_prediction"] - volume["volume_target"]).mean()
    )


@pytest.mark.parametrize(
    ("columns", "names", "reason"),
    [
        ({"prediction": np.zeros(240)}, ("pearson_r", "spearman_rho", "kendall_tau"), "the prediction is constant"),
        ({"target": np.full(240, 3.0)}, ("pearson_r", "spearman_rho", "kendall_tau", "r2"), "the target is constant"),
        ({"prediction": np.full(240, np.nan)}, ("mae", "ccc", "kendall_tau"), "not a finite number in 159 of 159 rows"),
        ({"prediction": np.where(np.arange(240) == 1, np.inf, 0)}, ("mae",), "not a finite number in 1 of 159 rows"),
    ],
)
def test_undefined_regression_figures_are_null_with_their_reason(columns, names, reason):
    scores = scoring.evaluate(regression().with_columns(columns), Regression(), draws=200)
    check_structure(scores)
    for name in names:
        assert scores["metrics"][name]["value"] is None, name
        assert reason in scores["metrics"][name]["reason"], name


def test_one_class_in_the_test_set():
    table = classification().with_columns({"target": [1] * 240})
    scores = scoring.evaluate(table, Classification(), draws=200)
    check_structure(scores)
    for name in ("auroc", "auprc", "specificity", "mcc", "calibration_slope"):
        assert scores["metrics"][name]["value"] is None, name
        assert "class" in scores["metrics"][name]["reason"], name
    assert scores["metrics"]["recall"]["value"] is not None


def test_nan_and_constant_probabilities():
    table = classification().with_columns({"p/0": np.full(240, np.nan), "p/1": np.full(240, np.nan)})
    scores = scoring.evaluate(table, Classification(), draws=200)
    check_structure(scores)
    assert all(f["value"] is None for f in scores["metrics"].values())
    flat = scoring.evaluate(classification().with_columns({"p/0": [0.5] * 240, "p/1": [0.5] * 240}), Classification())
    check_structure(flat)
    assert flat["metrics"]["auroc"]["value"] == 0.5
    assert flat["metrics"]["auroc"]["lower"] is None  # the same whichever subject is left out
    assert flat["metrics"]["calibration_slope"]["value"] is None
    assert flat["metrics"]["precision"]["value"] is None


@pytest.mark.slow
@settings(deadline=None, max_examples=5)
@given(st.integers(0, 1000))
def test_order_of_rows_changes_no_value(seed):
    table = classification(classes=3, n=60, subjects=60)
    order = np.random.default_rng(seed).permutation(60)
    one, other = (scoring.evaluate(t, Classification(), draws=200) for t in (table, table.take(order)))
    for name, figure in one["metrics"].items():
        assert other["metrics"][name]["value"] == pytest.approx(figure["value"], abs=1e-9), name
        assert other["metrics"][name]["lower"] == pytest.approx(figure["lower"], abs=1e-9), name


def test_subgroups_have_interval_gap_and_mark_of_smallness():
    scores = scoring.evaluate(regression(), Regression(range=(0, 34)), draws=400, age_bands=(20, 40))
    sex = scores["subgroups"]["sex"]
    figure = sex["F"]["mae"]
    assert KEYS | {"gap", "small"} <= set(figure)
    assert figure["gap"]["value"] == pytest.approx(figure["value"] - sex["M"]["mae"]["value"])
    assert sex["M"]["mae"]["gap"]["value"] == pytest.approx(-figure["gap"]["value"])
    assert figure["gap"]["lower"] < figure["gap"]["value"] < figure["gap"]["upper"]
    assert set(scores["subgroups"]["age"]) == {"<20", "20–<40", "≥40"}
    small = scoring.evaluate(regression(), Regression(), draws=300, min_group=1000)
    assert all(f["mae"]["small"] for f in small["subgroups"]["sex"].values())
    many = regression().with_columns({"device": [f"d{i}" for i in range(240)], "ward": ["A"] * 240})
    left_out = scoring.evaluate(many, Regression(), draws=50, groups=["device", "ward", "sex"])
    assert set(left_out["subgroups"]) == {"sex"}
    n = len(set(many.text("device")[many.split == "test"]))
    assert left_out["subgroups_left_out"] == {
        "device": f"{n} levels, more than 30",
        "ward": "every sample has the level A",
    }
    only = scoring.evaluate(regression(), Regression(range=(0, 1)), draws=200, groups=["site"])
    assert "subgroups_left_out" not in only
    assert set(only["subgroups"]) == {"site"}


@pytest.mark.parametrize(
    ("text", "band"),
    [
        ("17", "<18"),
        ("18", "18–<65"),
        ("064Y", "18–<65"),
        ("90+", "≥65"),
        ("006M", "<18"),
        ("", "unknown"),
        ("x", "unknown"),
    ],
)
def test_age_bands(text, band):
    assert age_band(text, (18, 65)) == band


@pytest.mark.parametrize("bands", [(2.0, 18.0, 65.0), ()])
def test_ages_that_a_dataset_has_cut_into_bands_keep_these(bands):
    """``datasets.bands: {age: [18, 40]}`` writes <18, 18–40 and ≥40; none of them is an unknown age."""
    cut = [ids.band(text, [18, 40]) for text in ("3", "18", "39.5", "90+", "")]
    assert [level("age", text, bands) for text in cut] == ["<18", "18–40", "18–40", "≥40", "unknown"]
    assert level("Patient_Age", "60-69", bands) == "60-69"
    table = regression(n=120, subjects=120)
    ages = np.array([ids.band(f"{age:g}", [40]) for age in np.linspace(20, 80, 120)], dtype=object)
    groups = scoring.evaluate(table.with_columns({"age": ages}), LOES, draws=50, age_bands=bands)["subgroups"]["age"]
    assert {name: entry["mae"]["n"] > 0 for name, entry in groups.items()} == {"<40": True, "≥40": True}


def test_ages_in_months_weeks_and_days():
    assert years("018M") == 1.5
    assert years("052W") == pytest.approx(1, abs=0.01)
    assert math.isnan(years("unknown"))


def test_columns_of_the_task_are_no_groups():
    table = classification().with_columns({"rater/a": [""] * 240, "set": [""] * 240, "scanner": ["x"] * 240})
    assert grouping_columns(table) == ["sex", "age", "site", "scanner"]


def test_calibration_operating_points_and_conformal_sets_come_from_validation():
    table = classification(n=600, subjects=600, sharp=1.0)
    scores = scoring.evaluate(table, Classification(), draws=300)
    calibration = scores["calibration"]
    assert calibration["fitted_on"] == "validation"
    assert {"calibrator", "figures"} <= set(calibration["temperature"])
    assert calibration["isotonic"]["figures"]["ece"]["value"] >= 0
    points = {p["name"]: p for p in scores["operating_points"]}
    assert points["half"]["chosen_on"] == "stated"
    assert points["sensitivity_0.9"]["chosen_on"] == "validation"
    validation = table.split == "validation"
    p, y = table.columns["p/1"][validation], table.columns["target"][validation] == 1
    assert (p[y] >= points["sensitivity_0.9"]["threshold"]).mean() >= 0.9
    assert points["sensitivity_0.9"]["sensitivity"] == pytest.approx(0.9, abs=0.08)
    assert scores["conformal"]["n_subjects"] == validation.sum()
    coverage = scores["metrics"]["conformal_coverage"]
    assert coverage["lower"] <= scores["conformal"]["expected_coverage"] <= coverage["upper"]
    assert set(scores["conformal"]["within_groups"]["sex"]) == {"F", "M"}
    assert "conformal_coverage" in scores["subgroups"]["sex"]["F"]
    assert len(scores["curves"]["decision"]["value"]) == 99
    changed = table.with_columns({"target": np.where(validation, 1 - table.columns["target"], table.columns["target"])})
    again = scoring.evaluate(changed, Classification(), draws=300)
    assert again["metrics"]["auroc"] == scores["metrics"]["auroc"]
    assert again["operating_points"][1]["threshold"] != points["youden"]["threshold"]


def test_without_validation_rows_the_reason_is_given():
    scores = scoring.evaluate(classification(split=["test"] * 240), Classification(), draws=200)
    check_structure(scores)
    assert "no rows of validation" in scores["calibration"]["reason"]
    assert "no rows of validation" in scores["conformal"]["reason"]
    assert scores["metrics"]["conformal_coverage"]["value"] is None
    assert scores["operating_points"][1]["reason"] == "the file has no rows of validation to fit on"


def test_conformal_intervals_cover_as_promised():
    scores = scoring.evaluate(regression(n=900, subjects=900), Regression(range=(0, 34)), draws=300, miscoverage=0.2)
    coverage = scores["metrics"]["conformal_coverage"]
    assert coverage["lower"] - 0.05 <= scores["conformal"]["expected_coverage"] <= coverage["upper"] + 0.05
    assert scores["metrics"]["conformal_width"]["value"] == pytest.approx(2 * scores["conformal"]["quantile"])


def test_intervals_that_the_file_states_are_checked():
    table = regression()
    stated = {"lower": table.columns["prediction"] - 4, "upper": table.columns["prediction"] + 4}
    intervals = scoring.evaluate(table.with_columns(stated), Regression(), draws=300)["stated_intervals"]
    assert intervals["coverage"]["value"] == pytest.approx(0.95, abs=0.05)
    assert intervals["width"]["value"] == pytest.approx(8)


def test_the_model_beside_human_readers():
    table = regression()
    target = table.columns["target"]
    readers = {"rater/a": target + 1, "rater/b": np.where(np.arange(240) % 2, target, np.nan)}
    raters = scoring.evaluate(table.with_columns(readers), Regression(), draws=300)["raters"]
    assert raters["pairs"]["target − a"]["bland_altman_bias"]["value"] == pytest.approx(-1)
    assert raters["pairs"]["a − b"]["mae"]["value"] == pytest.approx(1)
    assert raters["pairs"]["model − b"]["mae"]["n"] < raters["pairs"]["model − a"]["mae"]["n"]
    assert 0.9 < raters["icc_2_1_readers"]["value"] < 1
    labels = {"rater/a": classification().columns["target"], "rater/b": [""] * 240}
    classes = scoring.evaluate(classification().with_columns(labels), Classification(), draws=200)["raters"]["pairs"]
    assert classes["target − a"]["kappa"]["value"] == 1
    assert classes["a − b"]["kappa"]["value"] is None


def test_baselines_are_fitted_on_training_and_scored_on_the_same_rows():
    table = regression(n=300, subjects=300)
    side = np.where(np.arange(300) % 3 == 1, "train", table.split)
    age = table.columns["target"] * 2 + np.random.default_rng(1).normal(0, 5, 300)  # a covariate that knows much
    manifest = PredictionTable.make(
        {"sample_id": table.sample_id, "target/score": table.columns["target"], "age": age, "sex": table.text("sex")}
    )
    splits = PredictionTable.make({"sample_id": table.sample_id, "split": side})
    facts = cohort_table(manifest, splits, Regression(target="score"))
    tested = table.take(side != "train")
    baselines = scoring.evaluate(tested, Regression(), draws=300, cohort=facts)["baselines"]
    x = table.columns["target"]
    expected = np.abs(x[side == "test"] - x[side == "train"].mean()).mean()
    assert baselines["mean"]["mae"]["value"] == pytest.approx(expected)
    assert baselines["mean"]["pearson_r"]["value"] is None
    assert 1 < baselines["covariates"]["mae"]["value"] < expected / 3


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (lambda t: t, "is the target"),
        (lambda t: 365.25 * t + 1, r"linear function of the target \(Pearson's r 1.000\)"),
        (lambda t: np.exp(t / 3), "monotone function of the target"),
        (lambda t: np.round(t + np.random.default_rng(2).normal(0, 0.3, len(t))), "linear function"),
        (lambda t: np.digitize(t, (5, 12, 20)), "is the target in bands"),
        (lambda t: np.array(["mild", "none", "severe"])[np.digitize(t, (8, 20))], "is the target in bands"),
    ],
)
def test_no_baseline_is_given_a_column_that_determines_the_target(answer, why):
    plain = regression(n=300, subjects=300)
    table = plain.with_columns({"age": answer(plain.columns["target"])})
    scores = scoring.evaluate(table, Regression(), draws=200)
    assert re.search(why, scores["covariates_left_out"]["age"])
    assert "sex" not in scores["covariates_left_out"]
    r2 = scores["baselines"]["covariates"]["r2"]["value"]
    assert r2 < 0.1
    alone = scoring.evaluate(table, Regression(), draws=200, covariates=["age"])
    assert list(alone["baselines"]) == ["mean"]


def test_nor_one_that_determines_a_class():
    plain = classification(classes=2)
    target = plain.text("target")
    coded = np.where(target == "1", "positive", "negative")
    biomarker = np.where(target == "1", 5.0, 2.0) + np.random.default_rng(0).uniform(0, 1, len(target))
    for column in (target, coded, biomarker):
        scores = scoring.evaluate(plain.with_columns({"volume": column}), Classification(), draws=200)
        assert list(scores["covariates_left_out"]) == ["volume"], column[:3]
        assert scores["baselines"]["covariates"]["auroc"]["value"] < 0.75
    noisy = np.where(np.arange(len(target)) % 5 == 0, "negative", coded)
    assert "covariates_left_out" not in scoring.evaluate(
        plain.with_columns({"volume": noisy}), Classification(), draws=200
    )
    read = zones()
    scores = scoring.evaluate(read.with_columns({"age": read.text("target/left_mid")}), Zones(), draws=200)
    assert scores["covariates_left_out"]["age"] == "is the target left_mid"


def test_baselines_of_the_other_tasks():
    baselines = scoring.evaluate(classification(classes=3), Classification(), draws=200)["baselines"]
    assert baselines["prevalence"]["auroc"]["value"] == 0.5
    assert set(baselines["covariates"]) == set(baselines["prevalence"])
    assert scoring.evaluate(zones(), Zones(), draws=200)["baselines"]["prevalence"]["coverage"]["value"] is not None


def test_samples_of_a_subject_join_and_both_levels_are_given():
    n = 180
    rng = np.random.default_rng(0)
    owner = np.arange(n) // 3
    truth = rng.integers(0, 2, 60)[owner]
    p = np.clip(truth * 0.3 + 0.35 + rng.normal(0, 0.3, n), 0.01, 0.99)
    made = {
        "sample_id": [f"x{i}" for i in range(n)],
        "subject_id": [f"s{i}" for i in owner],
        "target": truth,
        "p/0": 1 - p,
        "p/1": p,
    }
    table = PredictionTable.make(made)
    for rule, join in (("mean", np.mean), ("median", np.median), ("max", None), ("vote", None)):
        scores = scoring.evaluate(table, Classification(aggregate=rule), draws=200)
        assert (scores["n"], scores["n_subjects"]) == (60, 60)
        assert set(scores["levels"]) == {"sample", "subject_id"}
        assert scores["levels"]["sample"]["auroc"]["n"] == n
        assert scores["metrics"]["auroc"]["method"] == "DeLong, Student's t on the logit scale"
        if join is not None:
            order = np.argsort([f"s{i}" for i in range(60)])
            joined = np.array([join(p[owner == s]) for s in range(60)])[order]
            expected = peer.roc_auc_score(truth[::3][order], joined)
            assert scores["metrics"]["auroc"]["value"] == pytest.approx(expected)


def test_the_age_of_a_subject_whose_scans_lie_years_apart_is_their_mean():
    columns = {
        "subject_id": ["a", "a", "b", "b", "c"],
        "age": ["10", "16", "90+", "", ""],
        "scanner": ["1", "2", "2", "2", "1"],
        "target": [1.0, 2, 3, 4, 5],
        "prediction": [1.0, 2, 3, 4, 5],
    }
    joined = scoring.joined_table(PredictionTable.make(columns), Regression(aggregate="mean"))
    assert joined.text("age").tolist() == ["13", "90", ""]
    assert joined.text("scanner").tolist() == ["mixed", "2", "1"], "numbers of devices are names"


def test_numbers_of_studies_that_begin_anew_for_each_subject_are_not_one_study():
    columns = {
        "subject_id": ["a", "a", "a", "b", "b", "c"],
        "study": ["1", "1", "2", "1", "1", "9"],
        "target": [1.0, 1, 2, 3, 3, 4],
        "prediction": [1.0, 2, 3, 4, 6, 7],
    }
    joined = scoring.joined_table(PredictionTable.make(columns), Regression(aggregate={"name": "mean", "by": "study"}))
    rows = zip(joined.sample_id, joined.subject_id, joined.columns["prediction"])
    assert sorted(rows) == [("2", "a", 3), ("9", "c", 7), ("a 1", "a", 1.5), ("b 1", "b", 5)]


def test_vote_and_max_by_hand():
    made = {
        "subject_id": ["a", "a", "a", "b"],
        "target": [1, 1, 1, 0],
        "p/0": [0.1, 0.6, 0.4, 0.8],
        "p/1": [0.9, 0.4, 0.6, 0.2],
    }
    table = PredictionTable.make(made)
    table = table.with_columns({"distance": np.arange(len(table), dtype=float)})
    voted = scoring.joined_table(table, Classification(aggregate="vote"))
    np.testing.assert_allclose(voted.columns["p/1"], [2 / 3, 0])
    assert voted.columns["distance"][0] == 1  # numbers have no votes: the mean of 0, 1, 2
    largest = scoring.joined_table(table, Classification(aggregate="max"))
    np.testing.assert_allclose(largest.columns["p/1"], [0.9 / 1.5, 0.2])
    odd = table.with_columns({"target": [1, 0, 1, 0]})
    with pytest.raises(PredictionsError, match="have different targets and cannot be aggregated"):
        scoring.joined_table(odd, Classification(aggregate="vote"))


def test_regression_joins_by_a_stated_column():
    table = regression(n=40, subjects=10).with_columns(
        {"study": [f"t{i % 20}" for i in range(40)], "split": ["test"] * 40}
    )
    task = Regression(aggregate={"name": "median", "by": "study"})
    joined = scoring.joined_table(table, task)
    assert len(joined) == 20
    assert joined.columns["prediction"][0] == pytest.approx(np.median(table.columns["prediction"][[0, 20]]))
    with pytest.raises(PredictionsError, match="column visit is missing"):
        scoring.joined_table(table, Regression(aggregate={"name": "mean", "by": "visit"}))


def test_samples_without_a_study_are_joined_with_none():
    columns = {"sample_id": list("abcd"), "subject_id": list("wwyz"), "study": ["1", "1", "", ""]}
    table = PredictionTable.make({**columns, "target": ["0", "0", "0", "1"], "p/1": ["0.1", "0.3", "0.2", "0.9"]})
    joined = scoring.joined_table(table, Classification(aggregate={"name": "mean", "by": "study"}))
    assert dict(zip(joined.sample_id, joined.text("target"))) == {"1": "0", "c": "0", "d": "1"}
    assert joined.subject_id.tolist()[:2] == ["y", "z"]


def test_summary_is_flat_and_the_file_is_json(tmp_path):
    write(regression(), tmp_path / "predictions.csv")
    scores = scoring.score_file(tmp_path / "predictions.csv", "regression", tmp_path / "metrics.json", draws=200)
    assert json.loads((tmp_path / "metrics.json").read_text()) == scores
    flat = scoring.summary(scores)
    assert flat["mae"] == scores["metrics"]["mae"]["value"]
    assert all(v is None or isinstance(v, float) for v in flat.values())
    again = scoring.score_file(tmp_path / "predictions.csv", "regression", draws=200)
    assert again == scores
    with pytest.raises(ScantuneError, match="task 'ranking': no such task"):
        scoring.score_file(tmp_path / "predictions.csv", "ranking")


@pytest.mark.parametrize("task", ["regression", "classification", "zones"])
def test_scoring_loads_no_heavy_library(tmp_path, task):
    table = {"regression": regression, "classification": classification, "zones": zones}[task]()
    write(table, tmp_path / "predictions.csv")
    program = (
        "import sys; from scantune.tasks.scoring import score_file; "
        f"score_file({str(tmp_path / 'predictions.csv')!r}, {task!r}, draws=200); "
        "heavy = {'torch', 'pandas', 'sklearn', 'scipy.stats', 'matplotlib', 'mlflow', 'monai'} & set(sys.modules); "
        "sys.exit(f'loaded {heavy}' if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("make", [lambda: regression(150, 150), lambda: classification(2, 150, 150), zones])
def test_the_level_of_confidence_reaches_every_interval(make):
    table = make()
    task = Zones() if "target/left_sup" in table else Classification() if "p/1" in table else Regression()
    wide, narrow = (scoring.evaluate(table, task, draws=400, confidence=c)["metrics"] for c in (0.95, 0.8))
    for name, figure in wide.items():
        if figure["lower"] is not None and figure["upper"] > figure["lower"]:
            assert narrow[name]["upper"] - narrow[name]["lower"] < figure["upper"] - figure["lower"], name


def test_the_level_of_confidence_reaches_the_band_of_calibrated_zones():
    wide, narrow = (
        scoring.evaluate(zones(), Zones(), draws=50, confidence=c)["calibration"]["as_given"]["ece"]
        for c in (0.95, 0.8)
    )
    assert narrow["consistency_upper"] < wide["consistency_upper"]
    assert narrow["consistency_lower"] > wide["consistency_lower"]


def test_probabilities_of_findings_that_exclude_nothing_are_joined_one_by_one():
    table = PredictionTable.make({"subject_id": ["a", "a"], "p/x": [0.9, 0.7], "p/y": [0.8, 0.6]})
    apart = aggregating.join(table, Aggregate(name="mean"), Faults(), exclusive=False)
    assert apart.columns["p/x"].tolist() == [pytest.approx(0.8)]
    assert apart.columns["p/y"].tolist() == [pytest.approx(0.7)]
    voted = aggregating.join(table, Aggregate(name="vote"), Faults(), exclusive=False)
    assert voted.columns["p/y"].tolist() == [1]
    largest = aggregating.join(table, Aggregate(name="max"), Faults(), exclusive=False)
    assert [largest.columns[c].tolist() for c in ("p/x", "p/y")] == [[0.9], [0.8]]
    exclusive = aggregating.join(table, Aggregate(name="mean"), Faults())
    assert exclusive.columns["p/x"].tolist() == [pytest.approx(0.8 / 1.5)]


def test_medians_that_are_all_0_give_way_to_the_mean():
    apart = {f"p/{k}": np.eye(4)[:3, k] for k in range(4)}
    table = PredictionTable.make({"subject_id": ["a"] * 3, "target": [1] * 3} | apart)
    joined = scoring.joined_table(table, Classification(aggregate="median"))
    assert [joined.columns[f"p/{k}"][0] for k in range(4)] == pytest.approx([1 / 3, 1 / 3, 1 / 3, 0])


def test_a_class_with_a_slash_in_its_name_is_joined_with_the_others():
    table = PredictionTable.make(
        {"subject_id": ["a", "a"], "target": ["T1/T2"] * 2, "p/T1/T2": [0.9, 0.5], "p/T3": [0.1, 0.5]}
    )
    joined = scoring.joined_table(table, Classification(aggregate="max"))
    assert [joined.columns[c][0] for c in ("p/T1/T2", "p/T3")] == pytest.approx([0.9 / 1.4, 0.5 / 1.4])


def test_targets_agree_by_value_and_those_of_findings_where_they_are_known():
    table = PredictionTable.make({"subject_id": ["a", "a"], "target": ["1", "1.0"], "p/1": [0.8, 0.6]})
    assert scoring.joined_table(table, Classification(aggregate="mean")).text("target").tolist() == ["1"]
    findings = PredictionTable.make({"subject_id": ["a", "a", "b"], "target/x": ["", "1", ""], "p/x": [0.8, 0.6, 0.5]})
    joined = aggregating.join(findings, Aggregate(name="mean"), Faults(), exclusive=False)
    assert joined.text("target/x").tolist() == ["1", ""]
    faults = Faults()
    aggregating.join(findings, Aggregate(name="mean"), faults)  # of zones an empty cell is a class
    assert "have different targets" in faults.lines[0]


def test_a_class_with_a_line_break_in_its_name_is_no_subgroup():
    columns = {name: ["1", "2"] for name in ("sample_id", "p/mild\nor none", "logit/mild\nor none", "sex")}
    assert grouping_columns(PredictionTable.make(columns)) == ["sex"]


def test_the_columns_of_a_plugins_task_are_no_subgroups(monkeypatch):
    columns = {
        name: ["1", "2"] for name in ("sample_id", "vessels", "vessels/left", "sex", "dice/bone", "volume_target")
    }
    assert grouping_columns(PredictionTable.make(columns)) == ["vessels", "vessels/left", "sex"]
    monkeypatch.setattr(Regression, "own_columns", ("vessels",))
    assert grouping_columns(PredictionTable.make(columns)) == ["sex"]


def test_what_predict_writes_beside_its_answers_is_no_group():
    columns = {name: ["x", "y"] for name in ("sex", "note", "reason", "map", "report_reason", "image_mean")}
    assert grouping_columns(PredictionTable.make(columns)) == list(columns)  # may be a cohort's own
    assert grouping_columns(PredictionTable.make(columns | {"file": ["Doe.dcm", "Roe.dcm"]})) == ["sex"]


def test_gaps_of_subgroups_have_p_values_adjusted_for_their_number():
    subgroups = scoring.evaluate(regression(), Regression(), draws=50)["subgroups"]
    gaps = {(c, level): f["mae"]["gap"] for c, levels in subgroups.items() for level, f in levels.items()}
    tests = {c if len(subgroups[c]) == 2 else (c, level): g["p_value"] for (c, level), g in gaps.items()}
    tests = {key: p for key, p in tests.items() if p is not None}
    assert len(tests) > 3
    least = min(tests, key=tests.get)
    adjusted = [g["p_holm"] for (c, level), g in gaps.items() if least in (c, (c, level))]
    assert adjusted[0] == pytest.approx(min(1, len(tests) * tests[least]))
    assert all(g["p_holm"] >= g["p_value"] for g in gaps.values() if g["p_value"] is not None)


@pytest.mark.parametrize("task", ["classification", "multilabel"])
def test_a_reason_that_names_the_range_of_a_calibrated_model_stands_beside_it(task):
    rng = np.random.default_rng(4)
    y = rng.random((80, 2)) < 0.4
    p = np.clip(0.3 + 0.3 * y + rng.normal(size=y.shape) * 0.2, 0, 1)
    columns = {"target": y[:, 0] * 1, "p/1": p[:, 0]}
    if task == "multilabel":
        columns = {
            f"{kind}/{name}": v[:, k] for kind, v in (("target", y * 1), ("p", p)) for k, name in enumerate("ab")
        }
    table = PredictionTable.make(columns | {"sex": np.where(np.arange(80) % 2, "F", "M"), "split": ["test"] * 80})
    metrics = scoring.evaluate(table, scoring.settings_of(task), draws=50)

    def entries(section):
        if isinstance(section, dict):
            if "reason" in section and "value" in section:
                yield section
            for part in section.values():
                yield from entries(part)

    named = [e for e in entries(metrics) if "consistency_lower" in str(e["reason"])]
    assert all(e["consistency_lower"] < e["consistency_upper"] for e in named)
    assert {"ece"} <= {name.partition("/")[0] for name, e in metrics["metrics"].items() if e in named}


def test_samples_of_one_subject_do_not_narrow_the_agreement_of_readers():
    rng = np.random.default_rng(2)
    target = rng.normal(10, 2, 12)
    columns = {"target": target, "prediction": target + rng.normal(size=12), "subject_id": [f"s{i}" for i in range(12)]}
    columns |= {f"rater/{name}": target + rng.normal(size=12) for name in "ab"}
    once = scoring.evaluate(PredictionTable.make(columns), Regression(), draws=50)["raters"]["icc_2_1_readers"]
    repeated = {name: np.repeat(values, 6) for name, values in columns.items()}
    again = scoring.evaluate(PredictionTable.make(repeated), Regression(), draws=50)["raters"]["icc_2_1_readers"]
    assert again["value"] == pytest.approx(once["value"], abs=0.02)
    assert (again["n"], again["n_subjects"]) == (72, 12)
    assert again["upper"] - again["lower"] > 0.7 * (once["upper"] - once["lower"])


def test_readers_that_agree_exactly_have_no_interval_and_the_reason():
    target = np.arange(8.0)
    table = PredictionTable.make({"target": target, "prediction": target, "rater/a": target, "rater/b": target})
    entry = scoring.evaluate(table, Regression(), draws=50)["raters"]["icc_2_1_readers"]
    assert (entry["value"], entry["lower"], entry["upper"]) == (1, None, None)
    assert "no interval" in entry["reason"]


def test_the_interval_of_a_mean_grade_s_error_ends_at_the_highest_grade():
    """Six subjects, one of whom is off by three grades: the rule's bound would be beyond all grades."""
    task, columns = Zones(), {"sample_id": [f"s{i}" for i in range(6)]}
    for zone in task.zones:
        columns[f"target/{zone}"] = ["0"] * 6
        p = np.full((6, 5), 0.02)
        p[np.arange(6), [0, 0, 0, 0, 0, 3]] = 0.92
        columns |= {f"p/{zone}/{c}": p[:, k] for k, c in enumerate(task.classes)}
    metrics = scoring.evaluate(PredictionTable.make(columns), task, draws=20)["metrics"]
    assert metrics["mean_score_mae"]["value"] == pytest.approx(0.5)
    assert metrics["mean_score_mae"]["upper"] == metrics["mean_score_rmse"]["upper"] == 3


def test_a_baseline_without_an_interval_of_its_difference_says_why():
    baselines = scoring.evaluate(classification(n=12, subjects=12), Classification(), draws=1)["baselines"]
    entries = [figure["difference"] for of in baselines.values() for figure in of.values() if "difference" in figure]
    assert [entry for entry in entries if entry["lower"] is None]
    assert all((entry["lower"] is None) == bool(entry["reason"]) for entry in entries)


@pytest.mark.parametrize("task", ["classification", "multilabel"])
def test_rows_that_are_sorted_by_one_probability_have_the_metrics_of_any_order(task):
    rng = np.random.default_rng(4)
    target = rng.integers(0, 3, 60)
    p = rng.dirichlet(np.ones(3), 60) * 0.5 + np.eye(3)[target] * 0.5 * rng.random((60, 1))
    p /= p.sum(1, keepdims=True)
    columns = {"sample_id": [f"x{i}" for i in range(60)], **{f"p/{k}": p[:, k] for k in range(3)}}
    columns |= {"target": target} if task == "classification" else {f"target/{k}": target == k for k in range(3)}
    table = PredictionTable.make(columns)
    ordered = table.take(np.argsort(-p[:, 0]))
    settings = scoring.settings_for(task, {}, tuple(columns))
    one, other = (scoring.evaluate(rows, settings, draws=1)["metrics"] for rows in (table, ordered))
    for name in one:
        for part in ("value", "lower", "upper"):
            assert (other[name][part] is None) == (one[name][part] is None), name
            assert other[name][part] is None or other[name][part] == pytest.approx(one[name][part], rel=1e-5), name
