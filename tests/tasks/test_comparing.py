"""Two models on the same subjects."""

import json

import numpy as np
import pytest

from scantune.records import ScantuneError
from scantune.statistics.discrimination import delong_test
from scantune.tasks import directions
from scantune.tasks.classification.settings import Classification
from scantune.tasks.comparing import ComparisonError, compare, compare_files, lines
from scantune.tasks.predictions import PredictionTable, write
from scantune.tasks.regression.settings import Regression
from scantune.tasks.segmentation.settings import Segmentation


def models(n=120, subjects=120, seed=0, noise=1.0):
    """Two classifiers of the same samples; the second sees through ``noise``."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 2, n)
    level = y * 1.5 + rng.normal(size=n)
    tables = []
    for score in (level, level + noise * rng.normal(size=n)):
        p = 1 / (1 + np.exp(-(score - 0.75)))
        made = {
            "sample_id": [f"x{i}" for i in range(n)],
            "subject_id": [f"s{i % subjects}" for i in range(n)],
            "target": y,
            "p/0": 1 - p,
            "p/1": p,
        }
        tables.append(PredictionTable.make(made, f"model{len(tables)}.csv"))
    return tables


def test_difference_delong_mcnemar_and_decision():
    first, second = models()
    result = compare(first, second, Classification(), margin=0.05)
    json.dumps(result, allow_nan=False)
    scores = np.stack([t.columns["p/1"] for t in (first, second)])
    difference = result["metrics"]["auroc"]["difference"]
    assert result["primary"] == "auroc"
    assert difference["method"] == "paired DeLong"
    assert difference["p_value"] == pytest.approx(delong_test(scores, first.columns["target"] == 1).p_value)
    for name, entry in result["metrics"].items():
        d = entry["difference"]
        expected = entry["challenger"]["value"] - entry["reference"]["value"]
        assert d["value"] == pytest.approx(expected), name
        assert d["lower"] <= d["value"] <= d["upper"], name
        assert d["p_holm"] >= d["p_value"], name
    assert result["mcnemar"]["only_first"] > result["mcnemar"]["only_second"]
    assert result["decision"]["holds"] is False
    assert "not shown to be non-inferior" in lines(result)[-1]
    same = result["decision"]["equivalence"]
    assert same["lower"] > difference["lower"]
    assert "within ±0.05: not shown to be equivalent (90 % interval" in lines(result)[-2]
    assert result["decision"]["p_value"] > 0.025


def test_the_better_model_is_superior_and_direction_follows_the_figure():
    first, second = models(noise=3.0)
    assert compare(second, first, Classification())["decision"]["superior"] is True
    by_error = compare(second, first, Classification(), primary="brier")
    assert by_error["decision"]["superior"] is True
    assert by_error["metrics"]["brier"]["difference"]["upper"] < 0
    assert by_error["metrics"]["brier"]["difference"]["p_holm"] == by_error["metrics"]["brier"]["difference"]["p_value"]


def test_swapping_the_sides_changes_the_sign():
    first, second = models()
    there, back = compare(first, second, Classification()), compare(second, first, Classification())
    for name, entry in there["metrics"].items():
        assert back["metrics"][name]["difference"]["value"] == pytest.approx(-entry["difference"]["value"]), name


def test_a_model_beside_itself_and_rows_in_another_order():
    first, _ = models()
    order = np.random.default_rng(1).permutation(len(first))
    result = compare(first, first.take(order), Classification())
    assert all(e["difference"]["value"] == 0 for e in result["metrics"].values())
    assert all(e["difference"]["p_value"] == 1 for e in result["metrics"].values())
    assert "brier: equal, whichever subject is left out" in lines(result)
    assert result["decision"]["holds"] is False  # a margin of 0 is not passed by equality
    assert compare(first, first, Classification(), margin=0.01)["decision"]["holds"] is True


def test_repeated_subjects_have_no_mcnemar_and_no_delong():
    result = compare(*models(subjects=40), Classification())
    assert "independent" in result["mcnemar"]["reason"]
    assert result["metrics"]["auroc"]["difference"]["method"].startswith("paired jackknife by subject")


def test_a_model_of_five_folds_beside_a_single_one():
    first, second = models()
    folds = first.with_columns({"fold": [str(i % 5) for i in range(len(first))]})
    single = second.with_columns({"fold": [""] * len(second)})
    plain = compare(first, second, Classification(), draws=200)
    for pair in ((folds, single), (folds, second), (first, single)):
        assert compare(*pair, Classification(), draws=200)["metrics"] == plain["metrics"]
    two = [
        PredictionTable.make({c: np.concatenate([v, v]) for c, v in t.columns.items()}, t.name).with_columns(
            {"fold": ["0"] * len(t) + ["1"] * len(t)}
        )
        for t in (first, second)
    ]
    assert compare(*two, Classification(), draws=200)["n"] == 2 * len(first)
    with pytest.raises(ComparisonError, match=r"several times .once a fold. and model1.csv once: join the rows"):
        compare(two[0], second, Classification())


def test_masks_with_only_dice_are_compared_on_it():
    rng = np.random.default_rng(0)
    base = {"sample_id": [f"x{i}" for i in range(30)]}
    dice = rng.uniform(0.6, 0.8, 30)
    bare = PredictionTable.make(base | {"dice": dice}, "bare.csv")
    better = PredictionTable.make(base | {"dice": dice + 0.05 + rng.normal(0, 0.02, 30)}, "better.csv")
    full = better.with_columns({"iou": dice, "hd95": np.where(np.arange(30) == 3, np.nan, 5.0)})
    for pair in ((bare, better), (bare, full), (full, bare)):
        result = compare(*pair, Segmentation(), draws=200)
        assert list(result["metrics"]) == ["dice"]
        assert lines(result)
    assert result["not_compared"] == {"iou": "bare.csv does not have it", "hd95": "bare.csv does not have it"}
    with pytest.raises(ComparisonError, match=r"primary metric 'iou': bare.csv does not have it; there are dice"):
        compare(full, bare, Segmentation(), primary="iou")
    gaps = full.with_columns({"hd95": np.where(np.arange(30) == 7, np.nan, rng.uniform(4, 6, 30))})
    hd95 = compare(full, gaps, Segmentation(), draws=200)["metrics"]["hd95"]["difference"]
    assert hd95["lower"] < hd95["value"] < hd95["upper"], "a sample that one file lacks is no sample of another subject"


@pytest.mark.parametrize("seed", range(12))
def test_the_decision_and_the_p_value_are_one(seed):
    rng = np.random.default_rng(seed)
    target = rng.normal(size=30)
    base = {"sample_id": [f"x{i}" for i in range(30)], "target": target}
    sides = [PredictionTable.make(base | {"prediction": target + rng.normal(0, s, 30)}) for s in (1.0, 0.72)]
    result = compare(*sides, Regression(), primary="mae")
    difference = result["metrics"]["mae"]["difference"]
    assert result["decision"]["superior"] is (difference["upper"] < 0)
    assert (difference["p_value"] < 0.05) is not (difference["lower"] < 0 < difference["upper"])


def test_a_metric_without_a_direction_decides_nothing(monkeypatch):
    rng = np.random.default_rng(1)
    base = {"sample_id": [f"x{i}" for i in range(30)], "target": rng.normal(size=30)}
    first, second = (PredictionTable.make(base | {"prediction": base["target"] + shift}) for shift in (0.0, 3.0))
    with pytest.raises(ScantuneError, match="bland_altman_bias is best at 0, so that neither"):
        compare(first, second, Regression(), primary="bland_altman_bias")
    assert compare(first, second, Regression())["lower_is_better"] == ["mae", "rmse"]
    monkeypatch.setattr(directions, "CUSTOM", {"own": directions.CustomMetric(lambda reference, prediction: 1.0)})
    with pytest.raises(ScantuneError, match="custom metric own states no direction"):
        compare(first, second, Regression(), primary="own")


def test_unequal_subjects_are_refused_and_named():
    first, second = models()
    with pytest.raises(ComparisonError) as error:
        compare(first.take(np.arange(1, 120)), second.take(np.arange(118)), Classification())
    assert "2 samples of model0.csv are not in model1.csv: x118, x119" in str(error.value)
    assert "1 sample of model1.csv is not in model0.csv: x0" in str(error.value)
    moved = second.with_columns({"subject_id": ["other", *second.subject_id[1:]]})
    with pytest.raises(ComparisonError, match="1 sample belongs to another subject in the other file: x0"):
        compare(first, moved, Classification())
    relabelled = second.with_columns({"target": 1 - second.columns["target"]})
    with pytest.raises(ComparisonError, match="120 samples have another target in the other file: x0, x1"):
        compare(first, relabelled, Classification())
    with pytest.raises(ComparisonError, match="primary metric 'speed'; there are auroc"):
        compare(first, second, Classification(), primary="speed")


def test_undefined_figures_are_undecided(tmp_path):
    rng = np.random.default_rng(0)
    base = {"sample_id": [f"x{i}" for i in range(30)], "target": rng.normal(size=30)}
    constant = PredictionTable.make(base | {"prediction": np.zeros(30)})
    good = PredictionTable.make(base | {"prediction": base["target"] + rng.normal(size=30)})
    result = compare(constant, good, Regression(), primary="spearman_rho")
    assert result["metrics"]["spearman_rho"]["difference"]["reason"] == "undefined: the prediction is constant"
    assert result["decision"]["holds"] is None
    assert "undecided" in lines(result)[-1]
    write(constant, tmp_path / "a.csv")
    write(good, tmp_path / "b.csv")
    written = compare_files(tmp_path / "a.csv", tmp_path / "b.csv", "regression", tmp_path / "out.json", draws=300)
    assert json.loads((tmp_path / "out.json").read_text()) == written
    assert written["metrics"]["mae"]["difference"]["method"].startswith("paired jackknife by subject")


@pytest.mark.heavy
def test_paired_bootstrap_finds_a_difference_of_nothing_in_five_percent():
    wrong = 0
    for seed in range(300):
        rng = np.random.default_rng(seed)
        target = rng.normal(size=80)
        base = {"sample_id": [f"x{i}" for i in range(80)], "target": target}
        sides = [PredictionTable.make(base | {"prediction": target + rng.normal(size=80)}) for _ in range(2)]
        result = compare(*sides, Regression(), draws=1000, seed=seed)
        wrong += result["metrics"]["mae"]["difference"]["p_value"] < 0.05
    assert 0.02 < wrong / 300 < 0.09
