"""Two experiments compared over several trainings of each."""

import json
from pathlib import Path

import numpy as np
import pytest
from scipy import stats
from typer.testing import CliRunner

from scantune.cli import app
from scantune.records import ScantuneError
from scantune.tasks.classification.settings import Classification
from scantune.tasks.comparing import ComparisonError
from scantune.tasks.predictions import PredictionTable, write
from scantune.tasks.regression.settings import Regression
from scantune.tasks.trainings import compare_trainings, lines


def trainings(rng, target, *, count=4, bias=0.0, between=0.1, noise=1.0, shared=None):
    """Predictions of several trainings: an error that all share, one of each training, and noise."""
    shared = rng.normal(size=len(target)) if shared is None else shared
    tables = []
    for number in range(count):
        error = bias + between * rng.normal() + shared + noise * rng.normal(size=len(target))
        columns = {
            "sample_id": [f"x{i}" for i in range(len(target))],
            "subject_id": [f"s{i}" for i in range(len(target))],
            "target": target,
            "prediction": target + error,
        }
        tables.append(PredictionTable.make(columns, f"training{number}.csv"))
    return tables


def test_both_parts_of_the_standard_error_by_hand():
    rng = np.random.default_rng(0)
    target = rng.normal(10, 3, 60)
    old, new = trainings(rng, target, count=3), trainings(rng, target, count=5, bias=0.5)
    result = compare_trainings(old, new, Regression(), primary="mae")
    entry = result["metrics"]["mae"]
    errors = [np.abs(np.stack([t.columns["prediction"] for t in side]) - target) for side in (old, new)]
    assert entry["reference"]["values"] == pytest.approx(errors[0].mean(1).tolist())
    assert entry["challenger"]["mean"] == pytest.approx(errors[1].mean())
    d = entry["difference"]
    by_subject = errors[1].mean(0) - errors[0].mean(0)
    assert d["value"] == pytest.approx(by_subject.mean())
    # The jackknife of a mean is the standard error of the mean.
    assert d["error_subjects"] == pytest.approx(by_subject.std(ddof=1) / np.sqrt(60), rel=0.02)
    among = sum(errors[side].mean(1).var(ddof=1) / len(errors[side]) for side in (0, 1))
    assert d["error_trainings"] == pytest.approx(np.sqrt(among))
    assert d["standard_error"] == pytest.approx(np.hypot(d["error_subjects"], d["error_trainings"]))
    half = stats.t.ppf(0.975, d["df"]) * d["standard_error"]
    assert (d["lower"], d["upper"]) == pytest.approx((d["value"] - half, d["value"] + half))
    assert d["p_value"] == pytest.approx(2 * stats.t.sf(abs(d["value"]) / d["standard_error"], d["df"]))
    assert result["trainings"] == [3, 5]
    assert lines(result)[0].startswith("mae: ")
    json.dumps(result, allow_nan=False)


@pytest.mark.slow
def test_the_interval_covers_no_difference_where_trainings_vary_more_than_subjects_tell():
    """The same experiment twice: a test of subjects alone takes one training's luck for a difference."""
    rng = np.random.default_rng(1)
    covered, by_subjects_alone = [], []
    for _ in range(100):
        target = rng.normal(10, 3, 40)
        shared = rng.normal(size=40)
        sides = [trainings(rng, target, count=5, between=0.5, noise=0.2, shared=shared) for _ in range(2)]
        d = compare_trainings(*sides, Regression(), primary="mae")["metrics"]["mae"]["difference"]
        covered.append(d["lower"] <= 0 <= d["upper"])
        by_subjects_alone.append(abs(d["value"]) <= 2 * d["error_subjects"])
    assert np.mean(covered) >= 0.9
    assert np.mean(by_subjects_alone) < 0.85


def test_what_cannot_be_compared_is_told():
    rng = np.random.default_rng(2)
    target = rng.normal(10, 3, 20)
    old, new = trainings(rng, target), trainings(rng, target)
    with pytest.raises(ComparisonError, match=r"primary metric 'auroc': there are mae"):
        compare_trainings(old, new, Regression(), primary="auroc")
    with pytest.raises(ComparisonError, match=r"1 sample of training0\.csv is not in training2\.csv: x19"):
        compare_trainings(old, [*new[:2], new[2].take(np.arange(19))], Regression())
    same = compare_trainings([old[0]] * 2, [old[0]] * 2, Regression())["metrics"]["mae"]["difference"]
    assert same["lower"] is None
    assert "the same whichever subject is left out" in same["reason"]


def test_folders_on_the_command_line(tmp_path: Path):
    rng = np.random.default_rng(3)
    y = rng.integers(0, 2, 80)
    for name, strength in (("plain", 0.5), ("tuned", 4.0)):
        for seed in (42, 43, 44):
            p = 1 / (1 + np.exp(-(strength * (y - 0.5) + rng.normal(size=80))))
            columns = {
                "sample_id": [f"x{i}" for i in range(80)],
                "subject_id": [f"s{i // 2}" for i in range(80)],
                "target": y,
                "p/0": 1 - p,
                "p/1": p,
            }
            path = tmp_path / name / f"seed_{seed}" / "predictions.csv"
            path.parent.mkdir(parents=True)
            write(PredictionTable.make(columns, path.name), path)
    task = ["--task", "classification"]
    plain, tuned, out = str(tmp_path / "plain"), str(tmp_path / "tuned"), tmp_path / "difference.json"
    done = CliRunner().invoke(app, ["compare", plain, tuned, *task, "--out", str(out)])
    assert done.exception is None, done.output
    assert "means over 3 and 3 trainings, 80 samples of 40 subjects" in done.output
    auroc = json.loads(out.read_text())["metrics"]["auroc"]
    assert auroc["difference"]["lower"] > 0
    assert auroc["difference"]["p_value"] < 0.01
    text = (tmp_path / "plain" / "seed_42" / "predictions.csv").read_text()
    for name, second in (("broken", text.replace("target", "label")), ("shorter", text[: text.rindex("x79")])):
        for number, content in enumerate((text, second), start=1):
            path = tmp_path / name / f"seed_{number}" / "predictions.csv"
            path.parent.mkdir(parents=True)
            path.write_text(content)
    for wrong, why in (
        ([plain, str(tmp_path / "tuned" / "seed_42" / "predictions.csv"), *task], "two files, or two folders"),
        ([plain, str(tmp_path / "tuned" / "seed_42"), *task], "1 file named predictions.csv"),
        ([plain, str(tmp_path / "tunde"), *task], "tunde: no such file or folder"),
        ([plain, str(tmp_path / "broken"), *task], "broken/seed_2/predictions.csv cannot be used"),
        ([plain, str(tmp_path / "shorter"), *task], f"is not in {tmp_path}/shorter/seed_2/predictions.csv: x79"),
        ([plain, tuned, *task, "--margin", "0.1"], "--margin is for two files"),
        ([plain, tuned, *task, "--draws", "5000"], "--draws is for two files"),
        ([plain, tuned, *task, "--seed", "1"], "--seed is for two files"),
    ):
        refused = CliRunner().invoke(app, ["compare", *wrong])
        assert isinstance(refused.exception, ScantuneError)
        assert why in str(refused.exception)


def test_classes_are_compared_by_the_tasks_own_headline():
    rng = np.random.default_rng(4)
    y = rng.integers(0, 2, 60)
    tables = []
    for _ in range(2):
        p = 1 / (1 + np.exp(-(y - 0.5 + rng.normal(size=60))))
        columns = {"sample_id": [f"x{i}" for i in range(60)], "subject_id": [f"s{i}" for i in range(60)]}
        tables.append(PredictionTable.make(columns | {"target": y, "p/0": 1 - p, "p/1": p}, "a.csv"))
    assert compare_trainings(tables, tables[::-1], Classification())["primary"] == "auroc"
