"""Headline conformal figures are of the intervals and sets that users get."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from scantune.statistics import conformal
from scantune.tasks import scoring
from scantune.tasks.classification.settings import Classification
from scantune.tasks.classification.task import ClassificationTask
from scantune.tasks.predictions import PredictionTable
from scantune.tasks.regression.settings import Regression
from scantune.tasks.zones.settings import Zones
from scantune.tasks.zones.task import ZonesTask

N = 120
SPLIT = ["validation"] * (N // 2) + ["test"] * (N // 2)


def ids(split: list[str] | None = None) -> dict[str, Any]:
    names = [f"s{i}" for i in range(N)]
    return {"sample_id": names, "subject_id": names, "split": split or SPLIT, "sex": ["F", "M"] * (N // 2)}


def regression(**more: Any) -> PredictionTable:
    rng = np.random.default_rng(0)
    target = rng.uniform(0, 10, N)
    prediction = target + rng.normal(0, 1, N)
    return PredictionTable.make(
        ids() | {"target": target, "prediction": prediction} | {k: v(prediction) for k, v in more.items()}
    )


def test_members_are_judged_by_the_intervals_that_they_write_and_not_by_scaled_ones() -> None:
    spread = np.random.default_rng(1).uniform(0.2, 3, N)
    table = regression(prediction_sd=lambda _: spread, lower=lambda p: p - 1.5, upper=lambda p: p + 1.5)
    served = {"conformal": {"quantile": 1.5, "n_subjects": 60, "miscoverage": 0.1}, "fitted_on": "validation"}
    metrics = scoring.evaluate(table, Regression(target="score"), draws=200, served=served)
    assert metrics["metrics"]["conformal_width"]["value"] == pytest.approx(3)
    test = slice(N // 2, N)
    error = np.abs(table.columns["target"] - table.columns["prediction"])[test]
    assert metrics["metrics"]["conformal_coverage"]["value"] == pytest.approx((error <= 1.5).mean())
    assert metrics["metrics"]["conformal_coverage"]["value"] == metrics["stated_intervals"]["coverage"]["value"]
    assert metrics["conformal"]["quantile"] == 1.5
    assert metrics["subgroups"]["sex"]["F"]["conformal_width"]["value"] == pytest.approx(3)
    assert set(metrics["conformal"]["within_groups"]["sex"]) == {"F", "M"}
    # without the model's word they are fitted anew, unscaled as those that the file states
    fitted = scoring.evaluate(table, Regression(target="score"), draws=200)
    expected = conformal.quantile(np.abs(table.columns["target"] - table.columns["prediction"])[: N // 2], 0.1)
    assert fitted["metrics"]["conformal_width"]["value"] == pytest.approx(2 * expected)


def test_a_file_with_a_spread_alone_has_intervals_scaled_by_it() -> None:
    table = regression(prediction_sd=lambda p: np.full(len(p), 2.0))
    widths = scoring.evaluate(table, Regression(target="score"), draws=200)["metrics"]["conformal_width"]
    plain = scoring.evaluate(regression(), Regression(target="score"), draws=200)["metrics"]["conformal_width"]
    assert widths["value"] == pytest.approx(plain["value"])  # a constant spread changes nothing


def test_folds_that_are_the_only_test_have_figures_and_say_what_was_fitted_on_what() -> None:
    rng = np.random.default_rng(2)
    p = rng.uniform(0.05, 0.95, N)
    target = np.where(rng.uniform(size=N) < p, "b", "a")
    sets = ["a|b" if 0.3 < x < 0.7 else ("b" if x >= 0.7 else "a") for x in p]
    table = PredictionTable.make(ids(["test"] * N) | {"target": target, "p/a": 1 - p, "p/b": p, "set": sets})
    served = {"conformal": {"quantile": 0.7, "n_subjects": N, "miscoverage": 0.1}, "fitted_on": "the other folds"}
    metrics = scoring.evaluate(table, Classification(target="label"), draws=200, served=served)
    covered = [t in s.split("|") for t, s in zip(target, sets)]
    assert metrics["metrics"]["conformal_coverage"]["value"] == pytest.approx(np.mean(covered))
    assert metrics["metrics"]["conformal_set_size"]["value"] == pytest.approx(
        np.mean([len(s.split("|")) for s in sets])
    )
    for section in ("conformal", "calibration"):
        assert metrics[section]["fitted_on"] == "the other folds"
        assert "reason" not in metrics[section]


def test_sets_of_zones_are_written_and_hold_the_truth_as_promised() -> None:
    schema = Zones(zones=("right_sup", "left_sup"), grades=3)
    task = ZonesTask(schema.zones, grades=3, mirrored=schema.mirrored(), miscoverage=0.1)
    rng = np.random.default_rng(3)
    logits = rng.normal(0, 2, (N, 2, 4)).astype(np.float32)
    shares = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    truth = np.array([[rng.choice(4, p=zone / zone.sum()) for zone in row] for row in shares.astype(float)])
    fitted = task.fit(logits[: N // 2], truth[: N // 2], [f"s{i}" for i in range(N // 2)])
    columns = task.columns(logits, truth, fitted)
    table = PredictionTable.make(ids() | columns)
    metrics = scoring.evaluate(table, schema, draws=200, served=fitted | {"fitted_on": "validation"})
    covered = [
        task.classes[code] in text.split("|")
        for z, zone in enumerate(task.zones)
        for code, text in zip(truth[N // 2 :, z], columns[f"set/{zone}"][N // 2 :])
    ]
    assert metrics["metrics"]["conformal_coverage"]["value"] == pytest.approx(np.mean(covered))
    assert 0.8 < np.mean(covered) < 0.98
    assert "set/right_sup" not in metrics["subgroups"]


def test_a_class_task_writes_the_sets_that_are_judged() -> None:
    rng = np.random.default_rng(4)
    logits = rng.normal(0, 2, (N, 3)).astype(np.float32)
    truth = logits.argmax(1)
    task = ClassificationTask("label", ("a", "b", "c"))
    fitted = task.fit(logits[: N // 2], truth[: N // 2], [f"s{i}" for i in range(N // 2)])
    table = PredictionTable.make(ids() | task.columns(logits, truth, fitted))
    again = scoring.evaluate(table, Classification(target="label"), draws=200)
    served = scoring.evaluate(table, Classification(target="label"), draws=200, served=fitted)
    for name in ("conformal_coverage", "conformal_set_size"):
        assert served["metrics"][name]["value"] == pytest.approx(again["metrics"][name]["value"], abs=0.02)


def test_the_mean_size_of_sets_has_no_interval_above_the_number_of_classes() -> None:
    rng = np.random.default_rng(5)
    n, split = 30, ["validation"] * 20 + ["test"] * 10
    p = rng.uniform(0.4, 0.6, n)  # knows next to nothing: nearly every set has both classes
    p[-1] = 0.995  # of the last one alone
    target = rng.choice(["a", "b"], n)
    target[-1] = "b"
    named = {"sample_id": [f"s{i}" for i in range(n)], "subject_id": [f"s{i}" for i in range(n)], "split": split}
    sexes = {"sex": ["F", "M"] * (n // 2)}
    table = PredictionTable.make(named | sexes | {"target": target, "p/a": 1 - p, "p/b": p})
    metrics = scoring.evaluate(table, Classification(), draws=200, min_group=2)
    size = metrics["metrics"]["conformal_set_size"]
    assert size["value"] == pytest.approx(1.9)
    assert size["upper"] == 2.0
    assert all((one["conformal_set_size"]["upper"] or 0) <= 2 for one in metrics["subgroups"]["sex"].values())


def test_the_range_of_the_promised_coverage_has_the_level_of_the_evaluation() -> None:
    served = {"conformal": conformal.fit(np.linspace(0, 3, 60), 0.1), "fitted_on": "validation"}
    table = regression(lower=lambda p: p - 1.5, upper=lambda p: p + 1.5)
    for confidence in (0.95, 0.8):
        for fitted in (served, None):
            found = scoring.evaluate(table, Regression(target="score"), draws=200, served=fitted, confidence=confidence)
            bounds = [found["conformal"][f"coverage_{end}"] for end in ("lower", "upper")]
            assert bounds == pytest.approx(list(conformal.coverage_range(60, 0.1, confidence)))
